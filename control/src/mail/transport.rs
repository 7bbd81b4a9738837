//! How mails leave: through a mail server, or not at all.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message as Letter, Tokio1Executor};
use url::Url;

use super::MailDetail;

/// How long one mail may take, all of the conversation with the server included.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long one answer of the server may take.
const ANSWER: Duration = Duration::from_secs(15);

/// The way out for mails.
pub struct Transport(pub(super) Way);

pub(super) enum Way {
    Smtp(Box<Smtp>),
    Keep(Arc<dyn Fn(&MailDetail) + Send + Sync>),
}

pub(super) struct Smtp {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Way::Smtp(_) => "Transport(smtp)",
            Way::Keep(_) => "Transport(keep)",
        })
    }
}

/// Why the settings for mail are wrong. Never shows the URL: it holds the password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TransportError {
    /// The URL has the wrong form.
    #[error("the mail server must be given as smtps://user:password@host:465 or smtp://host:587")]
    Url,
    /// The URL's `tls` is none that is known.
    #[error("`tls` of the mail server's URL can only be `none`; without it smtp:// asks for STARTTLS")]
    Tls,
    /// The sender is no mailbox.
    #[error("the sender of mails must be written like `Gatehouse <gatehouse@example.com>`")]
    From,
}

/// Why a mail was not sent, and whether trying again can help.
pub(super) struct SendError {
    pub(super) message: String,
    pub(super) permanent: bool,
}

impl Transport {
    /// Sends through a mail server. `smtp://` asks for STARTTLS and sends nothing without it, unless the URL says
    /// `?tls=none`, which only a server on the same machine or network should get.
    pub fn smtp(url: &str, from: &str) -> Result<Self, TransportError> {
        let from: Mailbox = from.parse().map_err(|_| TransportError::From)?;
        let mut url = Url::parse(url).map_err(|_| TransportError::Url)?;
        let tls = url
            .query_pairs()
            .find(|(name, _)| name == "tls")
            .map(|(_, value)| value.into_owned());
        let plain = match tls.as_deref() {
            None => false,
            Some("none") => true,
            Some(_) => return Err(TransportError::Tls),
        };
        match (url.scheme(), plain) {
            ("smtps", false) | ("smtp", true) => url.set_query(None),
            ("smtp", false) => url.set_query(Some("tls=required")),
            _ => return Err(TransportError::Url),
        }
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str()).map_err(|_| TransportError::Url)?;
        let server = server.timeout(Some(ANSWER)).build();
        Ok(Self(Way::Smtp(Box::new(Smtp { server, from }))))
    }

    /// Sends nothing: mails are kept for the console, and the hook is shown each once.
    pub fn keep(hook: impl Fn(&MailDetail) + Send + Sync + 'static) -> Self {
        Self(Way::Keep(Arc::new(hook)))
    }
}

impl Smtp {
    pub(super) async fn send(&self, mail: &MailDetail, html: String) -> Result<(), SendError> {
        let letter = self.letter(mail, html).map_err(|message| SendError {
            message,
            permanent: true,
        })?;
        match tokio::time::timeout(DEADLINE, self.server.send(letter)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(SendError {
                permanent: error.is_permanent(),
                message: chain(&error),
            }),
            Err(_) => {
                let message = format!("the mail server took longer than {} seconds", DEADLINE.as_secs());
                Err(SendError {
                    message,
                    permanent: false,
                })
            }
        }
    }

    fn letter(&self, mail: &MailDetail, html: String) -> Result<Letter, String> {
        let to: Mailbox = mail
            .mail
            .recipient
            .parse()
            .map_err(|_| "the recipient's address is not usable".to_owned())?;
        // Keeps holiday notices from answering (RFC 3834).
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        Letter::builder()
            .from(self.from.clone())
            .to(to)
            .subject(mail.mail.subject.clone())
            .message_id(Some(format!("<{}@gatehouse>", mail.mail.id)))
            .raw_header(automatic)
            .multipart(MultiPart::alternative_plain_html(mail.body.clone(), html))
            .map_err(|error| error.to_string())
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    message.chars().filter(|c| !c.is_control()).take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "Gatehouse <gatehouse@example.com>";

    #[test]
    fn a_mail_server_is_given_as_a_url() {
        for url in [
            "smtps://user:pass@mail.example",
            "smtp://mail.example:587",
            "smtp://127.0.0.1:1025?tls=none",
        ] {
            assert!(Transport::smtp(url, FROM).is_ok(), "{url}");
        }
        for url in [
            "mail.example:25",
            "http://mail.example",
            "smtps://mail.example?tls=none",
            "",
        ] {
            assert_eq!(Transport::smtp(url, FROM).err(), Some(TransportError::Url), "{url}");
        }
        assert_eq!(
            Transport::smtp("smtp://mail.example?tls=maybe", FROM).err(),
            Some(TransportError::Tls)
        );
        assert_eq!(
            Transport::smtp("smtp://mail.example", "nobody").err(),
            Some(TransportError::From)
        );
    }
}
