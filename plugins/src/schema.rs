//! Checks a configuration against its JSON Schema: all that is wrong at once, in words for people.
//!
//! Reading a configuration stops at the first mistake and speaks of Rust types; a form wants every mistake beside
//! its field. This knows as much of JSON Schema as configuration structs come to.

use model::validation::unknown_word;
use model::{Code, Errors};
use serde_json::{Map, Value};

/// Adds everything about `config` that `schema` does not allow, at dotted paths.
pub(crate) fn check(schema: &Value, config: &Value, errors: &mut Errors) {
    Checker { root: schema, errors }.value(schema, config, "");
}

struct Checker<'a> {
    root: &'a Value,
    errors: &'a mut Errors,
}

impl Checker<'_> {
    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if let Some(target) = schema["$ref"].as_str() {
            let name = target.trim_start_matches("#/$defs/");
            let root = self.root;
            return self.value(&root["$defs"][name], value, path);
        }
        if let Some(words) = words(schema) {
            return self.word(&words, value, path);
        }
        if let Some(alternatives) = schema["anyOf"].as_array() {
            // What may be left out is "this or null".
            let given = alternatives.iter().find(|schema| schema["type"] != "null");
            return match given {
                Some(schema) if !value.is_null() => self.value(schema, value, path),
                _ => {}
            };
        }
        if value.is_null() && accepts(schema, "null") {
            return;
        }
        match value {
            Value::Object(members) if accepts(schema, "object") => self.members(schema, members, path),
            Value::Array(items) if accepts(schema, "array") => self.items(schema, items, path),
            Value::String(text) if accepts(schema, "string") => self.text(schema, text, path),
            Value::Number(number) if accepts(schema, "number") || number.is_i64() || number.is_u64() => {
                self.number(schema, number, path);
            }
            Value::Bool(_) if accepts(schema, "boolean") => {}
            _ => self.wrong_type(schema, path),
        }
    }

    fn word(&mut self, words: &[&str], value: &Value, path: &str) {
        match value.as_str() {
            Some(word) if words.contains(&word) => {}
            Some(word) => self.errors.add(path, Code::Invalid, unknown_word("word", word, words)),
            None => self
                .errors
                .add(path, Code::WrongType, format!("must be one of {}", words.join(", "))),
        }
    }

    fn members(&mut self, schema: &Value, members: &Map<String, Value>, path: &str) {
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        for (name, value) in members {
            match properties.get(name) {
                Some(property) => self.value(property, value, &join(path, name)),
                None if schema["additionalProperties"] == false => {
                    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                    let message = unknown_word("member", name, &known);
                    self.errors.add(join(path, name), Code::UnknownMember, message);
                }
                None => {}
            }
        }
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !members.contains_key(name) {
                self.errors.add(join(path, name), Code::Required, "is required");
            }
        }
    }

    fn items(&mut self, schema: &Value, items: &[Value], path: &str) {
        let (least, most) = (schema["minItems"].as_u64(), schema["maxItems"].as_u64());
        let count = items.len() as u64;
        if least.is_some_and(|least| count < least) {
            let message = if count == 0 {
                "needs at least one entry"
            } else {
                "has too few entries"
            };
            self.errors.add(path, Code::Required, message);
        }
        if let Some(most) = most.filter(|most| count > *most) {
            self.errors
                .add(path, Code::OutOfRange, format!("has more than {most} entries"));
        }
        for (index, item) in items.iter().enumerate() {
            self.value(&schema["items"], item, &join(path, &index.to_string()));
        }
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        let length = text.chars().count() as u64;
        if length < schema["minLength"].as_u64().unwrap_or(0) {
            self.errors.add(path, Code::Required, "must not be empty");
        }
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.errors
                .add(path, Code::OutOfRange, format!("must have at most {most} characters"));
        }
    }

    fn number(&mut self, schema: &Value, number: &serde_json::Number, path: &str) {
        if !accepts(schema, "number") && !accepts(schema, "integer") {
            return self.wrong_type(schema, path);
        }
        let below = schema["minimum"]
            .as_f64()
            .zip(number.as_f64())
            .is_some_and(|(least, given)| given < least);
        let above = schema["maximum"]
            .as_f64()
            .zip(number.as_f64())
            .is_some_and(|(most, given)| given > most);
        if below || above {
            let message = match (&schema["minimum"], &schema["maximum"]) {
                (Value::Null, most) => format!("must be at most {most}"),
                (least, Value::Null) => format!("must be at least {least}"),
                (least, most) => format!("must be {least} to {most}"),
            };
            self.errors.add(path, Code::OutOfRange, message);
        }
    }

    fn wrong_type(&mut self, schema: &Value, path: &str) {
        let message = match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
            Some("object") => "must be an object",
            Some("array") => "must be a list",
            Some("string") => "must be text",
            Some("integer") => "must be a whole number",
            Some("number") => "must be a number",
            Some("boolean") => "must be `true` or `false`",
            // Nothing is said about the type, so nothing is wrong with it.
            _ => return,
        };
        self.errors.add(path, Code::WrongType, message);
    }
}

fn accepts(schema: &Value, wanted: &str) -> bool {
    match &schema["type"] {
        Value::Array(types) => types.iter().any(|known| known == wanted),
        one => one == wanted,
    }
}

/// The words of an enumeration: with a description each (`oneOf`), or without (`enum`).
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(words) = schema["enum"].as_array() {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    schema["oneOf"]
        .as_array()?
        .iter()
        .map(|word| word["const"].as_str())
        .collect()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(config: &Value) -> Vec<String> {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 5},
                "note": {"type": ["string", "null"]},
                "on": {"type": "boolean"},
                "by": {"$ref": "#/$defs/By"},
                "maybe": {"anyOf": [{"$ref": "#/$defs/By"}, {"type": "null"}]},
                "sizes": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer", "minimum": 1, "maximum": 9}},
            },
            "$defs": {"By": {"oneOf": [{"const": "ip"}, {"const": "route"}]}},
        });
        let mut errors = Errors::new();
        check(&schema, config, &mut errors);
        errors
            .iter()
            .map(|error| format!("{}: {}", error.path, error.message))
            .collect()
    }

    #[test]
    fn what_fits_has_no_problems() {
        let config = json!({"name": "a", "note": null, "on": true, "by": "ip", "maybe": null, "sizes": [1, 9]});
        assert_eq!(problems(&config), [""; 0]);
        assert_eq!(problems(&json!({"name": "a", "note": "b", "maybe": "route"})), [""; 0]);
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let config = json!({"nmae": 1, "note": 2, "on": "yes", "by": "rute", "maybe": 3, "sizes": [0, 1.5, "x"]});
        assert_eq!(
            problems(&config),
            [
                "nmae: unknown member `nmae`, did you mean `name`?",
                "note: must be text",
                "on: must be `true` or `false`",
                "by: unknown word `rute`, did you mean `route`?",
                "maybe: must be one of ip, route",
                "sizes: has more than 2 entries",
                "sizes.0: must be 1 to 9",
                "sizes.1: must be a whole number",
                "sizes.2: must be a whole number",
                "name: is required",
            ]
        );
    }

    #[test]
    fn texts_lists_and_objects_have_bounds() {
        assert_eq!(problems(&json!({"name": ""})), ["name: must not be empty"]);
        assert_eq!(
            problems(&json!({"name": "abcdef"})),
            ["name: must have at most 5 characters"]
        );
        assert_eq!(
            problems(&json!({"name": "a", "sizes": []})),
            ["sizes: needs at least one entry"]
        );
        assert_eq!(problems(&json!([])), [": must be an object"]);
    }
}
