//! The settings: gateways, tokens, mail, administrators, one's own account.

use control::tokens;

use super::somebody;
use crate::house::{House, PASSWORD};

/// The part of a page between two marks.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let after = text
        .split_once(start)
        .unwrap_or_else(|| panic!("{start} is not in {text}"))
        .1;
    after
        .split_once(end)
        .unwrap_or_else(|| panic!("{end} is not in {after}"))
        .0
}

#[actix_web::test]
async fn the_settings_begin_with_the_gateways() {
    let house = House::new().await;
    assert_eq!(
        house.get("/console/settings").await.location,
        "/console/settings/gateways"
    );
    house
        .get("/console/settings/gateways")
        .await
        .shows(&["No gateway is running", "gatehouse gateway"]);
    house
        .sql(
            "update config_head set revision = 7;
             insert into gateways (id, name, version, started_at, seen_at, applied_revision, error, stopped_at) values
             ('00000000-0000-7000-8000-000000000001', 'edge-1', '0.1.0', '2026-11-23 10:00+00', now() + interval '1 minute', 7, null, null),
             ('00000000-0000-7000-8000-000000000002', 'edge-2', '0.1.0', '2026-11-23 10:00+00', now() + interval '1 minute', 5, null, null),
             ('00000000-0000-7000-8000-000000000003', 'edge-3', '0.1.0', '2026-11-23 10:00+00', now() + interval '1 minute', 7, 'route <a> is bad', null),
             ('00000000-0000-7000-8000-000000000004', 'edge-4', '0.1.0', '2026-11-23 10:00+00', now() - interval '10 minutes', 7, null, null),
             ('00000000-0000-7000-8000-000000000005', 'edge-5', '0.1.0', '2026-11-23 10:00+00', now() - interval '10 minutes', 7, null, '2026-11-23 11:50+00')",
        )
        .await;
    let page = house.get("/console/settings/gateways").await;
    for (name, state) in [
        ("edge-1", "Live"),
        ("edge-2", "Behind"),
        ("edge-3", "In trouble"),
        ("edge-4", "Silent"),
        ("edge-5", "Stopped"),
    ] {
        let row = between(&page.body, &format!(">{name}<"), "</tr>");
        assert!(row.contains(state), "{name} is not {state}: {row}");
    }
    page.shows(&["2 revisions behind", "Route &#60;a&#62; is bad."]);
}

#[actix_web::test]
async fn a_token_is_shown_once_and_ends_when_it_is_revoked() {
    let house = House::new().await;
    house
        .get("/console/settings/tokens")
        .await
        .shows(&["No token yet", "/console/settings/tokens/new"]);
    house.get("/console/settings/tokens/new").await.shows(&[
        "value=\"routes:write\"",
        "value=\"*:read\"",
        "<option value=\"90\" selected>",
    ]);
    let empty = house
        .post(
            "/console/settings/tokens/new",
            &[("_list", "scopes"), ("name", "Deploy")],
        )
        .await;
    assert_eq!(empty.status, 422);
    empty.shows(&["id=\"f-name-e\"", "id=\"f-scopes-e\"", "value=\"Deploy\""]);
    let fields = [
        ("_list", "scopes"),
        ("name", "deploy"),
        ("lifetime", "7"),
        ("scopes.5", "routes:write"),
    ];
    let made = house.post("/console/settings/tokens/new", &fields).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let secret = between(&made.body, "<code id=\"new-token\" tabindex=\"0\">", "<").to_owned();
    let actor = tokens::resolve(&house.control, &secret)
        .await
        .expect("asked")
        .expect("a token");
    assert_eq!(actor.name, "deploy");
    let list = house.get("/console/settings/tokens").await;
    list.shows(&["deploy", "routes:write", "Active", "in 7 d", "Olga Owner"]);
    list.hides(&[&secret]);
    let revoke = between(&list.body, "href=\"/console/settings/tokens/0", "\" data-dialog").to_owned();
    let revoke = format!("/console/settings/tokens/0{revoke}");
    house.get(&revoke).await.shows(&["Revoke the token deploy?", "Keep it"]);
    assert_eq!(house.post(&revoke, &[]).await.location, "/console/settings/tokens");
    assert!(tokens::resolve(&house.control, &secret).await.expect("asked").is_none());
    house
        .get("/console/settings/tokens?status=revoked")
        .await
        .shows(&["deploy", "Revoked"]);
}

#[actix_web::test]
async fn nobody_hands_out_more_rights_than_they_have() {
    let house = House::new().await;
    let operator = somebody(&house, "operator").await;
    let form = house.get_as(&operator, "/console/settings/tokens/new").await;
    form.shows(&["value=\"admins:write\" disabled", "value=\"routes:write\">"]);
    let fields = [
        ("_list", "scopes"),
        ("name", "deploy"),
        ("lifetime", "7"),
        ("scopes.0", "admins:write"),
    ];
    let refused = house.post_as(&operator, "/console/settings/tokens/new", &fields).await;
    assert_eq!(refused.status, 422);
    refused.shows(&["Grants more than you may do yourself."]);
}

#[actix_web::test]
async fn a_kept_mail_is_read_and_sent_again() {
    let house = House::new().await;
    house.get("/console/settings/mail").await.shows(&["No mail yet"]);
    somebody(&house, "auditor").await;
    house
        .sql("update mails set state = 'kept', last_error = 'no server'")
        .await;
    let list = house.get("/console/settings/mail?state=kept").await;
    list.shows(&["Choose your password", "ivo@example.com", "Kept", "1 in all"]);
    let mail = format!(
        "/console/settings/mail/{}",
        between(&list.body, "href=\"/console/settings/mail/", "\"")
    );
    let shown = house.get(&mail).await;
    shown.shows(&[
        "rel=\"noopener noreferrer\" href=\"http://localhost:8001/console/invitation?token=",
        "Send again",
    ]);
    assert_eq!(house.post(&format!("{mail}/retry"), &[]).await.location, mail);
    house.get(&mail).await.shows(&["Waiting"]);
    assert_eq!(house.post(&format!("{mail}/retry"), &[]).await.status, 409);
}

#[actix_web::test]
async fn an_auditor_sees_a_mail_but_not_its_links() {
    let house = House::new().await;
    let auditor = somebody(&house, "auditor").await;
    house.sql("update mails set state = 'kept'").await;
    let list = house.get_as(&auditor, "/console/settings/mail").await;
    let mail = format!(
        "/console/settings/mail/{}",
        between(&list.body, "href=\"/console/settings/mail/", "\"")
    );
    let shown = house.get_as(&auditor, &mail).await;
    shown.shows(&["Only who may change mails may read them"]);
    shown.hides(&["invitation?token=", "Send again"]);
}

#[actix_web::test]
async fn an_administrator_is_invited_changed_kept_out_and_deleted() {
    let house = House::new().await;
    let wrong = [("name", "Ivo"), ("email", "ivo"), ("role", "auditor")];
    let refused = house.post("/console/settings/admins/new", &wrong).await;
    assert_eq!(refused.status, 422);
    refused.shows(&["id=\"f-email-e\"", "<option value=\"auditor\" selected>"]);
    let fields = [("name", "Ivo"), ("email", "ivo@example.com"), ("role", "auditor")];
    let invited = house.post("/console/settings/admins/new", &fields).await;
    assert_eq!(invited.status, 200, "{}", invited.body);
    invited.shows(&["A link for Ivo", "http://localhost:8001/console/invitation?token="]);
    let list = house.get("/console/settings/admins").await;
    list.shows(&["ivo@example.com", "Invited", "Auditor", "You"]);
    list.hides(&["invitation?token="]);
    let admin = between(&list.body, "href=\"/console/settings/admins/0", "/edit\"").to_owned();
    let part = |part: &str| format!("/console/settings/admins/0{admin}/{part}");
    house
        .get(&part("edit"))
        .await
        .shows(&["value=\"Ivo\"", "<option value=\"auditor\" selected>"]);
    let renamed = house
        .post(&part("edit"), &[("name", "Ivo Meyer"), ("role", "operator")])
        .await;
    assert_eq!(renamed.location, "/console/settings/admins", "{}", renamed.body);
    house.post(&part("disable"), &[]).await;
    house
        .get("/console/settings/admins")
        .await
        .shows(&["Ivo Meyer", "Operator", "Disabled"]);
    assert_eq!(house.post(&part("link"), &[]).await.status, 409);
    house.post(&part("enable"), &[]).await;
    house.post(&part("link"), &[]).await.shows(&["invitation?token="]);
    let unsure = house.post(&part("delete"), &[("_confirm", "ivo")]).await;
    assert_eq!(unsure.location, part("delete"));
    house.post(&part("delete"), &[("_confirm", "ivo@example.com")]).await;
    house.get("/console/settings/admins").await.hides(&["ivo@example.com"]);
}

#[actix_web::test]
async fn only_owners_change_administrators() {
    let house = House::new().await;
    let operator = somebody(&house, "operator").await;
    let list = house.get_as(&operator, "/console/settings/admins").await;
    list.shows(&["Only owners invite"]);
    list.hides(&["/admins/new", "/edit\""]);
    let fields = [("name", "Eva"), ("email", "eva@example.com"), ("role", "owner")];
    assert_eq!(
        house
            .post_as(&operator, "/console/settings/admins/new", &fields)
            .await
            .status,
        403
    );
}

#[actix_web::test]
async fn one_changes_the_own_password_and_ends_other_sessions() {
    let house = House::new().await;
    let account = "/console/settings/account";
    let page = house.get(account).await;
    page.shows(&["Olga Owner", "olga@example.com", "This one"]);
    page.hides(&["End all others"]);
    let other = somebody(&house, "owner").await;
    let wrong = [
        ("current_password", "wrong horse battery"),
        ("new_password", "staple battery horse"),
    ];
    let refused = house
        .post_as(&other, "/console/settings/account/password", &wrong)
        .await;
    assert_eq!(refused.status, 422);
    refused.shows(&["id=\"f-current_password-e\""]);
    let right = [("current_password", PASSWORD), ("new_password", "staple battery horse")];
    let changed = house
        .post_as(&other, "/console/settings/account/password", &right)
        .await;
    assert_eq!((changed.status, changed.location.as_str()), (303, account));
    house
        .sql(
            "insert into sessions (token_hash, id, account_kind, account_id, csrf_token, created_at, seen_at, expires_at, user_agent, address)
             select '\\x01', '00000000-0000-7000-8000-000000000001', 'admin', id, 'x', '2026-11-23 11:00+00', '2026-11-23 11:00+00',
                    '2026-11-25 11:00+00', 'Mozilla/5.0 (Windows NT 10.0) Firefox/140.0', '203.0.113.9'
             from admins where email = 'olga@example.com'",
        )
        .await;
    house
        .get(account)
        .await
        .shows(&["Firefox on Windows", "203.0.113.9", "End all others"]);
    let end = "/console/settings/account/sessions/00000000-0000-7000-8000-000000000001/end";
    assert_eq!(
        house.post_as(&other, end, &[]).await.status,
        404,
        "another's session is not theirs to end"
    );
    assert_eq!(house.post(end, &[]).await.location, account);
    house.get(account).await.hides(&["203.0.113.9"]);
}

#[actix_web::test]
async fn the_palette_finds_the_settings() {
    let house = House::new().await;
    let found = house.get("/console/palette.json?q=api%20tok").await;
    found.shows(&["Settings: API tokens", "/console/settings/tokens", "New API token"]);
    let auditor = somebody(&house, "auditor").await;
    let found = house.get_as(&auditor, "/console/palette.json?q=api%20tok").await;
    found.hides(&["New API token"]);
}
