-- Rows for every table of the migration of the same name, as a small house has them after some weeks: a shop with two
-- services behind the gateway, two APIs in the portal, a developer with an application, and their history.
-- No secret is real: hashes are of nothing that anybody holds.

insert into upstreams (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, array(select jsonb_array_elements_text(spec -> 'tags')), coalesce((spec ->> 'enabled')::boolean, true),
    spec ->> 'name', timestamptz '2026-10-01 08:00:00+00', timestamptz '2026-10-01 08:00:00+00'
from (values
    (uuid '0193f000-0052-7000-8000-000000000001', jsonb '{"name": "orders-eu", "tags": ["eu"], "enabled": true}')
) as object (id, spec);

insert into targets (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'address', spec, array(select jsonb_array_elements_text(spec -> 'tags')), coalesce((spec ->> 'enabled')::boolean, true),
    spec ->> 'address', timestamptz '2026-10-01 08:00:00+00', timestamptz '2026-10-01 08:00:00+00'
from (values
    (uuid '0193f000-0053-7000-8000-000000000001', jsonb '{"upstream": "0193f000-0052-7000-8000-000000000001", "address": "10.0.4.12:8080", "weight": 100, "tags": [], "enabled": true}'),
    (uuid '0193f000-0053-7000-8000-000000000002', jsonb '{"upstream": "0193f000-0052-7000-8000-000000000001", "address": "10.0.4.13:8080", "weight": 50, "tags": ["canary"], "enabled": true}'),
    (uuid '0193f000-0053-7000-8000-000000000003', jsonb '{"upstream": "0193f000-0052-7000-8000-000000000001", "address": "10.0.4.14:8080", "weight": 100, "tags": [], "enabled": false}')
) as object (id, spec);

insert into services (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, array(select jsonb_array_elements_text(spec -> 'tags')), coalesce((spec ->> 'enabled')::boolean, true),
    spec ->> 'name', timestamptz '2026-10-01 08:00:00+00', timestamptz '2026-10-01 08:00:00+00'
from (values
    (uuid '0193f000-0051-7000-8000-000000000001', jsonb '{"name": "orders", "upstream": "0193f000-0052-7000-8000-000000000001", "protocol": "http", "path": "/v1", "host": "orders.internal", "connect_timeout_ms": 2000, "response_timeout_ms": 15000, "idle_timeout_ms": 60000, "retries": 1, "tls_verify": true, "tags": ["shop", "team-orders"], "enabled": true}'),
    (uuid '0193f000-0051-7000-8000-000000000002', jsonb '{"name": "payments", "url": "https://payments.internal:8443/api", "connect_timeout_ms": 2000, "response_timeout_ms": 15000, "idle_timeout_ms": 60000, "retries": 0, "tls_verify": true, "tags": ["shop", "pci"], "enabled": true}')
) as object (id, spec);

insert into routes (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, array(select jsonb_array_elements_text(spec -> 'tags')), coalesce((spec ->> 'enabled')::boolean, true),
    spec ->> 'name', timestamptz '2026-10-01 08:00:00+00', timestamptz '2026-10-01 08:00:00+00'
from (values
    (uuid '0193f000-0054-7000-8000-000000000001', jsonb '{"name": "list-orders", "service": "0193f000-0051-7000-8000-000000000001", "hosts": ["api.example.com", "*.example.org"], "paths": ["/v1/orders", "/v1/orders/{id}"], "methods": ["GET"], "strip_path": true, "tags": ["shop"], "protocols": ["http", "https"], "headers": {}, "priority": 0, "regex_priority": 0, "preserve_host": false, "encoded_slashes": "reject", "merge_slashes": true, "enabled": true}'),
    (uuid '0193f000-0054-7000-8000-000000000002', jsonb '{"name": "place-order", "service": "0193f000-0051-7000-8000-000000000001", "hosts": ["api.example.com"], "paths": ["=/v1/orders"], "methods": ["POST"], "strip_path": true, "tags": ["shop"], "protocols": ["http", "https"], "headers": {}, "priority": 10, "regex_priority": 0, "preserve_host": false, "encoded_slashes": "reject", "merge_slashes": true, "enabled": true}'),
    (uuid '0193f000-0054-7000-8000-000000000003', jsonb '{"name": "payments-beta", "service": "0193f000-0051-7000-8000-000000000002", "hosts": [], "paths": ["~/v[0-9]+/payments"], "methods": [], "strip_path": false, "tags": [], "protocols": ["http", "https"], "headers": {"x-beta": ["*"]}, "priority": 0, "regex_priority": 0, "preserve_host": false, "encoded_slashes": "reject", "merge_slashes": true, "enabled": false}')
) as object (id, spec);

insert into developers (id, name, email, password_hash, status, created_at, last_sign_in_at) values
    ('0193f000-005b-7000-8000-000000000001', 'Mira Novak', 'mira@fjord.example', '$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5cyBzYWx0$bm9ib2R5J3MgcGFzc3dvcmQgaGFzIHRoaXMgaGFzaA', 'active', '2026-10-01 08:00:00+00', '2026-10-20 07:12:00+00'),
    ('0193f000-005b-7000-8000-000000000002', 'Ben Okafor', 'ben@lumen.example', '$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5cyBzYWx0$bm9ib2R5J3MgcGFzc3dvcmQgaGFzIHRoaXMgaGFzaA', 'pending_verification', '2026-10-19 16:40:00+00', null);

insert into consumers (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, array(select jsonb_array_elements_text(spec -> 'tags')), coalesce((spec ->> 'enabled')::boolean, true),
    spec ->> 'name', timestamptz '2026-10-01 08:00:00+00', timestamptz '2026-10-01 08:00:00+00'
from (values
    (uuid '0193f000-0055-7000-8000-000000000001', jsonb '{"name": "warehouse", "custom_id": "erp-0042", "tags": ["internal"], "enabled": true}'),
    (uuid '0193f000-0055-7000-8000-000000000002', jsonb '{"name": "parcel-tracker", "tags": [], "enabled": true}')
) as object (id, spec);

insert into applications (id, developer_id, name, description, consumer_id, created_at, updated_at) values
    ('0193f000-005c-7000-8000-000000000001', '0193f000-005b-7000-8000-000000000001', 'Parcel tracker', 'Shows where parcels are', '0193f000-0055-7000-8000-000000000002', '2026-10-01 08:00:00+00', '2026-10-01 08:00:00+00');
update consumers set application_id = '0193f000-005c-7000-8000-000000000001' where id = '0193f000-0055-7000-8000-000000000002';

insert into apis (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, array(select jsonb_array_elements_text(spec -> 'tags')), coalesce((spec ->> 'enabled')::boolean, true),
    spec ->> 'name', timestamptz '2026-10-01 08:00:00+00', timestamptz '2026-10-01 08:00:00+00'
from (values
    (uuid '0193f000-0058-7000-8000-000000000001', jsonb '{"name": "orders", "title": "Orders", "summary": "Place orders and follow them", "api_version": "1.4.0", "service": "0193f000-0051-7000-8000-000000000001", "base_url": "https://api.example.com/v1", "state": "published", "document": {"openapi": "3.1.0", "info": {"title": "Orders", "version": "1.4.0"}, "paths": {"/orders": {"get": {"operationId": "listOrders", "summary": "List orders", "responses": {"200": {"description": "The orders, newest first"}}}}}}, "tags": ["shop"]}'),
    (uuid '0193f000-0058-7000-8000-000000000002', jsonb '{"name": "payments", "title": "Payments", "summary": "Charge and refund", "api_version": "0.9.0", "service": "0193f000-0051-7000-8000-000000000002", "base_url": "https://api.example.com", "state": "draft", "document": {"openapi": "3.1.0", "info": {"title": "Payments", "version": "0.9.0"}, "paths": {}}, "tags": []}')
) as object (id, spec);

insert into products (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, array(select jsonb_array_elements_text(spec -> 'tags')), coalesce((spec ->> 'enabled')::boolean, true),
    spec ->> 'name', timestamptz '2026-10-01 08:00:00+00', timestamptz '2026-10-01 08:00:00+00'
from (values
    (uuid '0193f000-0059-7000-8000-000000000001', jsonb '{"name": "commerce", "title": "Commerce", "summary": "Everything to sell", "apis": ["0193f000-0058-7000-8000-000000000001", "0193f000-0058-7000-8000-000000000002"], "tags": ["shop"]}')
) as object (id, spec);

insert into product_apis (product_id, api_id) values
    ('0193f000-0059-7000-8000-000000000001', '0193f000-0058-7000-8000-000000000001'),
    ('0193f000-0059-7000-8000-000000000001', '0193f000-0058-7000-8000-000000000002');

insert into plans (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'name', spec, array(select jsonb_array_elements_text(spec -> 'tags')), coalesce((spec ->> 'enabled')::boolean, true),
    spec ->> 'name', timestamptz '2026-10-01 08:00:00+00', timestamptz '2026-10-01 08:00:00+00'
from (values
    (uuid '0193f000-005a-7000-8000-000000000001', jsonb '{"name": "commerce-free", "title": "Free", "summary": "To try it", "product": "0193f000-0059-7000-8000-000000000001", "limits": [{"requests": 60, "window_seconds": 60}, {"requests": 10000, "window_seconds": 86400}], "approval": "auto", "state": "published", "tags": []}'),
    (uuid '0193f000-005a-7000-8000-000000000002', jsonb '{"name": "commerce-pro", "title": "Pro", "summary": "For production", "product": "0193f000-0059-7000-8000-000000000001", "limits": [{"requests": 6000, "window_seconds": 60}], "approval": "manual", "state": "published", "tags": []}')
) as object (id, spec);

insert into consumer_groups (id, name, plan_id) values
    ('0193f000-005a-7000-8000-000000000001', 'commerce-free', '0193f000-005a-7000-8000-000000000001'),
    ('0193f000-005a-7000-8000-000000000002', 'commerce-pro', '0193f000-005a-7000-8000-000000000002');

insert into plugins (id, name, spec, tags, enabled, search, created_at, updated_at)
select id, spec ->> 'plugin', spec, array(select jsonb_array_elements_text(spec -> 'tags')), coalesce((spec ->> 'enabled')::boolean, true),
    spec ->> 'plugin', timestamptz '2026-10-01 08:00:00+00', timestamptz '2026-10-01 08:00:00+00'
from (values
    (uuid '0193f000-0056-7000-8000-000000000001', jsonb '{"plugin": "key-auth", "service": "0193f000-0051-7000-8000-000000000001", "config": {"header": "X-Api-Key"}, "position": 0, "tags": [], "enabled": true}'),
    (uuid '0193f000-0056-7000-8000-000000000002', jsonb '{"plugin": "rate-limit", "route": "0193f000-0054-7000-8000-000000000002", "config": {"limits": [{"requests": 30, "window_seconds": 60, "by": "consumer"}]}, "position": 0, "tags": [], "enabled": true}'),
    (uuid '0193f000-0056-7000-8000-000000000003', jsonb '{"plugin": "rate-limit", "consumer": "0193f000-0055-7000-8000-000000000001", "config": {"limits": [{"requests": 100, "window_seconds": 1, "by": "credential"}]}, "position": 0, "tags": [], "enabled": false}'),
    (uuid '0193f000-0056-7000-8000-000000000004', jsonb '{"plugin": "rate-limit", "consumer_group": "0193f000-005a-7000-8000-000000000002", "config": {"limits": [{"requests": 6000, "window_seconds": 60}]}, "position": 1, "tags": ["plan"], "enabled": true}')
) as object (id, spec);

insert into credentials
    (id, consumer_id, name, prefix, last4, hash, status, ip_allow, expires_at, rotated_to, rotation_ends_at, last_used_at, created_at,
     created_by, revoked_at)
values
    ('0193f000-0057-7000-8000-000000000003', '0193f000-0055-7000-8000-000000000002', 'Production', 'gh_key_Q7', 'x2Tb', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 'active', '{}', null, null, null, '2026-10-20 07:15:00+00',
     '2026-10-15 09:00:00+00', 'Mira Novak', null),
    ('0193f000-0057-7000-8000-000000000002', '0193f000-0055-7000-8000-000000000002', 'Production', 'gh_key_M3', 'k9Lw', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'active', '{}', null, '0193f000-0057-7000-8000-000000000003', '2026-10-22 09:00:00+00', null,
     '2026-10-01 08:00:00+00', 'Mira Novak', null),
    ('0193f000-0057-7000-8000-000000000001', '0193f000-0055-7000-8000-000000000001', 'Night jobs', 'gh_key_A1', '0fGh', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'revoked', '{10.0.0.0/8}', '2027-01-01 00:00:00+00', null, null, null,
     '2026-10-01 08:00:00+00', 'Ada Park', '2026-10-10 12:00:00+00');

insert into subscriptions (id, application_id, plan_id, product_id, state, created_at, updated_at) values
    ('0193f000-005d-7000-8000-000000000001', '0193f000-005c-7000-8000-000000000001', '0193f000-005a-7000-8000-000000000001', '0193f000-0059-7000-8000-000000000001', 'cancelled', '2026-10-01 08:00:00+00', '2026-10-12 10:00:00+00'),
    ('0193f000-005d-7000-8000-000000000002', '0193f000-005c-7000-8000-000000000001', '0193f000-005a-7000-8000-000000000002', '0193f000-0059-7000-8000-000000000001', 'approved', '2026-10-12 10:00:00+00', '2026-10-12 11:30:00+00');

insert into admins (id, name, email, password_hash, role, created_at, last_sign_in_at, disabled_at) values
    ('0193f000-005e-7000-8000-000000000001', 'Ada Park', 'ada@example.com', '$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5cyBzYWx0$bm9ib2R5J3MgcGFzc3dvcmQgaGFzIHRoaXMgaGFzaA', 'owner', '2026-10-01 08:00:00+00', '2026-10-20 06:58:00+00', null),
    ('0193f000-005e-7000-8000-000000000002', 'Sam Ruiz', 'sam@example.com', '', 'operator', '2026-10-18 09:00:00+00', null, null),
    ('0193f000-005e-7000-8000-000000000003', 'Lea Brandt', 'lea@example.com', '', 'auditor', '2026-10-01 08:00:00+00', null, '2026-10-02 08:00:00+00');

insert into revisions (number, actor_kind, actor_id, actor_name, summary, created_at) values
    (1, 'admin', '0193f000-005e-7000-8000-000000000001', 'Ada Park', 'Created service orders and 1 more', '2026-10-01 08:00:00+00'),
    (2, 'token', '0193f000-0060-7000-8000-000000000001', 'ci', 'Updated route place-order', '2026-10-05 14:20:00+00'),
    (3, 'developer', '0193f000-005b-7000-8000-000000000001', 'Mira Novak', 'Created credential Production', '2026-10-15 09:00:00+00'),
    (4, 'system', null, 'Gatehouse', 'Deleted plugin cors', '2026-10-16 00:00:00+00');

insert into revision_changes (revision, ordinal, kind, object_id, object_name, before, after) values
    (1, 0, 'service', '0193f000-0051-7000-8000-000000000001', 'orders', null, '{"name": "orders", "version": 1}'),
    (1, 1, 'route', '0193f000-0054-7000-8000-000000000002', 'place-order', null, '{"name": "place-order", "priority": 0}'),
    (2, 0, 'route', '0193f000-0054-7000-8000-000000000002', 'place-order', '{"name": "place-order", "priority": 0}', '{"name": "place-order", "priority": 10}'),
    (3, 0, 'credential', '0193f000-0057-7000-8000-000000000003', 'Production', null, '{"name": "Production", "last4": "x2Tb"}'),
    (4, 0, 'plugin', '0193f000-0056-7000-8000-000000000009', 'cors', '{"plugin": "cors"}', null);

insert into audit (id, at, actor_kind, actor_id, actor_name, action, kind, object_id, object_name, revision, detail) values
    ('0193f000-0060-7000-8000-00000000000b', '2026-10-01 08:00:00+00', 'admin', '0193f000-005e-7000-8000-000000000001', 'Ada Park', 'create', 'service', '0193f000-0051-7000-8000-000000000001', 'orders', 1, null),
    ('0193f000-0060-7000-8000-00000000000c', '2026-10-05 14:20:00+00', 'token', '0193f000-0060-7000-8000-000000000001', 'ci', 'update', 'route', '0193f000-0054-7000-8000-000000000002', 'place-order', 2, null),
    ('0193f000-0060-7000-8000-00000000000d', '2026-10-20 06:58:00+00', 'admin', '0193f000-005e-7000-8000-000000000001', 'Ada Park', 'sign_in', null, null, null, null, '{"address": "192.0.2.7"}');

update config_head set revision = 4;
insert into config_entries (kind, id, revision, body) select 'service', id, 1, spec from services;
insert into config_entries (kind, id, revision, body) select 'route', id, 2, spec from routes;
insert into config_entries (kind, id, revision, body) select 'upstream', id, 1, spec from upstreams;
insert into config_entries (kind, id, revision, body) select 'target', id, 1, spec from targets;
insert into config_entries (kind, id, revision, body) select 'plugin', id, 3, spec from plugins;
insert into config_entries (kind, id, revision, body) values ('plugin', '0193f000-0056-7000-8000-000000000009', 4, null);

insert into gateways (id, name, version, started_at, seen_at, applied_revision, applied_at, error, stopped_at) values
    ('0193f000-005f-7000-8000-000000000001', 'edge-1', '0.1.0', '2026-10-01 08:00:00+00', '2026-10-20 08:00:00+00', 4, '2026-10-16 00:00:00.2+00', null, null),
    ('0193f000-005f-7000-8000-000000000002', 'edge-2', '0.1.0', '2026-10-01 08:00:00+00', '2026-10-18 21:03:00+00', 3, '2026-10-15 09:00:00.4+00', 'route payments-beta: the pattern is too large', '2026-10-18 21:03:00+00');

insert into usage_batches (gateway_id, started_at, number, received_at) values
    ('0193f000-005f-7000-8000-000000000001', '2026-10-01 08:00:00+00', 1, '2026-10-20 07:59:50+00'),
    ('0193f000-005f-7000-8000-000000000001', '2026-10-01 08:00:00+00', 2, '2026-10-20 08:00:00+00');

insert into usage_buckets
    (bucket, seconds, route_id, service_id, consumer_id, credential_id, status, reason, requests, latency_us, upstream_us, histogram)
select bucket, 10, route_id, service_id, consumer_id, credential_id, status, reason, requests, requests * 12500, upstream_us,
    array_append(array_fill(0::bigint, array[15]), requests)
from (values
    (timestamptz '2026-10-20 07:59:40+00', uuid '0193f000-0054-7000-8000-000000000001', uuid '0193f000-0051-7000-8000-000000000001', uuid '0193f000-0055-7000-8000-000000000002', uuid '0193f000-0057-7000-8000-000000000003', 200, '', 118::bigint, 1239000::bigint),
    (timestamptz '2026-10-20 07:59:40+00', uuid '0193f000-0054-7000-8000-000000000002', uuid '0193f000-0051-7000-8000-000000000001', uuid '0193f000-0055-7000-8000-000000000002', uuid '0193f000-0057-7000-8000-000000000003', 429, 'rate_limited', 4::bigint, 0::bigint),
    (timestamptz '2026-10-20 07:59:50+00', uuid '00000000-0000-0000-0000-000000000000', uuid '00000000-0000-0000-0000-000000000000', uuid '00000000-0000-0000-0000-000000000000', uuid '00000000-0000-0000-0000-000000000000', 404, 'no_route', 2::bigint, 0::bigint)
) as counted (bucket, route_id, service_id, consumer_id, credential_id, status, reason, requests, upstream_us);

insert into sessions
    (token_hash, id, account_kind, account_id, csrf_token, created_at, seen_at, expires_at, user_agent, address)
values
    ('\x01', '0193f000-0060-7000-8000-000000000015', 'admin', '0193f000-005e-7000-8000-000000000001', 'csrf-of-ada', '2026-10-20 06:58:00+00', '2026-10-20 08:00:00+00', '2026-10-20 18:58:00+00', 'Firefox', '192.0.2.7'),
    ('\x02', '0193f000-0060-7000-8000-000000000016', 'developer', '0193f000-005b-7000-8000-000000000001', 'csrf-of-mira', '2026-10-20 07:12:00+00', '2026-10-20 07:15:00+00', '2026-11-19 07:12:00+00', 'Chrome', '2001:db8::7');

insert into one_time_tokens (token_hash, purpose, account_id, created_at, expires_at, used_at) values
    ('\x03', 'setup', null, '2026-10-01 08:00:00+00', '2026-10-02 08:00:00+00', '2026-10-01 08:04:00+00'),
    ('\x04', 'invitation', '0193f000-005e-7000-8000-000000000002', '2026-10-18 09:00:00+00', '2026-10-25 09:00:00+00', null),
    ('\x05', 'verify_email', '0193f000-005b-7000-8000-000000000002', '2026-10-19 16:40:00+00', '2026-10-20 16:40:00+00', null);

insert into attempts (subject, at) values
    ('account:ben@lumen.example', '2026-10-20 07:30:00+00'),
    ('address:198.51.100.4', '2026-10-20 07:30:00+00');

insert into api_tokens (id, name, prefix, token_hash, scopes, expires_at, last_used_at, created_at, created_by, revoked_at) values
    ('0193f000-0060-7000-8000-000000000001', 'ci', 'gh_token_R8', '\x06', '{services:write,routes:write}', '2027-10-01 00:00:00+00', '2026-10-05 14:20:00+00', '2026-10-01 08:00:00+00', 'Ada Park', null),
    ('0193f000-0060-7000-8000-000000000002', 'old-ci', 'gh_token_B2', '\x07', '{routes:write}', null, null, '2026-10-01 08:00:00+00', 'Ada Park', '2026-10-03 08:00:00+00');

insert into mails (id, recipient, subject, body, html, created_at, state, attempts, next_attempt_at, sent_at, last_error) values
    ('0193f000-0060-7000-8000-00000000001f', 'mira@fjord.example', 'Confirm your address', '', '', '2026-10-01 08:00:00+00', 'sent', 1, '2026-10-01 08:00:00+00', '2026-10-01 08:00:02+00', null),
    ('0193f000-0060-7000-8000-000000000020', 'ben@lumen.example', 'Confirm your address', 'Hello Ben', '<p>Hello Ben</p>', '2026-10-19 16:40:00+00', 'queued', 2, '2026-10-19 16:50:00+00', null,
     'the mail server does not answer'),
    ('0193f000-0060-7000-8000-000000000021', 'sam@example.com', 'You are invited', 'Hello Sam', '', '2026-10-18 09:00:00+00', 'kept', 0, '2026-10-18 09:00:00+00', null, null);

insert into idempotency_keys (actor, key, request_hash, status, headers, body, created_at) values
    ('token:0193f000-0060-7000-8000-000000000001', 'deploy-118', '\x08', 201, '[["content-type", "application/json"]]', '\x7b7d', '2026-10-20 07:45:00+00'),
    ('token:0193f000-0060-7000-8000-000000000001', 'deploy-119', '\x09', null, null, null, '2026-10-20 07:59:58+00');

insert into settings (name, value) values ('portal', '{"title": "Example shop"}');
