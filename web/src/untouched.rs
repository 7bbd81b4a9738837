//! What a browser sends back of a form when nobody touched it.

use url::form_urlencoded;

/// The fields of the form with this action on a page.
pub(crate) fn form(page: &str, action: &str) -> Vec<(String, String)> {
    let start = format!("action=\"{action}\"");
    let after = page
        .split_once(&start)
        .unwrap_or_else(|| panic!("no form with {start} in {page}"))
        .1;
    fields(after.split("</form>").next().unwrap_or_default())
}

/// The fields in a piece of a page, as an urlencoded body.
pub(crate) fn body(html: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields(html))
        .finish()
}

/// The fields in a piece of a page.
pub(crate) fn fields(html: &str) -> Vec<(String, String)> {
    let html = without_templates(html);
    let mut all = Vec::new();
    for (at, _) in html.match_indices('<') {
        let rest = &html[at + 1..];
        let tag = rest.split('>').next().unwrap_or_default();
        let name = attribute(tag, "name");
        let value = match tag.split(' ').next().unwrap_or_default() {
            "input" if attribute(tag, "type") == "checkbox" && !tag.contains(" checked") => continue,
            "input" => attribute(tag, "value"),
            "select" => chosen(rest.split("</select>").next().unwrap_or_default()),
            "textarea" => {
                let inner = rest.split_once('>').map_or("", |(_, inner)| inner);
                let text = inner.split("</textarea>").next().unwrap_or_default();
                plain(text.strip_prefix('\n').unwrap_or(text))
            }
            _ => continue,
        };
        if !name.is_empty() {
            all.push((name, value));
        }
    }
    all
}

/// Rows that scripts would add are no part of the form yet.
fn without_templates(html: &str) -> String {
    let parts = html.split("<template>").enumerate();
    let kept = parts.map(|(at, part)| match part.split_once("</template>") {
        Some((_, rest)) if at > 0 => rest,
        _ => part,
    });
    kept.collect()
}

/// A select without a selected option sends its first one.
fn chosen(options: &str) -> String {
    let mut all = options.split("<option ").skip(1);
    let selected = all
        .clone()
        .find(|option| option.split('>').next().unwrap_or_default().contains(" selected"));
    attribute(
        &format!(" {}", selected.or_else(|| all.next()).unwrap_or_default()),
        "value",
    )
}

fn attribute(tag: &str, name: &str) -> String {
    let value = tag
        .split_once(&format!(" {name}=\""))
        .and_then(|(_, rest)| rest.split('"').next());
    plain(value.unwrap_or_default())
}

fn plain(text: &str) -> String {
    let entities = [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
    ];
    entities
        .iter()
        .fold(text.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
}
