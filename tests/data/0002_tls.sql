-- Rows for every table of the migration of the same name: a certificate with two names, one of them for partners who
-- show certificates of their own. The PEM texts stand for real ones; the key is sealed under a secret that nobody has.

insert into certificates (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, '{}', true, spec ->> 'name', timestamptz '2026-10-21 08:00:00+00', timestamptz '2026-10-21 08:00:00+00'
from (values
    (uuid '0193f000-0061-7000-8000-000000000001', jsonb '{"name": "example-com", "cert": "-----BEGIN CERTIFICATE-----\n", "key": "sealed:v1:AAAA", "tags": [], "enabled": true, "info": {"certificate": {"subject": "CN=example.com", "names": ["example.com", "*.example.com"], "issuer": "CN=Example CA", "not_before": "2026-10-01T00:00:00Z", "not_after": "2026-12-30T00:00:00Z", "key_type": "ECDSA P-256", "fingerprint": "00", "serial": "01", "authority": false}, "expires_at": "2026-12-30T00:00:00Z"}}')
) as object (id, spec);

insert into ca_certificates (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, '{}', true, spec ->> 'name', timestamptz '2026-10-21 08:00:00+00', timestamptz '2026-10-21 08:00:00+00'
from (values
    (uuid '0193f000-0062-7000-8000-000000000001', jsonb '{"name": "partners-ca", "cert": "-----BEGIN CERTIFICATE-----\n", "tags": [], "enabled": true, "info": {"certificate": {"subject": "CN=Partners", "names": [], "issuer": "CN=Partners", "not_before": "2026-01-01T00:00:00Z", "not_after": "2036-01-01T00:00:00Z", "key_type": "RSA 4096", "fingerprint": "00", "serial": "01", "authority": true}, "expires_at": "2036-01-01T00:00:00Z"}}')
) as object (id, spec);

insert into snis (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, '{}', true, spec ->> 'name', timestamptz '2026-10-21 08:00:00+00', timestamptz '2026-10-21 08:00:00+00'
from (values
    (uuid '0193f000-0063-7000-8000-000000000001', jsonb '{"name": "api.example.com", "certificate": "0193f000-0061-7000-8000-000000000001", "client_auth": "off", "ca_certificates": [], "min_tls": "1.2", "tags": [], "enabled": true}'),
    (uuid '0193f000-0063-7000-8000-000000000002', jsonb '{"name": "partners.example.com", "certificate": "0193f000-0061-7000-8000-000000000001", "client_auth": "required", "ca_certificates": ["0193f000-0062-7000-8000-000000000001"], "min_tls": "1.3", "tags": [], "enabled": true}')
) as object (id, spec);
