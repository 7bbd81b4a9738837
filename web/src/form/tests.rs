//! What forms become.

use proptest::prelude::*;
use serde_json::json;
use url::form_urlencoded;

use super::*;

fn parse(body: &str) -> Form {
    Form::parse(body.as_bytes()).expect("readable")
}

#[test]
fn names_are_paths() {
    let form =
        parse("name=a&match.hosts[]=x&match.hosts[]=y&limits[0].rate=5&limits[2].rate=7&csrf=t&_integer=limits.0.rate");
    let expected = json!({"name": "a", "match": {"hosts": ["x", "y"]}, "limits": [{"rate": 5}, {"rate": "7"}]});
    assert_eq!(form.json(), expected);
    assert_eq!(form.button("csrf"), Some("t"));
}

#[test]
fn markers_give_text_its_meaning() {
    let form = parse(
        "_integer=port&port=80&_number=ratio&ratio=.5&_boolean=on&on=false&on=true&_words=tags&tags=a,+b+c\
         &_lines=ips&ips=1%0D%0A2&_map=add&add.0.name=X-A&add.0.value=1&_list=hosts&_object=tls\
         &_json=extra&extra=%7B%22a%22:1%7D&note=",
    );
    let expected = json!({
        "port": 80, "ratio": 0.5, "on": true, "tags": ["a", "b", "c"], "ips": ["1", "2"], "add": {"X-A": "1"},
        "hosts": [], "tls": {}, "extra": {"a": 1},
    });
    assert_eq!(form.json(), expected);
    assert!(form.errors().is_empty());
}

#[test]
fn wrong_text_is_an_error_where_the_row_is_after_empty_ones_are_left_out() {
    let form = parse("limits.0.rate=&limits.3.rate=ten&_integer=limits.0.rate&_integer=limits.3.rate");
    assert_eq!(form.json(), json!({"limits": [{"rate": "ten"}]}));
    let error = form.errors().at("limits.0.rate").expect("reported");
    assert_eq!(error.message, "must be a whole number");
}

#[test]
fn an_optional_object_is_there_when_something_in_it_is_filled() {
    let form = parse("_optional=cookie&cookie.name=&cookie.ttl=&_integer=cookie.ttl");
    assert_eq!(form.patch(&json!({})), json!({"cookie": null}));
    let form = parse("_optional=cookie&cookie.name=&cookie.ttl=60&_integer=cookie.ttl");
    assert_eq!(form.json(), json!({"cookie": {"ttl": 60}}));
}

#[test]
fn an_object_with_a_deciding_choice_is_there_only_when_it_is_made() {
    let form = parse("_decides=check.kind&check.kind=&check.every=5&_integer=check.every");
    assert_eq!(form.patch(&json!({})), json!({"check": null}));
    assert_eq!(form.text("check.every"), "5", "what was typed stays");
    let form = parse("_decides=check.kind&check.kind=tcp&check.every=&_integer=check.every");
    assert_eq!(form.json(), json!({"check": {"kind": "tcp"}}));
}

#[test]
fn a_choice_or_a_tick_alone_does_not_fill_a_row() {
    let form =
        parse("_list=l&l.0.by=ip&l.0.n=&_choice=l.0.by&l.1.on=true&_boolean=l.1.on&l.2.by=ip&l.2.n=1&_choice=l.2.by");
    assert_eq!(form.json(), json!({"l": [{"by": "ip", "n": "1"}]}));
}

#[test]
fn a_name_may_come_several_times() {
    let form =
        parse("_multimap=h&h.0.name=A&h.0.value=1&h.1.name=A&h.1.value=2&h.2.name=B&h.2.value=3&h.3.name=&h.3.value=");
    assert_eq!(form.json(), json!({"h": {"A": ["1", "2"], "B": ["3"]}}));
}

#[test]
fn a_patch_empties_what_was_emptied_and_keeps_what_the_form_does_not_know() {
    let form = parse("name=a&path=&_map=config.add&config.add.0.name=X&config.add.0.value=1&config.n=");
    let stored = json!({"path": "/p", "other": 1, "config": {"add": {"X": "0", "Y": "2"}, "n": 3}});
    let expected = json!({"name": "a", "path": null, "config": {"add": {"X": "1", "Y": null}, "n": null}});
    assert_eq!(form.patch(&stored), expected);
}

#[test]
fn a_removed_row_is_gone() {
    let form = parse("hosts.0=a&hosts.1=b&hosts.10=c&_remove=hosts.1&_list=hosts");
    assert_eq!(form.json(), json!({"hosts": ["a", "c"]}));
    assert!(form.is_editing());
}

#[test]
fn the_version_and_the_typed_name_are_no_members() {
    let form = parse("_version=7&_confirm=+orders+");
    assert_eq!(form.precondition().0, Some(7));
    assert!(form.confirms("orders") && !form.confirms("order"));
    assert_eq!(form.json(), json!({}));
}

#[test]
fn hostile_forms_are_refused() {
    assert!(matches!(
        Form::parse("a.".repeat(40).as_bytes()),
        Err(PageError::BadForm(_))
    ));
    assert!(matches!(
        Form::parse("a=1&".repeat(MAX_FIELDS + 1).as_bytes()),
        Err(PageError::BadForm(_))
    ));
    assert_eq!(parse("a.4294967295=x").json(), json!({"a": ["x"]}));
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Form::parse(&body);
    }

    #[test]
    fn what_is_written_is_read(pairs in proptest::collection::btree_map("[a-z]{1,6}", "\\PC{1,20}", 0..8)) {
        prop_assume!(!pairs.contains_key("csrf"));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        let json = Form::parse(body.as_bytes()).expect("readable").json();
        for (name, text) in pairs.iter().filter(|(_, text)| !text.trim().is_empty()) {
            prop_assert_eq!(json.get(name), Some(&Value::from(text.as_str())));
        }
    }
}

#[actix_web::test]
async fn a_form_has_a_length_and_a_time_to_arrive() {
    let whole = |length: usize| -> Payload {
        let pieces = [Ok(Bytes::from(vec![b'a'; length - 1])), Ok(Bytes::from_static(b"b"))];
        Payload::Stream {
            payload: futures_util::stream::iter(pieces).boxed_local(),
        }
    };
    let body = read(&mut whole(10), 10, PATIENCE).await.expect("read");
    assert_eq!(body.as_ref(), b"aaaaaaaaab");
    let large = read(&mut whole(11), 10, PATIENCE).await;
    assert!(matches!(large, Err(PageError::FormTooLarge(10))), "{large:?}");
    let mut silent = Payload::Stream {
        payload: futures_util::stream::pending().boxed_local(),
    };
    let late = read(&mut silent, 10, Duration::from_millis(1)).await;
    assert!(matches!(late, Err(PageError::FormTooSlow(_))), "{late:?}");
}

#[actix_web::test]
async fn who_is_not_signed_in_sends_small_forms() {
    let house = crate::house::House::new().await;
    let long = "a".repeat(MAX_STRANGERS_BYTES);
    let service = house.console().await;
    let stranger = crate::house::post("/console/login", &format!("email={long}"));
    assert_eq!(crate::house::call(&service, stranger).await.status, 413);
    let signed_in = house.post("/console/services/new", &[("name", &long)]).await;
    assert_eq!(signed_in.status, 422, "read, and refused for what it says");
}
