-- Layer D (what gateways see), layer P (the portal), history, distribution and accounts.
-- Objects keep their validated spec as JSON; references to other objects are generated columns, so that
-- Postgres holds them to be true, and `search` is what a substring search looks through.

create table services (
    id uuid primary key,
    name text not null unique,
    spec jsonb not null,
    tags text[] not null default '{}',
    enabled boolean not null default true,
    search text not null default '',
    version bigint not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

create table upstreams (like services including all);
alter table services
    add column upstream_id uuid generated always as ((spec ->> 'upstream')::uuid) stored references upstreams (id);
create index services_upstream on services (upstream_id);

create table targets (like upstreams including all);
alter table targets
    add column upstream_id uuid generated always as ((spec ->> 'upstream')::uuid) stored not null references upstreams (id);
create index targets_upstream on targets (upstream_id);

create table routes (like upstreams including all);
alter table routes
    add column service_id uuid generated always as ((spec ->> 'service')::uuid) stored not null references services (id);
create index routes_service on routes (service_id);

create table consumers (like upstreams including all);
alter table consumers add column application_id uuid unique;

create table consumer_groups (
    id uuid primary key,
    name text not null unique,
    plan_id uuid not null unique
);

create table plugins (like upstreams including all);
alter table plugins drop constraint plugins_name_key;
alter table plugins
    add column plugin text generated always as (spec ->> 'plugin') stored not null,
    add column service_id uuid generated always as ((spec ->> 'service')::uuid) stored references services (id),
    add column route_id uuid generated always as ((spec ->> 'route')::uuid) stored references routes (id),
    add column consumer_id uuid generated always as ((spec ->> 'consumer')::uuid) stored references consumers (id),
    add column consumer_group_id uuid generated always as ((spec ->> 'consumer_group')::uuid) stored
        references consumer_groups (id);
create index plugins_service on plugins (service_id);
create index plugins_route on plugins (route_id);
create index plugins_consumer on plugins (consumer_id);
create index plugins_consumer_group on plugins (consumer_group_id);
create index plugins_plugin on plugins (plugin);

create table credentials (
    id uuid primary key,
    consumer_id uuid not null references consumers (id),
    kind text not null default 'key',
    name text not null,
    prefix text not null,
    last4 text not null,
    hash text not null unique,
    hash_alg text not null default 'hmac_sha256',
    status text not null default 'active' check (status in ('active', 'disabled', 'revoked')),
    ip_allow text[] not null default '{}',
    expires_at timestamptz,
    rotated_to uuid references credentials (id),
    rotation_ends_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz not null,
    created_by text not null,
    revoked_at timestamptz,
    version bigint not null default 1
);
create index credentials_consumer on credentials (consumer_id, id);
create index credentials_ends on credentials (least(expires_at, rotation_ends_at)) where status = 'active';

-- Layer P -----------------------------------------------------------------------------------------------------

create table apis (like upstreams including all);
alter table apis
    add column service_id uuid generated always as ((spec ->> 'service')::uuid) stored not null references services (id),
    add column state text generated always as (spec ->> 'state') stored not null;
create index apis_service on apis (service_id);

create table products (like upstreams including all);

create table product_apis (
    product_id uuid not null references products (id) on delete cascade,
    api_id uuid not null references apis (id),
    primary key (product_id, api_id)
);
create index product_apis_api on product_apis (api_id);

create table plans (like upstreams including all);
alter table plans
    add column product_id uuid generated always as ((spec ->> 'product')::uuid) stored not null references products (id),
    add column state text generated always as (spec ->> 'state') stored not null;
create index plans_product on plans (product_id);
alter table consumer_groups add foreign key (plan_id) references plans (id) on delete cascade;

create table developers (
    id uuid primary key,
    name text not null,
    email text not null unique,
    password_hash text not null,
    status text not null check (status in ('pending_verification', 'active', 'suspended')),
    created_at timestamptz not null,
    last_sign_in_at timestamptz
);

create table applications (
    id uuid primary key,
    developer_id uuid not null references developers (id),
    name text not null,
    description text not null default '',
    consumer_id uuid not null unique references consumers (id),
    status text not null default 'active' check (status in ('active', 'suspended')),
    version bigint not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);
create unique index applications_name on applications (developer_id, lower(name)) where deleted_at is null;
alter table consumers add foreign key (application_id) references applications (id) deferrable initially deferred;

create table subscriptions (
    id uuid primary key,
    application_id uuid not null references applications (id),
    plan_id uuid not null references plans (id),
    product_id uuid not null references products (id),
    state text not null check (state in ('pending', 'approved', 'suspended', 'rejected', 'cancelled')),
    version bigint not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index subscriptions_application on subscriptions (application_id, id);
create index subscriptions_plan on subscriptions (plan_id);
create index subscriptions_state on subscriptions (state, id);
-- At most one that stands per application and product.
create unique index subscriptions_live on subscriptions (application_id, product_id)
    where state in ('pending', 'approved', 'suspended');

-- History ------------------------------------------------------------------------------------------------------

create table revisions (
    number bigint primary key,
    actor_kind text not null,
    actor_id uuid,
    actor_name text not null,
    summary text not null,
    created_at timestamptz not null
);

create table revision_changes (
    revision bigint not null references revisions (number),
    ordinal integer not null,
    kind text not null,
    object_id uuid not null,
    object_name text not null,
    before jsonb,
    after jsonb,
    primary key (revision, ordinal)
);
create index revision_changes_object on revision_changes (object_id, revision);

create table audit (
    id uuid primary key,
    at timestamptz not null,
    actor_kind text not null,
    actor_id uuid,
    actor_name text not null,
    action text not null,
    kind text,
    object_id uuid,
    object_name text,
    revision bigint references revisions (number),
    detail jsonb
);
create index audit_actor on audit (actor_id, id);
create index audit_object on audit (object_id, id);

-- Distribution ---------------------------------------------------------------------------------------------------

-- One row: the lock on it gives revisions a total order without gaps.
create table config_head (
    singleton boolean primary key default true check (singleton),
    revision bigint not null default 0
);
insert into config_head default values;

-- What gateways may see; no body means that the object is gone.
create table config_entries (
    kind text not null,
    id uuid not null,
    revision bigint not null,
    body jsonb,
    primary key (kind, id)
);
create index config_entries_revision on config_entries (revision);

create table gateways (
    id uuid primary key,
    name text not null,
    version text not null,
    started_at timestamptz not null,
    seen_at timestamptz not null,
    applied_revision bigint not null default 0,
    applied_at timestamptz,
    error text,
    stopped_at timestamptz
);
create index gateways_seen on gateways (seen_at);

-- Usage ----------------------------------------------------------------------------------------------------------

create table usage_batches (
    gateway_id uuid not null,
    started_at timestamptz not null,
    number bigint not null,
    received_at timestamptz not null,
    primary key (gateway_id, started_at, number)
);
create index usage_batches_received on usage_batches (received_at);

-- The nil id stands for none, so that the key can be unique. Resolution: 10 seconds, rolled up to an hour.
create table usage_buckets (
    bucket timestamptz not null,
    seconds integer not null,
    route_id uuid not null,
    service_id uuid not null,
    consumer_id uuid not null,
    credential_id uuid not null,
    status smallint not null,
    reason text not null,
    requests bigint not null,
    latency_us bigint not null,
    upstream_us bigint not null,
    histogram bigint[] not null,
    primary key (bucket, seconds, route_id, service_id, consumer_id, credential_id, status, reason)
);
create index usage_buckets_consumer on usage_buckets (consumer_id, bucket);
create index usage_buckets_route on usage_buckets (route_id, bucket);

-- Accounts -------------------------------------------------------------------------------------------------------

create table admins (
    id uuid primary key,
    name text not null,
    email text not null unique,
    -- Empty until an invitation is accepted: no password fits.
    password_hash text not null default '',
    role text not null check (role in ('owner', 'operator', 'auditor')),
    created_at timestamptz not null,
    last_sign_in_at timestamptz,
    disabled_at timestamptz
);

-- Sessions of both kinds of people; only a hash of the cookie is kept.
create table sessions (
    token_hash bytea primary key,
    id uuid not null unique,
    account_kind text not null check (account_kind in ('admin', 'developer')),
    account_id uuid not null,
    csrf_token text not null,
    created_at timestamptz not null,
    seen_at timestamptz not null,
    expires_at timestamptz not null,
    user_agent text not null default '',
    address text not null default ''
);
create index sessions_account on sessions (account_kind, account_id);
create index sessions_expires on sessions (expires_at);

-- One-time links: setup, invitation of an administrator, verification of an address, reset of a password.
create table one_time_tokens (
    token_hash bytea primary key,
    purpose text not null check (purpose in ('setup', 'invitation', 'verify_email', 'reset_password')),
    account_id uuid,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index one_time_tokens_expires on one_time_tokens (expires_at);
create index one_time_tokens_account on one_time_tokens (account_id);

-- What is throttled: sign-ins that failed, mails that were asked for; by account and by address.
create table attempts (
    subject text not null,
    at timestamptz not null
);
create index attempts_subject on attempts (subject, at);
create index attempts_at on attempts (at);

create table api_tokens (
    id uuid primary key,
    name text not null unique,
    prefix text not null,
    token_hash bytea not null unique,
    scopes text[] not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz not null,
    created_by text not null,
    revoked_at timestamptz
);

create table mails (
    id uuid primary key,
    recipient text not null,
    subject text not null,
    -- Emptied when the mail is sent: its links are secrets.
    body text not null,
    html text not null default '',
    created_at timestamptz not null,
    state text not null default 'queued' check (state in ('queued', 'sent', 'kept', 'failed')),
    attempts integer not null default 0,
    next_attempt_at timestamptz not null,
    sent_at timestamptz,
    last_error text
);
create index mails_due on mails (next_attempt_at) where state = 'queued';
create index mails_created on mails (created_at);

-- Answers to POSTs that carried an Idempotency-Key, kept for a day.
create table idempotency_keys (
    actor text not null,
    key text not null,
    request_hash bytea not null,
    status smallint,
    headers jsonb,
    body bytea,
    created_at timestamptz not null,
    primary key (actor, key)
);
create index idempotency_keys_created on idempotency_keys (created_at);

-- Durable settings of this deployment.
create table settings (
    name text primary key,
    value jsonb not null
);
