//! Effects of the catalogue on the data plane: who must be told again when an API or a product changes.

use uuid::Uuid;

use crate::change::Change;
use crate::consumers;
use crate::error::Result;

/// Holds a product and its APIs until the end of the change, because an application is about to be let call them: who
/// changes them meanwhile waits and then knows of it, or was first, and the application gets what is there now. To be
/// called before consumers are held, as changes of the catalogue do.
pub(crate) async fn hold(change: &mut Change, product: Uuid) -> Result<()> {
    sqlx::query!("select id from products where id = $1 for share", product)
        .fetch_all(change.connection())
        .await?;
    // Apart, since only a new statement sees which APIs the product has by now.
    sqlx::query!(
        "select apis.id from product_apis join apis on apis.id = product_apis.api_id
         where product_apis.product_id = $1 order by apis.id for share of apis",
        product,
    )
    .fetch_all(change.connection())
    .await?;
    Ok(())
}

/// The consumers of the applications that subscribe to a product with this API.
pub(crate) async fn republish_subscribers_of_api(change: &mut Change, api: Uuid) -> Result<()> {
    let consumers = sqlx::query_scalar!(
        r#"select distinct applications.consumer_id as "consumer_id!" from applications
           join subscriptions on subscriptions.application_id = applications.id and subscriptions.state = 'approved'
           join product_apis on product_apis.product_id = subscriptions.product_id
           where product_apis.api_id = $1"#,
        api,
    )
    .fetch_all(change.connection())
    .await?;
    consumers::republish(change, &consumers).await
}

/// The consumers of the applications that subscribe to this product.
pub(crate) async fn republish_subscribers_of_product(change: &mut Change, product: Uuid) -> Result<()> {
    let consumers = sqlx::query_scalar!(
        r#"select distinct applications.consumer_id as "consumer_id!" from applications
           join subscriptions on subscriptions.application_id = applications.id and subscriptions.state = 'approved'
           where subscriptions.product_id = $1"#,
        product,
    )
    .fetch_all(change.connection())
    .await?;
    consumers::republish(change, &consumers).await
}
