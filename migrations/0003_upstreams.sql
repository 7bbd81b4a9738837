-- Copies of requests and splits refer to services; gateways tell of the health of targets.

alter table services
    add column mirror_id uuid generated always as ((spec #>> '{mirror,service}')::uuid) stored references services (id);
create index services_mirror on services (mirror_id);
create index routes_split on routes (id) where spec ? 'split';

-- What one gateway knows of the targets of one upstream, as it last told it.
create table gateway_upstreams (
    gateway_id uuid not null references gateways (id) on delete cascade,
    upstream_id uuid not null,
    told_at timestamptz not null,
    targets jsonb not null,
    primary key (gateway_id, upstream_id)
);
create index gateway_upstreams_upstream on gateway_upstreams (upstream_id);
