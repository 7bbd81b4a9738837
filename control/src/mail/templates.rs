//! The texts of mails: plain, and the same in simple HTML.

use std::fmt::Write as _;

use crate::subscriptions::NamedSubscription;

const PRODUCT: &str = "Gatehouse";

/// A mail's content.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// The parts of a mail: a greeting, paragraphs, at most one button, and a last word.
struct Parts<'a> {
    subject: String,
    name: &'a str,
    paragraphs: Vec<String>,
    button: Option<(&'a str, &'a str)>,
    last: &'a str,
}

/// An administrator is invited, or gets a link in place of a lost password.
pub(crate) fn invitation(name: &str, by: &str, link: &str) -> Message {
    compose(&Parts {
        subject: format!("Choose your password for the {PRODUCT} console"),
        name,
        paragraphs: vec![format!(
            "{by} gave you access to the {PRODUCT} console. Choose a password with the link below. It works once, for three days."
        )],
        button: Some(("Choose password", link)),
        last: "If you did not expect this mail, tell the person who sent it.",
    })
}

/// A developer signed up and shall show that the address is theirs.
pub(crate) fn verification(name: &str, link: &str) -> Message {
    compose(&Parts {
        subject: format!("Confirm your e-mail address for {PRODUCT}"),
        name,
        paragraphs: vec![
            "Confirm your e-mail address to finish your sign-up. The link works once, for one day.".to_owned(),
        ],
        button: Some(("Confirm address", link)),
        last: "If you did not sign up, ignore this mail: without the link nothing happens.",
    })
}

/// Somebody signed up with an address that has an account.
pub(crate) fn already_registered(name: &str, sign_in: &str, forgot: &str) -> Message {
    compose(&Parts {
        subject: format!("You already have a {PRODUCT} account"),
        name,
        paragraphs: vec![
            "Somebody, probably you, signed up with this address. There is an account with it already.".to_owned(),
            format!("If you forgot the password, choose a new one: {forgot}"),
        ],
        button: Some(("Sign in", sign_in)),
        last: "If it was not you, ignore this mail: nothing was changed.",
    })
}

/// A developer forgot the password.
pub(crate) fn reset(name: &str, link: &str) -> Message {
    compose(&Parts {
        subject: format!("Choose a new {PRODUCT} password"),
        name,
        paragraphs: vec!["Choose a new password with the link below. It works once, for one hour.".to_owned()],
        button: Some(("Choose password", link)),
        last: "If you did not ask for it, ignore this mail: your password stays as it is.",
    })
}

/// An administrator decided about a subscription.
pub(crate) fn subscription(named: &NamedSubscription, done: &str, portal_url: &str) -> Message {
    let (application, plan, product) = (&named.application_name, &named.plan_title, &named.product_title);
    let link = format!("{portal_url}/apps/{}", named.subscription.application);
    compose(&Parts {
        subject: format!("Your subscription to {product} was {done}"),
        name: "there",
        paragraphs: vec![format!(
            "The subscription of your application {application} to {product} ({plan}) was {done}."
        )],
        button: Some(("Look at the application", &link)),
        last: "Questions? Answer to the people who run this portal.",
    })
}

/// The password was changed by a link.
pub(crate) fn password_changed(name: &str, forgot: &str) -> Message {
    compose(&Parts {
        subject: format!("Your {PRODUCT} password was changed"),
        name,
        paragraphs: vec![
            "Your password was changed, and everybody who was signed in with this account was signed out.".to_owned(),
        ],
        button: None,
        last: &format!("If it was not you, choose a new password at once: {forgot}"),
    })
}

fn compose(parts: &Parts<'_>) -> Message {
    Message {
        subject: parts.subject.clone(),
        text: plain(parts),
        html: html(parts),
    }
}

fn plain(parts: &Parts<'_>) -> String {
    let mut text = format!("Hello {},\n\n", parts.name);
    for paragraph in &parts.paragraphs {
        text.push_str(paragraph);
        text.push_str("\n\n");
    }
    if let Some((label, link)) = parts.button {
        // Writing to a string cannot fail.
        let _ = write!(text, "{label}:\n{link}\n\n");
    }
    text.push_str(parts.last);
    let _ = write!(text, "\n\n-- \n{PRODUCT}\n");
    text
}

fn html(parts: &Parts<'_>) -> String {
    let paragraph = |text: &str| format!("<p>{}</p>\n", escape(text));
    let mut body = paragraph(&format!("Hello {},", parts.name));
    body.extend(parts.paragraphs.iter().map(|text| paragraph(text)));
    if let Some((label, link)) = parts.button {
        let (label, link) = (escape(label), escape(link));
        let style = "display:inline-block;padding:10px 16px;border-radius:7px;background:#14161b;color:#ffffff;text-decoration:none";
        let _ = writeln!(body, "<p><a href=\"{link}\" style=\"{style}\">{label}</a></p>");
        let _ = writeln!(body, "<p style=\"color:#4d515c;font-size:13px\">{link}</p>");
    }
    body.push_str(&paragraph(parts.last));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body style=\"font:15px/1.5 system-ui,sans-serif;color:#14161b;max-width:560px;margin:24px auto;padding:0 16px\">\n\
         <p style=\"font-weight:600\">{PRODUCT}</p>\n{body}</body></html>\n",
        escape(&parts.subject)
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_carry_the_link_and_names_are_no_markup() {
        let message = verification("<b>Ada</b>", "https://portal.example/verify?token=abc");
        assert!(
            message.text.contains("\nhttps://portal.example/verify?token=abc\n"),
            "{}",
            message.text
        );
        assert!(
            message
                .html
                .contains("href=\"https://portal.example/verify?token=abc\"")
        );
        assert!(message.html.contains("&lt;b&gt;Ada&lt;/b&gt;") && !message.html.contains("<b>"));
    }
}
