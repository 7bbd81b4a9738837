-- What keeps state true and lists quick as deployments grow.

-- An attempt that began for another wish may write nothing; what was asked for while it ran stays due.
alter table acme_orders
    add column wish bigint not null default 0,
    add column asked bigint not null default 0;
