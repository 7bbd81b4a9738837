-- Marks for revisions, by which gateways tell a history from another one with the same numbers: after a failover to a server
-- that lagged behind, or a backup that was restored, numbers are given away for a second time, to other changes.

create table config_history (
    revision bigint primary key,
    mark uuid not null default gen_random_uuid()
);
insert into config_history (revision) select revision from config_head;

-- Whoever moves the head marks where it is: nobody can forget it. A gateway that is further behind than the marks that are kept
-- loads everything anew.
create function mark_revision() returns trigger language plpgsql as $$
begin
    delete from config_history where revision >= new.revision or revision <= new.revision - 10000;
    insert into config_history (revision) values (new.revision);
    return null;
end
$$;
create trigger config_head_marked after update of revision on config_head
    for each row execute function mark_revision();
