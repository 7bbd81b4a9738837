-- What keeps state true and lists quick as deployments grow.

-- An attempt that began for another wish may write nothing; what was asked for while it ran stays due.
alter table acme_orders
    add column wish bigint not null default 0,
    add column asked bigint not null default 0;

-- Keys that ended long ago are deleted, and what was replaced by one is asked for then.
create index credentials_ended on credentials (least(revoked_at, expires_at, rotation_ends_at));
create index credentials_rotated_to on credentials (rotated_to) where rotated_to is not null;
