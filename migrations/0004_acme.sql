-- Certificates that Gatehouse gets and renews by itself (ACME).

create table acme_accounts (like upstreams including all);
alter table acme_accounts
    add column ca_certificate_id uuid generated always as ((spec ->> 'ca_certificate')::uuid) stored
        references ca_certificates (id);
create index acme_accounts_ca_certificate on acme_accounts (ca_certificate_id);

-- What an authority knows an account by. It is made anew when directory or binding change.
create table acme_registrations (
    account_id uuid primary key references acme_accounts (id) on delete cascade,
    directory text not null,
    kid text not null,
    email text not null,
    credentials bytea not null,
    registered_at timestamptz not null
);

-- One that was not got yet has no chain, and so no end.
alter table certificates alter column expires_at drop not null;
alter table certificates
    add column acme_account_id uuid generated always as ((spec #>> '{acme,account}')::uuid) stored
        references acme_accounts (id);
create index certificates_acme_account on certificates (acme_account_id);

-- How far the getting of each automatic certificate has come. `wanted` is what its spec asked for when this row was last
-- begun, `fingerprint` the certificate that it had; an order with its sealed key stays until it is done with.
create table acme_orders (
    certificate_id uuid primary key references certificates (id) on delete cascade,
    wanted jsonb not null,
    fingerprint text,
    failures integer not null default 0,
    last_error text,
    attempted_at timestamptz,
    issued_at timestamptz,
    next_attempt_at timestamptz not null,
    order_url text,
    order_key bytea
);
create index acme_orders_next on acme_orders (next_attempt_at);

-- What gateways answer now. Rows outlive their certificate until gateways were told.
create table acme_challenges (
    id uuid primary key,
    certificate_id uuid not null,
    name text not null
);
create index acme_challenges_certificate on acme_challenges (certificate_id);
