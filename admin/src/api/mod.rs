//! The table of operations: every file here adds the rows of one noun.

mod admins;
mod api_tokens;
mod apis;
mod applications;
mod audit;
mod certificates;
mod consumer_groups;
mod consumers;
mod credentials;
mod developers;
mod gateways;
mod mails;
mod plans;
mod plugin_types;
mod plugins;
mod products;
mod revisions;
mod routes;
mod services;
mod subscriptions;
mod targets;
mod upstreams;
mod usage;

use std::sync::LazyLock;

use crate::operation::Operation;

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let nouns: [fn() -> Vec<Operation>; 23] = [
        services::operations,
        routes::operations,
        upstreams::operations,
        targets::operations,
        certificates::operations,
        consumers::operations,
        consumer_groups::operations,
        credentials::operations,
        plugins::operations,
        plugin_types::operations,
        apis::operations,
        products::operations,
        plans::operations,
        developers::operations,
        applications::operations,
        subscriptions::operations,
        usage::operations,
        gateways::operations,
        revisions::operations,
        audit::operations,
        api_tokens::operations,
        admins::operations,
        mails::operations,
    ];
    nouns.into_iter().flat_map(|operations| operations()).collect()
});

/// Every operation of the API.
pub(crate) fn operations() -> &'static [Operation] {
    &OPERATIONS
}
