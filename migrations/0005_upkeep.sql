-- What keeps state true and lists quick as deployments grow.

-- An attempt that began for another wish may write nothing; what was asked for while it ran stays due.
alter table acme_orders
    add column wish bigint not null default 0,
    add column asked bigint not null default 0;

-- Keys that ended long ago are deleted, and what was replaced by one is asked for then.
create index credentials_ended on credentials (least(revoked_at, expires_at, rotation_ends_at));
create index credentials_rotated_to on credentials (rotated_to) where rotated_to is not null;

-- The consumer of an application goes with it; those of applications that were deleted before can be deleted.
alter table applications
    alter column consumer_id drop not null,
    drop constraint applications_consumer_id_fkey,
    add constraint applications_consumer_id_fkey foreign key (consumer_id) references consumers (id) on delete set null,
    add constraint applications_have_consumer check (consumer_id is not null or deleted_at is not null);

-- What lists of APIs show, so that they need not read the documents.
alter table apis
    add column listed jsonb generated always as (spec - 'document') stored,
    add column operations integer generated always as (least(500, jsonb_array_length(jsonb_path_query_array(spec,
        '$.document.paths.* ? (@.type() == "object").keyvalue() ?
         ((@.key == "get" || @.key == "post" || @.key == "put" || @.key == "patch" || @.key == "delete" || @.key == "head"
           || @.key == "options") && @.value.type() == "object")')))) stored;

-- Which subscribers a changed product or API is told of.
create index subscriptions_product on subscriptions (product_id) where state = 'approved';

-- Which routes a route may be mistaken for, or be shadowed by: those with a path of the same text, those whose paths have
-- parameters or are regular expressions, and those without a path.
alter table routes
    add column patterned boolean generated always as (spec ->> 'paths' like '%{%' or spec ->> 'paths' like '%"~%') stored;
create index routes_paths on routes using gin ((spec -> 'paths')) with (fastupdate = off);
create index routes_patterned on routes (id) where patterned;
create index routes_without_path on routes (id) where spec -> 'paths' = '[]';

-- Lists by tags, and in the orders that may be asked for; names have an index already, but those of plugins.
create index services_tags on services using gin (tags);
create index services_created on services (created_at, id);
create index services_updated on services (updated_at, id);
create index routes_tags on routes using gin (tags);
create index routes_created on routes (created_at, id);
create index routes_updated on routes (updated_at, id);
create index consumers_tags on consumers using gin (tags);
create index consumers_created on consumers (created_at, id);
create index consumers_updated on consumers (updated_at, id);
create index plugins_tags on plugins using gin (tags);
create index plugins_name on plugins (name, id);
create index plugins_created on plugins (created_at, id);
create index plugins_updated on plugins (updated_at, id);
create index targets_tags on targets using gin (tags);
create index targets_created on targets (created_at, id);
create index targets_updated on targets (updated_at, id);
