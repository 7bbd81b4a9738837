//! How an operation is called, in the languages of those who call it.

use control::openapi::{KeyPlace, Member, Operation};
use serde_json::Value;

use crate::code::{Code, Language};
use crate::urls;

/// What stands for the key where none is known.
pub(super) const YOUR_KEY: &str = "YOUR_KEY";

/// A sample: the name of its tab, and the code.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) title: &'static str,
    pub(super) code: Code,
}

/// A call of an operation with the values that its document gives.
pub(super) struct Call {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Value>,
    answers_json: bool,
}

impl Call {
    /// Calls `operation` below this address, with this key.
    pub(super) fn new(operation: &Operation, base_url: &str, place: &KeyPlace, key: &str) -> Self {
        let mut url = format!("{base_url}{}", path(operation));
        let mut query = query(operation);
        let mut headers = Vec::new();
        match place {
            KeyPlace::Header(name) => headers.push((name.clone(), key.to_owned())),
            KeyPlace::Bearer => headers.push(("Authorization".to_owned(), format!("Bearer {key}"))),
            KeyPlace::Query(name) => query.push(format!("{}={}", urls::segment(name), urls::segment(key))),
        }
        if !query.is_empty() {
            url = format!("{url}?{}", query.join("&"));
        }
        let required = operation
            .parameters
            .iter()
            .filter(|one| one.place == "header" && one.required);
        headers.extend(required.map(|parameter| (parameter.name.clone(), value(parameter))));
        let body = operation.body.as_ref();
        headers.extend(body.map(|body| ("Content-Type".to_owned(), body.media_type.clone())));
        let is_json = |media_type: &str| media_type.contains("json");
        let good = operation
            .responses
            .iter()
            .find(|response| response.status.starts_with('2'));
        let answer = good.and_then(|response| response.body.as_ref());
        Self {
            method: operation.method.clone(),
            url,
            headers,
            body: body
                .filter(|body| is_json(&body.media_type))
                .and_then(|body| body.example.clone()),
            answers_json: answer.is_some_and(|body| is_json(&body.media_type)),
        }
    }

    /// In every language.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let sample = |title, language, text| Sample {
            title,
            code: Code::new(language, text),
        };
        vec![
            sample("curl", Language::Shell, self.curl()),
            sample("JavaScript", Language::JavaScript, self.javascript()),
            sample("Python", Language::Python, self.python()),
        ]
    }

    /// For a shell.
    pub(super) fn curl(&self) -> String {
        let method = if self.method == "GET" {
            String::new()
        } else {
            format!("-X {} ", self.method)
        };
        let mut lines = vec![format!("curl {method}{}", shell(&self.url))];
        let header = |(name, value): &(String, String)| format!("  -H {}", shell(&format!("{name}: {value}")));
        lines.extend(self.headers.iter().map(header));
        lines.extend(
            self.body
                .as_ref()
                .map(|body| format!("  -d {}", shell(&indented(body, 2)))),
        );
        lines.join(" \\\n")
    }

    /// For browsers and Node.
    fn javascript(&self) -> String {
        let mut lines = vec![format!("const url = {};", quoted(&self.url))];
        lines.push("const response = await fetch(url, {".to_owned());
        if self.method != "GET" {
            lines.push(format!("  method: {},", quoted(&self.method)));
        }
        if !self.headers.is_empty() {
            lines.push("  headers: {".to_owned());
            lines.extend(
                self.headers
                    .iter()
                    .map(|(name, value)| format!("    {}: {},", quoted(name), quoted(value))),
            );
            lines.push("  },".to_owned());
        }
        lines.extend(
            self.body
                .as_ref()
                .map(|body| format!("  body: JSON.stringify({}),", indented(body, 2))),
        );
        lines.push("});".to_owned());
        lines.push(format!(
            "console.log(await response.{}());",
            if self.answers_json { "json" } else { "text" }
        ));
        lines.join("\n")
    }

    /// For Python with the library requests.
    fn python(&self) -> String {
        let mut lines = vec!["import requests".to_owned(), String::new()];
        lines.push(format!("response = requests.{}(", self.method.to_lowercase()));
        lines.push(format!("    {},", quoted(&self.url)));
        // The library names the type of JSON by itself.
        let kept = self
            .headers
            .iter()
            .filter(|(name, _)| self.body.is_none() || name != "Content-Type");
        let headers: Vec<String> = kept
            .map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)))
            .collect();
        if !headers.is_empty() {
            lines.push(format!("    headers={{{}}},", headers.join(", ")));
        }
        lines.extend(
            self.body
                .as_ref()
                .map(|body| format!("    json={},", python_value(body, 4))),
        );
        lines.push(")".to_owned());
        lines.push(format!(
            "print(response.{})",
            if self.answers_json { "json()" } else { "text" }
        ));
        lines.join("\n")
    }
}

/// The path with values in the place of its parameters.
fn path(operation: &Operation) -> String {
    let parameters = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.place == "path");
    parameters.fold(operation.path.clone(), |path, parameter| {
        path.replace(&format!("{{{}}}", parameter.name), &urls::segment(value(parameter)))
    })
}

fn query(operation: &Operation) -> Vec<String> {
    let required = operation
        .parameters
        .iter()
        .filter(|one| one.place == "query" && one.required);
    required
        .map(|parameter| format!("{}={}", urls::segment(&parameter.name), urls::segment(value(parameter))))
        .collect()
}

/// The value that the document gives, or the parameter's name in capitals.
fn value(parameter: &Member) -> String {
    match &parameter.example {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => parameter.name.to_uppercase(),
    }
}

/// A word of a shell that means itself.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A string of JavaScript and of Python: both read those of JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// JSON whose lines, but for the first, stand this far in.
fn indented(value: &Value, by: usize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.replace('\n', &format!("\n{}", " ".repeat(by)))
}

/// The same in Python's words.
fn python_value(value: &Value, indent: usize) -> String {
    let inner = indent + 4;
    let lines = |open, items: Vec<String>, close| {
        let items: String = items
            .iter()
            .map(|item| format!("{}{item},\n", " ".repeat(inner)))
            .collect();
        format!("{open}\n{items}{}{close}", " ".repeat(indent))
    };
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) if !items.is_empty() => {
            lines('[', items.iter().map(|item| python_value(item, inner)).collect(), ']')
        }
        Value::Object(members) if !members.is_empty() => {
            let member = |(name, value): (&String, &Value)| format!("{}: {}", quoted(name), python_value(value, inner));
            lines('{', members.iter().map(member).collect(), '}')
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use control::openapi;
    use serde_json::json;

    use super::*;

    fn call(operation: Value, place: &KeyPlace) -> Call {
        let document = json!({"paths": {"/orders/{id}": {"post": operation}}});
        Call::new(&openapi::operations(&document)[0], "http://api.example", place, "k'1")
    }

    fn header() -> KeyPlace {
        KeyPlace::Header("X-API-Key".into())
    }

    #[test]
    fn a_call_can_be_pasted_into_a_shell() {
        let operation = json!({
            "parameters": [
                {"name": "id", "in": "path", "required": true, "example": "a b"},
                {"name": "force", "in": "query", "required": true, "schema": {"enum": ["yes"]}},
                {"name": "page", "in": "query"},
            ],
            "requestBody": {"content": {"application/json": {"example": {"note": "it's"}}}},
        });
        assert_eq!(
            call(operation, &header()).curl(),
            "curl -X POST 'http://api.example/orders/a%20b?force=yes' \\\n  -H 'X-API-Key: k'\\''1' \\\n  \
             -H 'Content-Type: application/json' \\\n  -d '{\n    \"note\": \"it'\\''s\"\n  }'"
        );
    }

    #[test]
    fn a_parameter_without_a_value_is_named() {
        let operation = json!({"parameters": [{"name": "id", "in": "path", "required": true}]});
        assert!(call(operation, &header()).curl().contains("/orders/ID'"));
    }

    #[test]
    fn the_key_goes_where_the_document_says() {
        assert!(
            call(json!({}), &KeyPlace::Query("key".into()))
                .curl()
                .contains("?key=k")
        );
        assert!(
            call(json!({}), &KeyPlace::Bearer)
                .curl()
                .contains("-H 'Authorization: Bearer k")
        );
    }

    #[test]
    fn python_has_its_own_words() {
        let operation = json!({"requestBody": {"content": {"application/json": {"example": {"gift": true, "lines": [null, {"n": 1}]}}}}});
        let python = call(operation, &header()).python();
        assert!(
            python.contains(
                "json={\n        \"gift\": True,\n        \"lines\": [\n            None,\n            {\n                \"n\": 1,\n            },\n        ],\n    },"
            ),
            "{python}"
        );
    }
}
