-- An account, what its authority knows it by, and a certificate whose renewal fails in the middle of a challenge.

insert into acme_accounts (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, '{}', true, spec ->> 'name', timestamptz '2026-10-22 08:00:00+00', timestamptz '2026-10-22 08:00:00+00'
from (values
    (uuid '0193f000-0064-7000-8000-000000000001', jsonb '{"name": "internal", "directory": "https://acme.example.com/directory", "email": "ada@example.com", "terms_agreed": true, "external_account": {"kid": "kid-1", "hmac_key": "sealed:v1:AAAA"}, "ca_certificate": "0193f000-0062-7000-8000-000000000001", "tags": [], "enabled": true}')
) as object (id, spec);

insert into acme_registrations (account_id, directory, kid, email, credentials, registered_at) values
    ('0193f000-0064-7000-8000-000000000001', 'https://acme.example.com/directory', 'kid-1', 'ada@example.com', '\x01', '2026-10-22 08:01:00+00');

insert into certificates (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, '{}', true, spec ->> 'name', timestamptz '2026-10-22 08:00:00+00', timestamptz '2026-10-22 08:00:00+00'
from (values
    (uuid '0193f000-0061-7000-8000-000000000002', jsonb '{"name": "shop", "acme": {"account": "0193f000-0064-7000-8000-000000000001", "domains": ["shop.example.com"], "challenge": "http-01", "key_type": "ecdsa_p256"}, "tags": [], "enabled": true}')
) as object (id, spec);

insert into acme_orders (certificate_id, wanted, failures, last_error, attempted_at, next_attempt_at, order_url, order_key) values
    ('0193f000-0061-7000-8000-000000000002', '{"account": "0193f000-0064-7000-8000-000000000001", "domains": ["shop.example.com"], "challenge": "http-01", "key_type": "ecdsa_p256"}', 2, 'the authority says: no address for shop.example.com', '2026-10-22 08:01:00+00', '2026-10-22 08:11:00+00', 'https://acme.example.com/order/1', '\x02');

insert into acme_challenges (id, certificate_id, name) values
    ('0193f000-0065-7000-8000-000000000001', '0193f000-0061-7000-8000-000000000002', 'shop.example.com');
