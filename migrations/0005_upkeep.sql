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
