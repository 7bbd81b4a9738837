//! Code for people to read: strings, numbers and words of a language stand out a little.

use std::fmt::{self, Display};

use askama::filters::{Escaper, Html, HtmlSafe};

/// A language that samples are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Commands of a shell.
    Shell,
    /// JSON.
    Json,
    /// JavaScript.
    JavaScript,
    /// Python.
    Python,
}

impl Language {
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Shell => &["curl"],
            Self::Json => &["true", "false", "null"],
            Self::JavaScript => &["const", "await", "true", "false", "null"],
            Self::Python => &["import", "True", "False", "None"],
        }
    }
}

/// A piece of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    language: Language,
    text: String,
}

impl Code {
    /// This text in this language.
    pub fn new(language: Language, text: impl Into<String>) -> Self {
        Self {
            language,
            text: text.into(),
        }
    }

    /// The bare text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The piece that `rest` begins with, and the class that it is printed in.
fn next(rest: &str, language: Language) -> (&str, &'static str) {
    let first = rest.chars().next().unwrap_or_default();
    let while_ = |fits: fn(char) -> bool| rest.find(|c| !fits(c)).map_or(rest, |end| &rest[..end]);
    if first == '"' || first == '\'' {
        let text = &rest[..string_length(rest, first)];
        let is_name = language != Language::Shell && rest[text.len()..].trim_start().starts_with(':');
        return (text, if is_name { "tk-k" } else { "tk-s" });
    }
    if first.is_ascii_digit() {
        return (while_(|c| c.is_ascii_alphanumeric() || c == '.'), "tk-n");
    }
    if first.is_alphabetic() || first == '_' {
        let word = while_(|c| c.is_alphanumeric() || c == '_');
        let known = language.words().contains(&word);
        return (word, if known { "tk-p" } else { "" });
    }
    (&rest[..first.len_utf8()], "")
}

/// How long the string is that begins here, with its quotes; one that does not end goes on to the end.
fn string_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            // Between single quotes a shell knows no escapes, and the other languages here have none.
            '\\' if quote == '"' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

impl Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.text.as_str();
        while !rest.is_empty() {
            let (piece, class) = next(rest, self.language);
            rest = &rest[piece.len()..];
            if class.is_empty() {
                Html.write_escaped_str(&mut *f, piece)?;
            } else {
                write!(f, "<span class=\"{class}\">")?;
                Html.write_escaped_str(&mut *f, piece)?;
                f.write_str("</span>")?;
            }
        }
        Ok(())
    }
}

impl HtmlSafe for Code {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_strings_numbers_and_words_stand_out() {
        let code = Code::new(Language::Json, r#"{"a\"b": "x", "n": [1.5, true]}"#).to_string();
        assert_eq!(
            code,
            "{<span class=\"tk-k\">&#34;a\\&#34;b&#34;</span>: <span class=\"tk-s\">&#34;x&#34;</span>, \
             <span class=\"tk-k\">&#34;n&#34;</span>: [<span class=\"tk-n\">1.5</span>, <span class=\"tk-p\">true</span>]}"
        );
    }

    #[test]
    fn a_string_of_a_shell_has_no_escapes() {
        let code = Code::new(Language::Shell, r"curl '\' x").to_string();
        assert!(code.ends_with("<span class=\"tk-s\">&#39;\\&#39;</span> x"), "{code}");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_becomes_markup(text in any::<String>(), kind in 0..4) {
            let language = [Language::Shell, Language::Json, Language::JavaScript, Language::Python][usize::try_from(kind).unwrap_or(0)];
            let html = Code::new(language, text.clone()).to_string();
            let classes = ["tk-k", "tk-s", "tk-n", "tk-p"];
            let bare = classes.iter().fold(html, |html, class| html.replace(&format!("<span class=\"{class}\">"), ""));
            let bare = bare.replace("</span>", "");
            prop_assert!(!bare.contains('<'), "{}", bare);
            let mut escaped = String::new();
            Html.write_escaped_str(&mut escaped, &text).expect("a string takes all");
            prop_assert_eq!(bare, escaped);
        }
    }
}
