//! What the program says to the person who started it, on standard output.

use anstyle::{AnsiColor, Style};

const HEADING: Style = Style::new().bold();
const LABEL: Style = Style::new().dimmed();
const LINK: Style = AnsiColor::Cyan.on_default().underline();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// A line with a label and where to go.
pub(crate) fn link(label: &str, target: &str) {
    say(&format!("  {LABEL}{label:<16}{LABEL:#}{LINK}{target}{LINK:#}"));
}

/// A line with a label and what to paste.
pub(crate) fn paste(label: &str, line: &str) {
    say(&format!("  {LABEL}{label:<16}{LABEL:#}{line}"));
}

/// The first line of a block.
pub(crate) fn heading(text: &str) {
    say(&format!("\n{HEADING}{text}{HEADING:#}"));
}

/// Something that went well.
pub(crate) fn good(text: &str) {
    say(&format!("{GOOD}✓{GOOD:#} {text}"));
}

/// Something that went well, beside an answer that programs read: on standard error.
pub(crate) fn note(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(anstream::stderr().lock(), "{GOOD}✓{GOOD:#} {text}");
}

/// A plain line.
pub(crate) fn say(text: &str) {
    // Nobody to read it is no reason to stop serving.
    use std::io::Write as _;
    let _ = writeln!(anstream::stdout().lock(), "{text}");
}

/// The one line that says why the program ends: the error with its causes, each once.
pub(crate) fn failure(error: &anyhow::Error) {
    use std::io::Write as _;
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        let cause = cause.replace('\n', " ");
        if !message.contains(&cause) {
            message.push_str(if message.is_empty() { "" } else { ": " });
            message.push_str(&cause);
        }
    }
    let _ = writeln!(anstream::stderr().lock(), "{BAD}gatehouse:{BAD:#} {message}");
}
