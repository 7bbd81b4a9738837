//! How a figure differs from the one before it: an arrow, an amount, and whether that is good.

use std::fmt;

use askama::filters::{Escaper, Html, HtmlSafe};

use crate::assets::icon;
use crate::text;

/// Which way a figure should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Neither way is better.
    None,
    /// Less is better.
    Less,
}

/// The difference, beside its figure; nothing where nothing can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    amount: String,
    more: bool,
    tone: &'static str,
}

impl Delta {
    /// The difference as a part of the figure before.
    pub fn relative(now: f64, before: f64, wish: Wish) -> Self {
        if before <= 0.0 {
            return Self::default();
        }
        let percent = (now - before) / before * 100.0;
        let amount = if percent >= 1_000.0 {
            format!("×{}", text::trim(now / before))
        } else {
            format!("{}%", text::trim(percent.abs()))
        };
        Self::new(amount, percent, wish)
    }

    /// The difference in the unit of the figure.
    pub fn absolute(now: Option<f64>, before: Option<f64>, unit: &str, wish: Wish) -> Self {
        let (Some(now), Some(before)) = (now, before) else {
            return Self::default();
        };
        let amount = format!("{} {unit}", text::trim((now - before).abs()));
        Self::new(amount.trim_end().to_owned(), now - before, wish)
    }

    fn new(amount: String, difference: f64, wish: Wish) -> Self {
        // What would be shown as nothing is nothing.
        if amount.trim_end_matches(|c: char| !c.is_ascii_digit()) == "0" {
            return Self {
                amount: "steady".to_owned(),
                ..Self::default()
            };
        }
        let more = difference > 0.0;
        let tone = match (wish, more) {
            (Wish::None, _) => "",
            (Wish::Less, true) => "down",
            (Wish::Less, false) => "up",
        };
        Self { amount, more, tone }
    }

    /// The class that says whether it is good.
    pub fn tone(&self) -> &'static str {
        self.tone
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.amount.is_empty()
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.amount == "steady" {
            return f.write_str("steady");
        }
        let (arrow, word) = if self.more {
            ("arrow-up", "more")
        } else {
            ("arrow-down", "less")
        };
        write!(f, "{}", icon(arrow).class("i i-s"))?;
        Html.write_escaped_str(&mut *f, &self.amount)?;
        write!(f, r#"<span class="sr"> {word} than before</span>"#)
    }
}

impl HtmlSafe for Delta {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_says_how_much_and_which_way() {
        let more = Delta::relative(106.2, 100.0, Wish::None);
        let html = more.to_string();
        assert!(
            html.contains("6.2%") && html.contains("more") && html.contains("arrow-up"),
            "{html}"
        );
        assert_eq!(more.tone(), "");
        assert!(Delta::relative(5_000.0, 100.0, Wish::None).to_string().contains("×50"));
    }

    #[test]
    fn less_latency_is_good_and_more_is_not() {
        let of = |now, before| Delta::absolute(Some(now), Some(before), "ms", Wish::Less);
        assert_eq!((of(130.0, 134.0).tone(), of(140.0, 134.0).tone()), ("up", "down"));
        assert_eq!(of(134.0, 134.0).to_string(), "steady");
        assert_eq!(of(134.0, 134.0).tone(), "");
    }

    #[test]
    fn nothing_is_compared_with_nothing() {
        assert!(Delta::relative(5.0, 0.0, Wish::None).is_empty());
        assert!(Delta::absolute(Some(1.0), None, "ms", Wish::Less).is_empty());
    }
}
