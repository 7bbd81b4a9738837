//! Markdown of API descriptions: the words of somebody else, so no HTML, no pictures, and links to web addresses only.

use std::fmt::{self, Display};

use askama::filters::HtmlSafe;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Text in Markdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markdown<'a>(&'a str);

/// This text, written as Markdown.
pub fn markdown(text: &str) -> Markdown<'_> {
    Markdown(text)
}

impl Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut dropped = false;
        let events = Parser::new_ext(self.0, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
        html::write_html_fmt(f, events.flat_map(|event| tame(event, &mut dropped)))
    }
}

impl HtmlSafe for Markdown<'_> {}

/// What is printed of an event. `dropped`: whether the link that is open was left out.
fn tame<'a>(event: Event<'a>, dropped: &mut bool) -> Vec<Event<'a>> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text)],
        // The page has its own order of headings.
        Event::Start(Tag::Heading { .. }) => vec![Event::Start(Tag::Paragraph), Event::Start(Tag::Strong)],
        Event::End(TagEnd::Heading(_)) => vec![Event::End(TagEnd::Strong), Event::End(TagEnd::Paragraph)],
        Event::Start(Tag::Link { ref dest_url, .. }) if !leads_to_the_web(dest_url) => {
            *dropped = true;
            vec![]
        }
        Event::End(TagEnd::Link) if *dropped => {
            *dropped = false;
            vec![]
        }
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => vec![],
        other => vec![other],
    }
}

fn leads_to_the_web(address: &str) -> bool {
    ["https://", "http://", "mailto:", "#"]
        .iter()
        .any(|start| address.starts_with(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paragraphs_lists_code_and_links_are_printed() {
        let html = markdown("One `two`.\n\n- **a**\n- [b](https://b.example)").to_string();
        for part in [
            "<p>One <code>two</code>.</p>",
            "<li><strong>a</strong></li>",
            "<a href=\"https://b.example\">b</a>",
        ] {
            assert!(html.contains(part), "{part} is missing in {html}");
        }
    }

    #[test]
    fn a_heading_does_not_disturb_those_of_the_page() {
        assert_eq!(markdown("# Big").to_string(), "<p><strong>Big</strong></p>\n");
    }

    #[test]
    fn html_scripts_and_pictures_stay_out() {
        let html = markdown(
            "<script>a</script> <b onclick=x>b</b>\n\n[c](javascript:alert(1)) ![d](https://e.example/f.png) [g](//h.example)",
        )
        .to_string();
        for part in ["<script", "<b ", "<img", "href"] {
            assert!(!html.contains(part), "{part} is in {html}");
        }
        assert!(['c', 'd', 'g'].into_iter().all(|text| html.contains(text)), "{html}");
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_script(text in "[<>/a-c!\\[\\]()`*_ :\n\"'&;#-]{0,80}") {
            let html = markdown(&format!("{text}<script>{text}</script>{text}[x](javascript:y){text}")).to_string();
            prop_assert!(!html.contains("<script") && !html.contains("href=\"javascript:"), "{}", html);
        }
    }
}
