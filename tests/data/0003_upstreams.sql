-- A report of the health of an upstream's targets, a split and a mirror, as they are after months.

insert into gateway_upstreams (gateway_id, upstream_id, told_at, targets) values
    ('0193f000-005f-7000-8000-000000000001', '0193f000-0052-7000-8000-000000000001', '2026-10-20 08:00:00+00',
     '[{"target": "10.0.4.12:8080", "address": "10.0.4.12:8080", "health": "healthy", "breaker": "closed", "in_flight": 3, "latency_us": 12000, "last_error": null, "since": "2026-10-20T08:00:00Z", "ejections": 0, "events": []}]');

update routes set spec = spec || '{"split": {"services": [{"service": "0193f000-0051-7000-8000-000000000001", "weight": 90}, {"service": "0193f000-0051-7000-8000-000000000002", "weight": 10}], "sticky": "none"}}'
where id = '0193f000-0054-7000-8000-000000000001';
update services set spec = spec || '{"mirror": {"service": "0193f000-0051-7000-8000-000000000002", "percent": 5}}'
where id = '0193f000-0051-7000-8000-000000000001';
