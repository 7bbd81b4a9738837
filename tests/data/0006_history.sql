-- A change more.

update config_head set revision = revision + 1;
