//! How numbers, times and words are written for people.

use std::fmt::{self, Display};
use std::time::Duration;

use askama::filters::{Escaper, Html, HtmlSafe};
use model::clock::Timestamp;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const EXACT: &[BorrowedFormatItem<'_>] =
    format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute]:[second] UTC");
const DATE: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:short] [year]");

/// `1,204,118`.
pub fn count(number: impl Display) -> String {
    let digits = number.to_string();
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{sign}{text}")
}

/// `19.65M`, `4.2k`, `312`: few digits, for tiles and axes.
#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
pub fn short(number: u64) -> String {
    let scaled = |by: f64, unit: &str| format!("{}{unit}", trim(number as f64 / by));
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => scaled(1e3, "k"),
        1_000_000..1_000_000_000 => scaled(1e6, "M"),
        _ => scaled(1e9, "G"),
    }
}

/// At most three digits that count, no trailing zeros.
pub fn trim(number: f64) -> String {
    let decimals = if number.abs() < 10.0 {
        2
    } else {
        usize::from(number.abs() < 100.0)
    };
    let text = format!("{number:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `1 route`, `3 routes`.
pub fn plural(number: impl Display + PartialEq<i64>, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{} {word}", count(number))
}

/// `2 MB`.
pub fn bytes(number: usize) -> String {
    match number {
        0..1_024 => format!("{number} bytes"),
        1_024..1_048_576 => format!("{} KB", number / 1_024),
        _ => format!("{} MB", number / 1_048_576),
    }
}

/// `45 seconds`, `12 minutes`.
pub fn duration(length: Duration) -> String {
    let seconds = i64::try_from(length.as_secs()).unwrap_or(i64::MAX).max(1);
    if seconds < 90 {
        plural(seconds, "second", "seconds")
    } else {
        plural((seconds + 59) / 60, "minute", "minutes")
    }
}

/// `500 ms`, `2.5 s`, `5 min`.
pub fn milliseconds(length: u32) -> String {
    match length {
        0..1_000 => format!("{length} ms"),
        minutes if minutes >= 120_000 && minutes % 60_000 == 0 => format!("{} min", minutes / 60_000),
        seconds => format!("{} s", f64::from(seconds) / 1e3),
    }
}

/// `9 Nov 2026, 14:30:05 UTC`.
pub fn exact(time: Timestamp) -> String {
    time.format(EXACT).unwrap_or_default()
}

/// `9 Nov 2026`.
pub fn date(time: Timestamp) -> String {
    time.format(DATE).unwrap_or_default()
}

/// `12 min ago`, `in 3 h`; beyond a month the date. The island of relative times writes the same.
pub fn relative(time: Timestamp, now: Timestamp) -> String {
    let seconds = (time - now).whole_seconds();
    let (amount, unit) = match seconds.abs() {
        0..5 => return "just now".to_owned(),
        distance @ 5..60 => (distance, "s"),
        distance @ 60..3_600 => (distance / 60, "min"),
        distance @ 3_600..86_400 => (distance / 3_600, "h"),
        distance @ 86_400..2_592_000 => (distance / 86_400, "d"),
        _ => return date(time),
    };
    if seconds < 0 {
        format!("{amount} {unit} ago")
    } else {
        format!("in {amount} {unit}")
    }
}

/// The same words with a capital at the beginning.
pub fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// A sentence: capital and full stop.
pub fn sentence(text: &str) -> String {
    let text = capital(text.trim());
    if text.ends_with(['.', '?', '!', ':']) || text.is_empty() {
        text
    } else {
        format!("{text}.")
    }
}

/// `rate_limit` and `rate-limit` become `Rate limit`.
pub fn label(name: &str) -> String {
    capital(&name.replace(['_', '-'], " "))
}

/// The initials of a name, two at most, for the round badge.
pub fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().next());
    let first = words.next();
    let last = words.next_back();
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}

/// A browser by the words it describes itself with: `Firefox on Linux`; what says nothing known is shown as it is.
pub fn browser(user_agent: &str) -> String {
    // The order matters: most name the ones they pretend to be as well.
    let browsers = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("HeadlessChrome/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = |known: &[(&str, &'static str)]| {
        let found = known.iter().find(|(mark, _)| user_agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    match (named(&browsers), named(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) if user_agent.is_empty() => "Unknown browser".to_owned(),
        (None, _) => user_agent.chars().take(80).collect(),
    }
}

/// Text in which what stands between backticks is code.
pub fn rich(text: impl Into<String>) -> Rich {
    Rich(text.into())
}

/// Text with code in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rich(String);

impl Display for Rich {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<&str> = self.0.split('`').collect();
        // An odd backtick belongs to nothing and stays what it is.
        let pairs = (parts.len() - 1) / 2 * 2;
        for (index, part) in parts.iter().enumerate() {
            match index {
                0 => {}
                _ if index > pairs => f.write_str("`")?,
                _ if index % 2 == 1 => f.write_str("<code>")?,
                _ => f.write_str("</code>")?,
            }
            Html.write_escaped_str(&mut *f, part)?;
        }
        Ok(())
    }
}

impl HtmlSafe for Rich {}

/// Text in which addresses of the web are links, and nothing else is.
pub fn linked(text: impl Into<String>) -> Linked {
    Linked(text.into())
}

/// Text with links in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked(String);

impl Display for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.0.split_inclusive(char::is_whitespace) {
            let start = ["https://", "http://"]
                .iter()
                .filter_map(|scheme| piece.find(scheme))
                .min();
            let Some(start) = start else {
                Html.write_escaped_str(&mut *f, piece)?;
                continue;
            };
            let (before, rest) = piece.split_at(start);
            // What ends a sentence does not belong to the address in it.
            let address = rest
                .trim_end()
                .trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '>', '"']);
            Html.write_escaped_str(&mut *f, before)?;
            f.write_str(r#"<a class="link" rel="noopener noreferrer" href=""#)?;
            Html.write_escaped_str(&mut *f, address)?;
            f.write_str(r#"">"#)?;
            Html.write_escaped_str(&mut *f, address)?;
            f.write_str("</a>")?;
            Html.write_escaped_str(&mut *f, &rest[address.len()..])?;
        }
        Ok(())
    }
}

impl HtmlSafe for Linked {}

/// The tone of an HTTP status.
pub fn status_tone(status: impl Display) -> &'static str {
    match status.to_string().as_bytes().first() {
        Some(b'2') => "ok",
        Some(b'4') => "warn",
        Some(b'5') => "bad",
        _ => "",
    }
}

/// A path of a member as people read it: `config.limits.1.requests` becomes `Limits 2, requests`.
pub fn path(path: &str) -> String {
    let path = path.strip_prefix("config.").unwrap_or(path);
    let mut words: Vec<String> = Vec::new();
    for part in path.split('.') {
        match (part.parse::<usize>(), words.last_mut()) {
            (Ok(index), Some(last)) => *last = format!("{last} {}", index + 1),
            (_, None) => words.push(label(part)),
            (_, Some(_)) => words.push(part.replace('_', " ")),
        }
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn counts_have_separators() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (-1_234_567, "-1,234,567"),
            (i64::MAX, "9,223,372,036,854,775,807"),
        ];
        for (number, text) in cases {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn lengths_have_the_unit_that_reads_best() {
        let cases = [
            (500, "500 ms"),
            (2_500, "2.5 s"),
            (60_000, "60 s"),
            (300_000, "5 min"),
            (300_500, "300.5 s"),
        ];
        for (length, text) in cases {
            assert_eq!(milliseconds(length), text);
        }
    }

    #[test]
    fn short_numbers_have_few_digits() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1k"),
            (4_218, "4.22k"),
            (19_660_000, "19.7M"),
            (612_000, "612k"),
        ];
        for (number, text) in cases {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn times_say_how_long_ago() {
        let now = datetime!(2026-11-09 12:00 UTC);
        let cases = [
            (datetime!(2026-11-09 11:59:58 UTC), "just now"),
            (datetime!(2026-11-09 11:59:20 UTC), "40 s ago"),
            (datetime!(2026-11-09 11:48 UTC), "12 min ago"),
            (datetime!(2026-11-09 15:30 UTC), "in 3 h"),
            (datetime!(2026-11-01 12:00 UTC), "8 d ago"),
            (datetime!(2026-01-31 12:00 UTC), "31 Jan 2026"),
        ];
        for (time, text) in cases {
            assert_eq!(relative(time, now), text);
        }
    }

    #[test]
    fn backticks_become_code_and_nothing_else_does() {
        let cases = [
            ("is `a` or `<b>`", "is <code>a</code> or <code>&#60;b&#62;</code>"),
            ("a ` alone", "a ` alone"),
            ("`a` and `", "<code>a</code> and `"),
            ("", ""),
        ];
        for (text, html) in cases {
            assert_eq!(rich(text).to_string(), html);
        }
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        let cases = [
            (
                "Go to http://a.example/x?a=1&b=2.",
                r#"Go to <a class="link" rel="noopener noreferrer" href="http://a.example/x?a=1&#38;b=2">http://a.example/x?a=1&#38;b=2</a>."#,
            ),
            ("javascript:alert(1)\n<b>", "javascript:alert(1)\n&#60;b&#62;"),
            (
                r#"(https://a.example/"onload=x)"#,
                r#"(<a class="link" rel="noopener noreferrer" href="https://a.example/&#34;onload=x">https://a.example/&#34;onload=x</a>)"#,
            ),
        ];
        for (text, html) in cases {
            assert_eq!(linked(text).to_string(), html);
        }
    }

    #[test]
    fn browsers_are_called_by_their_names() {
        let cases = [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            ("curl/8.5.0", "curl"),
            ("house-bot", "house-bot"),
            ("", "Unknown browser"),
        ];
        for (words, name) in cases {
            assert_eq!(browser(words), name);
        }
    }

    #[test]
    fn words_become_labels_and_sentences() {
        assert_eq!(label("rate_limit"), "Rate limit");
        assert_eq!(sentence("is taken"), "Is taken.");
        assert_eq!(path("config.limits.1.requests"), "Limits 2, requests");
        assert_eq!(initials("Mara  van Okafor"), "MO");
        assert_eq!(initials("mara"), "M");
        assert_eq!(initials(""), "");
    }
}
