-- TLS of the front: certificates with their sealed keys, the names that clients ask for, the authorities of clients.
-- Times stand in a spec as text of one form (RFC 3339 in UTC, whole seconds), which sorts as they do.

create table certificates (like upstreams including all);
alter table certificates
    add column expires_at text generated always as (spec #>> '{info,expires_at}') stored not null;
create index certificates_expires on certificates (expires_at collate "C");

create table ca_certificates (like upstreams including all);
alter table ca_certificates
    add column expires_at text generated always as (spec #>> '{info,expires_at}') stored not null;
create index ca_certificates_expires on ca_certificates (expires_at collate "C");

create table snis (like upstreams including all);
alter table snis
    add column certificate_id uuid generated always as ((spec ->> 'certificate')::uuid) stored not null
        references certificates (id),
    add column client_auth text generated always as (spec ->> 'client_auth') stored not null;
create index snis_certificate on snis (certificate_id);
create index snis_ca_certificates on snis using gin ((spec -> 'ca_certificates'));
