//! The pages of the console through a real server and a real database.

mod audit;
mod catalogue;
mod certificates;
mod keys;
mod objects;
mod overview;
mod plugins;
mod revisions;
mod session;
mod settings;

use control::accounts::admins;
use control::accounts::sessions::Opened;
use control::{Mode, Table, create};
use model::actor::Actor;
use model::{Draft as _, Stored};
use serde_json::{Value, json};

use crate::house::{BROWSER, House, PASSWORD, token_of};

/// Makes an object in the name of the owner.
async fn make<S: Table>(house: &House, body: Value) -> Stored<S> {
    let actor = house.owner().session.actor.clone();
    make_as(house, &actor, body).await
}

async fn make_as<S: Table>(house: &House, actor: &Actor, body: Value) -> Stored<S> {
    let written = house
        .control
        .write(actor, Mode::Commit, async |change| {
            create::<S>(change, S::Draft::read(&body)).await
        })
        .await;
    written.expect("made").value
}

/// An administrator with this role, who accepted the invitation and is signed in.
async fn somebody(house: &House, role: &str) -> Opened {
    let owner = &house.owner().session.actor;
    let draft = json!({"name": "Ivo Invited", "email": "ivo@example.com", "role": role});
    let draft = admins::AdminDraft::read(&draft);
    let invited = admins::invite(&house.control, owner, draft).await.expect("invited");
    let token = token_of(invited.link.expose());
    admins::accept_invitation(&house.control, token, Some(PASSWORD), &BROWSER)
        .await
        .expect("accepted")
}
