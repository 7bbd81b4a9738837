//! Sparklines: the course of a figure, beside the figure.

#![expect(clippy::cast_precision_loss, reason = "pictures and sums of counts need few digits")]

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;

const WIDTH: f64 = 100.0;
const HEIGHT: f64 = 30.0;

/// A small line that shows a course, not values; what it shows is said in words beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Spark {
    values: Vec<f64>,
    class: &'static str,
}

/// The line through these values, oldest first.
pub fn spark(values: Vec<f64>) -> Spark {
    Spark { values, class: "spark" }
}

impl Spark {
    /// In the colour of trouble.
    pub fn bad(self) -> Self {
        Self {
            class: "spark bad",
            ..self
        }
    }
}

impl fmt::Display for Spark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let top = self.values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let step = WIDTH / (self.values.len().max(2) - 1) as f64;
        let mut line = String::new();
        for (index, value) in self.values.iter().enumerate() {
            let y = HEIGHT - 2.0 - value.max(0.0) / top * (HEIGHT - 6.0);
            let command = if index == 0 { 'M' } else { 'L' };
            write!(line, "{command}{:.1} {y:.1}", index as f64 * step)?;
        }
        write!(
            f,
            r#"<svg class="{}" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">"#,
            self.class
        )?;
        if self.values.len() > 1 {
            write!(
                f,
                r#"<path class="a" d="{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z"/><path class="l" d="{line}"/>"#
            )?;
        }
        f.write_str("</svg>")
    }
}

impl HtmlSafe for Spark {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_or_no_values_do_not_divide_by_zero() {
        for values in [vec![], vec![1.0], vec![0.0, 0.0]] {
            assert!(!spark(values).to_string().contains("NaN"));
        }
    }
}
