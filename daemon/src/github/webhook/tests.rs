#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::core::event::{Event, EventId};

fn secrets(texts: &[&str]) -> Vec<SecretString> {
    texts.iter().map(|text| SecretString::from(*text)).collect()
}

fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

fn check(secret_list: &[&str], header: &str, body: &[u8]) -> Result<(), SignatureError> {
    let signature = Signature::from_header(Some(header.as_bytes()))?;
    verify(&secrets(secret_list), signature, Bytes::copy_from_slice(body)).map(|_| ())
}

fn read(encoding: Encoding, body: impl Into<Vec<u8>>) -> Result<(Envelope, Bytes), BadEnvelope> {
    read_envelope(&Verified { body: Bytes::from(body.into()) }, encoding)
}

fn read_json(payload: &Value) -> Envelope {
    read(Encoding::Json, payload.to_string()).unwrap().0
}

fn refusal(body: impl Into<Vec<u8>>) -> String {
    read(Encoding::Json, body).unwrap_err().0
}

const GITHUBS_SECRET: &str = "It's a Secret to Everybody";
const GITHUBS_SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[test]
fn githubs_published_vector_fits() {
    assert_eq!(check(&[GITHUBS_SECRET], GITHUBS_SIGNATURE, b"Hello, World!"), Ok(()));
}

#[test]
fn old_and_new_secret_both_fit_during_rotation() {
    for place in [["new", GITHUBS_SECRET], [GITHUBS_SECRET, "old"]] {
        assert_eq!(check(&place, GITHUBS_SIGNATURE, b"Hello, World!"), Ok(()));
    }
    assert_eq!(check(&["new", "old"], GITHUBS_SIGNATURE, b"Hello, World!"), Err(SignatureError::Wrong));
}

#[test]
fn no_secret_and_an_empty_secret_fit_nothing() {
    assert_eq!(check(&[], GITHUBS_SIGNATURE, b"Hello, World!"), Err(SignatureError::Wrong));
    assert_eq!(check(&[""], &sign("", b"{}"), b"{}"), Err(SignatureError::Wrong));
}

#[test]
fn a_signature_of_another_form_is_malformed() {
    assert_eq!(Signature::from_header(None).unwrap_err(), SignatureError::Missing);
    let short = &GITHUBS_SIGNATURE[..70];
    let long = format!("{GITHUBS_SIGNATURE}0");
    let odd = GITHUBS_SIGNATURE.replace('7', "g");
    for header in ["", "sha256=", "sha1=abc", short, &long, &odd, &GITHUBS_SIGNATURE[7..]] {
        assert_eq!(check(&[GITHUBS_SECRET], header, b"Hello, World!"), Err(SignatureError::Malformed), "{header}");
    }
}

#[test]
fn headers_name_the_delivery_and_the_event() {
    let parse = |pairs: &[(&'static str, &str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        Headers::parse(&headers)
    };
    let good = parse(&[("x-github-delivery", "72d3162e-cc78"), ("x-github-event", "pull_request")]).unwrap();
    assert_eq!((good.delivery_id.as_str(), good.event_type.as_str()), ("72d3162e-cc78", "pull_request"));
    for (bad, says) in [
        (vec![("x-github-event", "push")], "X-GitHub-Delivery header is missing"),
        (vec![("x-github-delivery", "a")], "X-GitHub-Event header is missing"),
        (vec![("x-github-delivery", "a b"), ("x-github-event", "push")], "X-GitHub-Delivery header must be"),
        (vec![("x-github-delivery", "a"), ("x-github-event", "Push")], "X-GitHub-Event header must be"),
        (vec![("x-github-delivery", "a"), ("x-github-delivery", "b"), ("x-github-event", "push")], "given once"),
    ] {
        assert!(parse(&bad).unwrap_err().0.contains(says), "{bad:?}");
    }
}

#[test]
fn a_comment_on_a_pull_request_is_read_whole() {
    let envelope = read_json(&json!({
        "action": "created",
        "issue": {"number": 10, "pull_request": {"url": "u"}, "updated_at": "2026-01-01T00:00:00Z", "labels": []},
        "comment": {"id": 99, "updated_at": "2026-01-02T03:04:05Z", "body": "a \"quoted\" \u{1F600} body"},
        "repository": {"id": 7, "full_name": "acme/app", "html_url": "https://github.com/acme/app", "private": true,
            "default_branch": "trunk", "description": null, "updated_at": "2026-01-02T03:04:05Z", "owner": {"login": "acme", "id": 3}},
        "sender": {"login": "alice", "type": "User"},
        "installation": {"id": 5, "account": {"login": "acme", "type": "Organization"}},
    }));
    assert_eq!(envelope.action.as_deref(), Some("created"));
    assert_eq!(envelope.actor.as_deref(), Some("alice"));
    assert_eq!(envelope.number, Some(10));
    assert_eq!(envelope.target_object_ids, json!({"pr_number": 10, "comment_id": 99}));
    assert_eq!(envelope.github_timestamp.unwrap().to_rfc3339(), "2026-01-02T03:04:05+00:00");
    let repository = envelope.repository.unwrap();
    assert_eq!((repository.github_id, repository.full_name.as_str()), (7, "acme/app"));
    assert_eq!((repository.is_private, repository.default_branch.as_str()), (true, "trunk"));
    assert_eq!(repository.updated_at, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    let installation = envelope.installation.unwrap();
    assert_eq!((installation.id.0, installation.account_login.as_deref()), (5, Some("acme")));
}

#[test]
fn a_field_of_an_odd_type_is_absent() {
    let odd = json!({
        "action": 5, "repository": "x", "installation": [1, {"id": 2}], "sender": {"login": {"deep": [1.5, null]}},
        "issue": true, "pull_request": {"number": -4}, "check_run": {"id": "9", "pull_requests": {}},
    });
    assert_eq!(read_json(&odd), Envelope::default());
    assert_eq!(read_json(&json!({})), Envelope::default());
}

#[test]
fn a_check_names_its_first_pull_request() {
    let envelope = read_json(&json!({"check_run": {"id": 4, "pull_requests": [{"number": 8}, {"number": 9}]}}));
    assert_eq!(envelope.number, Some(8));
    assert_eq!(envelope.target_object_ids, json!({"pr_number": 8, "check_run_id": 4}));
}

#[test]
fn what_is_not_a_json_object_is_refused_with_a_place_and_without_an_echo() {
    assert!(refusal("").contains("empty"));
    assert!(refusal("[1]").contains("not a JSON object"));
    assert!(refusal("\"secret\"").contains("not a JSON object"));
    let truncated = refusal("{\"action\": \"secret");
    assert!(truncated.contains("line 1 column 18") && !truncated.contains("secret"), "{truncated}");
    assert!(refusal(b"{\n\"a\": \"\xff\"}".to_vec()).contains("not UTF-8 at line 2 column 7"));
    assert!(refusal("{} trailing").contains("trailing characters"));
    assert!(refusal("{\"a\": \"\\ud800\"}").contains("line 1"));
    assert!(refusal("{\"a\": 1e999}").contains("number out of range"));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refusal(deep).contains("recursion limit"));
}

#[test]
fn a_form_has_exactly_one_payload() {
    let body = "x=1&payload=%7B%22action%22%3A%22a+b%2Bc%22%7D";
    let (envelope, payload) = read(Encoding::Form, body).unwrap();
    assert_eq!(envelope.action.as_deref(), Some("a b+c"));
    assert_eq!(payload, Bytes::from_static(b"{\"action\":\"a b+c\"}"));
    let refused = |body: &str| read(Encoding::Form, body).unwrap_err().0;
    assert!(refused("payload={}&payload={}").contains("has 2"));
    assert!(refused("body={}").contains("has 0"));
    assert!(refused("payload").contains("empty"));
    assert!(refused("payload=%7B%22a%22%3A%22%FF%22%7D").contains("not UTF-8"));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        "[a-zé\"\\\\\n/]{0,12}".prop_map(Value::from),
        Just(Value::from("acme/app")),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof![
            Just("number".to_owned()),
            Just("id".to_owned()),
            Just("login".to_owned()),
            Just("full_name".to_owned()),
            Just("pull_requests".to_owned()),
            "[a-z\"é]{0,8}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn payload() -> impl Strategy<Value = Value> {
    const KEYS: [&str; 9] = [
        "action",
        "sender",
        "repository",
        "issue",
        "pull_request",
        "check_run",
        "check_suite",
        "workflow_run",
        "other",
    ];
    prop::collection::btree_map(prop::sample::select(&KEYS[..]), json_value(), 0..9)
        .prop_map(|map| Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(Encoding::Json, body.clone());
        let _ = read(Encoding::Form, body);
    }

    #[test]
    fn what_looks_like_json_is_accepted_exactly_when_it_can_be_read_later(
        body in "[\\[\\]{}\":,0-9a-e\\\\ut\\. -]{0,30}",
    ) {
        let body = format!("{{\"a\":{body}}}");
        let later = serde_json::from_str::<Value>(&body).is_ok();
        prop_assert_eq!(read(Encoding::Json, body).is_ok(), later);
    }

    #[test]
    fn a_flipped_bit_in_body_or_signature_is_refused(
        body in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0..8u8,
    ) {
        let header = sign("secret", &body);
        prop_assert_eq!(check(&["other", "secret"], &header, &body), Ok(()));
        let mut flipped = body.clone();
        flipped[at.index(body.len())] ^= 1 << bit;
        prop_assert_eq!(check(&["other", "secret"], &header, &flipped), Err(SignatureError::Wrong));
        let mut signature = parse_signature(header.as_bytes()).unwrap();
        signature[at.index(32)] ^= 1 << bit;
        let header: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert_eq!(check(&["secret"], &format!("sha256={header}"), &body), Err(SignatureError::Wrong));
    }

    #[test]
    fn the_envelope_agrees_with_the_event(payload in payload()) {
        let event = Event::from_payload(EventId(Uuid::nil()), "issues", DateTime::UNIX_EPOCH, payload.clone());
        let envelope = read_json(&payload);
        prop_assert_eq!(&envelope.action, &event.kind.action);
        prop_assert_eq!(envelope.actor, event.actor.map(|actor| actor.login));
        prop_assert_eq!(envelope.number, event.item);
        let has_id = payload.pointer("/repository/id").and_then(Value::as_i64).is_some();
        let named = event.repository.filter(|_| has_id).map(|name| name.as_str().to_owned());
        prop_assert_eq!(envelope.repository.map(|repository| repository.full_name), named);
    }
}
