//! Mails: queued, sent, tried again, given up, kept.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use control::developers::sign_up;
use control::mail::transport::Transport;
use control::mail::{self, MailState, deliver};
use control::{Error, ListQuery};
use model::actor::{Actor, Role};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{BROWSER, House, account};

const FROM: &str = "Gatehouse <gatehouse@example.com>";
const DORA: &str = "dora@example.com";

/// A mail server that takes every mail, or refuses every recipient with one answer.
struct MailServer {
    url: String,
    letters: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    async fn start(answer_to_recipient: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
        let letters = Arc::new(Mutex::new(Vec::new()));
        let taken = letters.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                converse(stream, answer_to_recipient, &taken).await;
            }
        });
        Self { url, letters }
    }

    fn transport(&self) -> Transport {
        Transport::smtp(&self.url, FROM).expect("a mail server")
    }
}

async fn converse(stream: TcpStream, answer_to_recipient: &str, letters: &Mutex<Vec<String>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await.unwrap();
    let mut letter: Option<String> = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match (&mut letter, line.as_str()) {
            (Some(_), ".") => {
                letters.lock().unwrap().extend(letter.take());
                "250 taken"
            }
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
                continue;
            }
            (None, "DATA") => {
                letter = Some(String::new());
                "354 go on"
            }
            (None, line) if line.starts_with("RCPT") => answer_to_recipient,
            _ => "250 ok",
        };
        if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn sign_up_dora(house: &House) {
    sign_up::sign_up(&house.control, account("Dora", DORA).into(), &BROWSER)
        .await
        .unwrap();
}

async fn only_mail(house: &House) -> mail::Mail {
    let page = mail::list(&house.control, &Actor::system(), &ListQuery::default())
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    page.items.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_mail_is_sent_once_and_its_text_is_dropped() {
    let (house, server) = (House::new().await, MailServer::start("250 ok").await);
    sign_up_dora(&house).await;
    assert_eq!(deliver::round(&house.control, &server.transport()).await.unwrap(), 1);
    assert_eq!(deliver::round(&house.control, &server.transport()).await.unwrap(), 0);

    let letters = server.letters.lock().unwrap().clone();
    assert_eq!(letters.len(), 1);
    for part in [
        "To: dora@example.com",
        "From: Gatehouse <gatehouse@example.com>",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(letters[0].contains(part), "{part} in {}", letters[0]);
    }
    assert!(letters[0].contains("text/plain") && letters[0].contains("text/html"));
    let sent = only_mail(&house).await;
    assert_eq!((sent.state, sent.attempts, sent.last_error), (MailState::Sent, 1, None));
    let detail = mail::get(&house.control, &Actor::system(), sent.id).await.unwrap();
    assert_eq!(detail.body, "");
    assert_eq!(house.count("select count(*) from mails where html <> ''").await, 0);
}

#[tokio::test]
async fn a_server_that_cannot_now_is_asked_again_later() {
    let (house, server) = (House::new().await, MailServer::start("451 try later").await);
    sign_up_dora(&house).await;
    for attempt in 1..=3 {
        assert_eq!(deliver::round(&house.control, &server.transport()).await.unwrap(), 1);
        assert_eq!(
            deliver::round(&house.control, &server.transport()).await.unwrap(),
            0,
            "not before the pause is over"
        );
        let queued = only_mail(&house).await;
        assert_eq!((queued.state, queued.attempts), (MailState::Queued, attempt));
        assert!(queued.last_error.is_some_and(|error| error.contains("try later")));
        house.advance(Duration::from_mins(5));
    }
    let willing = MailServer::start("250 ok").await;
    deliver::round(&house.control, &willing.transport()).await.unwrap();
    assert_eq!(only_mail(&house).await.state, MailState::Sent);
}

#[tokio::test]
async fn a_mail_is_given_up_after_ten_attempts() {
    let house = House::new().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let transport = Transport::smtp(&format!("smtp://{nobody}?tls=none"), FROM).unwrap();
    sign_up_dora(&house).await;
    for _ in 0..12 {
        deliver::round(&house.control, &transport).await.unwrap();
        house.advance(Duration::from_hours(1));
    }
    let failed = only_mail(&house).await;
    assert_eq!((failed.state, failed.attempts), (MailState::Failed, 10));
}

#[tokio::test]
async fn a_final_refusal_is_final_until_somebody_tries_again() {
    let (house, server) = (House::new().await, MailServer::start("550 no such mailbox").await);
    sign_up_dora(&house).await;
    deliver::round(&house.control, &server.transport()).await.unwrap();
    let failed = only_mail(&house).await;
    assert_eq!((failed.state, failed.attempts), (MailState::Failed, 1));

    let willing = MailServer::start("250 ok").await;
    mail::retry(&house.control, &Actor::system(), failed.id).await.unwrap();
    deliver::round(&house.control, &willing.transport()).await.unwrap();
    assert_eq!(only_mail(&house).await.state, MailState::Sent);
    let again = mail::retry(&house.control, &Actor::system(), failed.id).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    assert!(house.audited().await.contains(&"mail.retried".to_owned()));
}

#[tokio::test]
async fn without_a_mail_server_mails_are_kept_to_be_read() {
    let house = House::new().await;
    sign_up_dora(&house).await;
    let printed = Arc::new(Mutex::new(Vec::new()));
    let terminal = printed.clone();
    let transport = Transport::keep(move |mail| terminal.lock().unwrap().push(mail.body.clone()));
    deliver::round(&house.control, &transport).await.unwrap();
    deliver::round(&house.control, &transport).await.unwrap();

    let link = house.mailed_link(DORA).await;
    let printed = printed.lock().unwrap().clone();
    assert!(printed.len() == 1 && printed[0].contains(&link), "{printed:?}");
    let kept = only_mail(&house).await;
    assert_eq!(kept.state, MailState::Kept);
    let detail = mail::get(&house.control, &Actor::system(), kept.id).await.unwrap();
    assert!(detail.body.contains(&link));
    assert!(!format!("{detail:?}").contains(&link));
}

#[tokio::test]
async fn an_auditor_sees_mails_but_not_their_links() {
    let house = House::new().await;
    let auditor = Actor {
        rights: Role::Auditor.rights(),
        ..house.admin().await
    };
    sign_up_dora(&house).await;
    let mail = only_mail(&house).await;
    assert_eq!(mail::get(&house.control, &auditor, mail.id).await.unwrap().body, "");
    assert!(matches!(
        mail::retry(&house.control, &auditor, mail.id).await,
        Err(Error::Forbidden { .. })
    ));
    let session = house.developer("emil@example.com").await;
    let listed = mail::list(&house.control, &session.actor, &ListQuery::default()).await;
    assert!(matches!(listed, Err(Error::Forbidden { .. })), "{listed:?}");
}

#[tokio::test]
async fn a_sign_up_that_fails_leaves_no_mail() {
    let house = House::new().await;
    sqlx::query("alter table audit add constraint refuse check (action <> 'developer.created')")
        .execute(house.pool())
        .await
        .unwrap();
    let failed = sign_up::sign_up(&house.control, account("Dora", DORA).into(), &BROWSER).await;
    assert!(matches!(failed, Err(Error::Database(_))), "{failed:?}");
    assert_eq!(house.count("select count(*) from mails").await, 0);
    assert_eq!(house.count("select count(*) from developers").await, 0);
}

#[tokio::test]
async fn a_mail_that_another_node_takes_is_left_to_it() {
    let (house, server) = (House::new().await, MailServer::start("250 ok").await);
    for email in [DORA, "emil@example.com"] {
        sign_up::sign_up(&house.control, account("Dora", email).into(), &BROWSER)
            .await
            .unwrap();
    }
    let mut other_node = house.pool().begin().await.unwrap();
    sqlx::query("select from mails where recipient = $1 for update")
        .bind(DORA)
        .execute(&mut *other_node)
        .await
        .unwrap();
    let transport = server.transport();
    let round = tokio::time::timeout(Duration::from_secs(20), deliver::round(&house.control, &transport));
    assert_eq!(round.await.expect("does not wait for the other").unwrap(), 1);
    let letters = server.letters.lock().unwrap().clone();
    assert!(
        letters.len() == 1 && letters[0].contains("To: emil@example.com"),
        "{letters:?}"
    );
}
