use proptest::prelude::*;
use serde_json::json;

use super::*;

fn document() -> Value {
    json!({"openapi": "3.1.0", "tags": [{"name": "Shop", "description": "All of it."}, {"name": "Empty"}], "paths": {"/orders/{id}": {
        "parameters": [{"$ref": "#/components/parameters/Id"}],
        "get": {"operationId": "getOrder", "summary": "Get an order", "tags": ["Orders"], "responses": {
            "200": {"description": "The order.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
        }},
        "put": {"tags": ["Shop"], "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}},
    }}, "components": {
        "parameters": {"Id": {"name": "id", "in": "path", "required": true, "schema": {"type": "string", "examples": ["ord-1"]}}},
        "schemas": {"Order": {"type": "object", "required": ["amount"], "properties": {
            "amount": {"type": "integer", "minimum": 1, "maximum": 99, "description": "In cents."},
            "status": {"enum": ["placed", "shipped"]},
            "parent": {"$ref": "#/components/schemas/Order"},
            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}, "maxItems": 9},
        }}, "Line": {"type": "object", "properties": {"sku": {"type": "string", "minLength": 3}}}, "Name": {"type": "string"}},
    }})
}

fn names(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| member.name.as_str()).collect()
}

#[test]
fn an_operation_has_what_its_references_say() {
    let operations = operations(&document());
    assert_eq!(operations.len(), 2);
    let get = &operations[0];
    assert_eq!(
        (get.method.as_str(), get.tag.as_str(), get.id.as_str()),
        ("GET", "Orders", "getOrder")
    );
    assert_eq!(
        (get.parameters[0].name.as_str(), get.parameters[0].example.clone()),
        ("id", Some(json!("ord-1")))
    );
    let body = get.responses[0].body.as_ref().expect("a body");
    assert_eq!((body.kind.as_str(), body.schema.as_deref()), ("Order", Some("Order")));
    assert_eq!(body.members[0].kind, "integer, 1 to 99");
    assert!(body.members[0].required && body.members[0].description == "In cents.");
    assert_eq!(body.members[1].kind, "string: placed, shipped");
    assert_eq!(operations[1].id, "put-orders-id");
    let example = operations[1].body.as_ref().and_then(|body| body.example.as_ref());
    assert_eq!(example.expect("one")["amount"], json!(1));
}

#[test]
fn nested_members_have_dotted_names_and_a_schema_is_not_opened_in_itself() {
    let schemas = schemas(&document());
    assert_eq!(
        names(&schemas[1].members),
        ["amount", "status", "parent", "lines", "lines[].sku"]
    );
    assert_eq!(schemas[1].members[2].kind, "Order");
    assert_eq!(schemas[1].members[3].kind, "array of Line, 9 or less items");
    assert_eq!(schemas[1].members[4].kind, "string, 3 or more characters");
    assert_eq!(schemas.len(), 2, "a schema without members is not listed");
}

#[test]
fn groups_come_in_the_order_in_which_they_are_described() {
    let groups = groups(&document());
    let described: Vec<_> = groups
        .iter()
        .map(|group| (group.name.as_str(), group.description.as_str(), group.operations.len()))
        .collect();
    assert_eq!(described, [("Shop", "All of it.", 1), ("Orders", "", 1)]);
}

#[test]
fn alternatives_and_maps_are_told_in_words() {
    let document = json!({"components": {"schemas": {
        "Card": {"properties": {"number": {"type": "string"}}},
        "Payment": {"properties": {
            "with": {"oneOf": [{"$ref": "#/components/schemas/Card"}, {"type": "null"}]},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "card": {"allOf": [{"$ref": "#/components/schemas/Card"}], "description": "Which."},
        }},
    }}});
    let schemas = schemas(&document);
    let kinds: Vec<_> = schemas[1].members.iter().map(|member| member.kind.as_str()).collect();
    assert_eq!(kinds, ["Card or null", "map to string", "Card", "string"]);
}

#[test]
fn the_document_says_where_the_key_goes() {
    let with = |scheme: Value| key_place(&json!({"components": {"securitySchemes": {"key": scheme}}}));
    assert_eq!(
        with(json!({"type": "apiKey", "in": "header", "name": "X-Shop-Key"})),
        KeyPlace::Header("X-Shop-Key".into())
    );
    assert_eq!(
        with(json!({"type": "apiKey", "in": "query", "name": "key"})),
        KeyPlace::Query("key".into())
    );
    assert_eq!(with(json!({"type": "http", "scheme": "Bearer"})), KeyPlace::Bearer);
    assert_eq!(key_place(&json!({})), KeyPlace::Header("X-API-Key".into()));
}

#[test]
fn an_id_that_is_given_twice_stands_for_one_operation() {
    let twice = json!({"paths": {"/a": {"get": {"operationId": "x"}}, "/b": {"get": {"operationId": "x"}}}});
    let ids: Vec<_> = operations(&twice).into_iter().map(|operation| operation.id).collect();
    assert_eq!(ids, ["x", "x-1"]);
}

#[test]
fn references_in_circles_end() {
    let looped = json!({"paths": {"/a": {"$ref": "#/paths/~1b"}, "/b": {"$ref": "#/paths/~1a"}}});
    assert!(operations(&looped).is_empty());
}

#[test]
fn a_small_document_that_grows_by_its_references_ends() {
    let members = |name: &str| {
        (0..40)
            .map(|at| (format!("m{at}"), json!({"$ref": name})))
            .collect::<Value>()
    };
    let itself = json!({"type": "object", "properties": members("#/components/schemas/Many")});
    let fan = |next: usize| json!({"allOf": vec![json!({"$ref": format!("#/components/schemas/S{next}")}); 40]});
    let mut named = json!({"Many": itself});
    for at in 0..7 {
        named[format!("S{at}")] = fan(at + 1);
    }
    let body = |name: &str| json!({"content": {"application/json": {"schema": {"$ref": name}}}});
    let document = json!({"components": {"schemas": named}, "paths": {
        "/many": {"post": {"requestBody": body("#/components/schemas/Many")}},
        "/fan": {"post": {"requestBody": body("#/components/schemas/S0")}},
    }});
    // Without a bound in all this takes 40 to the power of six steps, which no test sees the end of.
    assert_eq!(operations(&document).len(), 2);
    schemas(&document);
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "$ref",
        "#/paths",
        "#/components",
        "#/components/schemas/get",
        "get",
        "parameters",
        "schema",
        "schemas",
        "properties",
        "items",
        "allOf",
        "oneOf",
        "type",
        "array",
        "responses",
    ];
    let word = prop::sample::select(words.to_vec());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        word.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 64, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((word.clone(), inner), 0..4).prop_map(|members| Value::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_is_too_strange(item in any_json()) {
        let document = json!({"paths": {"/a": {"get": item.clone(), "parameters": item.clone()}}, "components": item});
        let grouped: usize = groups(&document).iter().map(|group| group.operations.len()).sum();
        prop_assert_eq!(grouped, operations(&document).len());
        prop_assert!(grouped <= count_operations(&document).max(1));
        schemas(&document);
    }
}
