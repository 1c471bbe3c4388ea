#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::core::event::{Event, EventId};
use crate::core::subject::{SubjectKind, subject_of};

const SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

pub(crate) fn raw() -> RawContext {
    RawContext {
        repository: "acme/web".to_owned(),
        repository_id: "77".to_owned(),
        event_name: "pull_request".to_owned(),
        git_ref: "refs/pull/7/merge".to_owned(),
        sha: SHA.to_owned(),
        run_id: "900".to_owned(),
        run_attempt: "2".to_owned(),
        workflow: "CI".to_owned(),
        workflow_ref: "acme/web/.github/workflows/ci.yml@refs/pull/7/merge".to_owned(),
        actor: "renovate[bot]".to_owned(),
        ..RawContext::default()
    }
}

pub(crate) fn context() -> Context {
    raw().check().unwrap()
}

fn known() -> Known {
    Known {
        description: None,
        url: "https://github.com/acme/web".to_owned(),
        is_private: true,
        default_branch: "main".to_owned(),
        installation: Some(InstallationId(5)),
    }
}

#[test]
fn the_event_is_about_what_the_claims_say_whatever_the_sender_tells() {
    let told =
        json!({"needs": {"build": {"result": "success"}}, "outputs": {"number": 8, "sha": "x"}, "summary": "Fine"});
    let body = json!({"name": "ci", "status": "failure", "told": told}).to_string();
    let body = Body::read(body.as_bytes()).unwrap();
    let payload = payload(&context(), Proof::Oidc, &body, &known());
    let at = chrono::DateTime::UNIX_EPOCH;
    let event = Event::from_payload(EventId(uuid::Uuid::nil()), "workflow_context", at, payload);
    assert_eq!(
        (event.kind.to_string().as_str(), event.item, event.run()),
        ("workflow_context.failure", Some(7), Some((900, 2)))
    );
    assert_eq!((event.installation, event.actor.as_ref().unwrap().is_bot), (Some(InstallationId(5)), true));
    let commit = subject_of(&event, SubjectKind::Commit).unwrap();
    assert_eq!(serde_json::to_value(commit).unwrap(), json!({"commit": SHA}));
    assert_eq!(event.payload["told"], told);
    assert_eq!(delivery_id(&context(), &body.name), "forward:77:900:2:ci");
}

/// What a payload holds is what expressions may name, and the other way round.
#[test]
fn the_vocabulary_has_what_the_payload_has() {
    let body = json!({"name": "ci", "status": "success", "told": {"job": "a", "needs": {"b": {}}, "outputs": {"c": "d"},
        "summary": "e", "tests": {"passed": 1}}});
    let payload = payload(&context(), Proof::Hmac, &serde_json::from_value(body).unwrap(), &known());
    let names = |pointer: &str| -> Vec<String> {
        let mut names: Vec<_> = payload.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let listed = |fields: &[(&str, &str)]| fields.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names("/workflow_context"), listed(&CONTEXT_FIELDS));
    assert_eq!(names("/repository"), listed(&REPOSITORY_FIELDS));
    assert_eq!(names("/told/tests"), listed(&TESTS_FIELDS));
    let mut told = listed(&TOLD_FIELDS);
    told.push("tests".to_owned());
    assert_eq!(names("/told"), told);
}

#[test]
fn only_a_ref_of_a_pull_request_names_one() {
    for (git_ref, number) in [
        ("refs/pull/7/merge", Some(7)),
        ("refs/pull/7/head", Some(7)),
        ("refs/pull/7/other", None),
        ("refs/pull/0/merge", None),
        ("refs/pull/+7/merge", None),
        ("refs/heads/refs/pull/7/merge", None),
        ("refs/heads/main", None),
    ] {
        let context = Context { git_ref: git_ref.to_owned(), ..context() };
        assert_eq!(context.number(), number, "{git_ref}");
    }
}

#[test]
fn a_claim_that_github_would_not_write_is_named() {
    type Spoil = fn(&mut RawContext);
    let spoilt: [(&str, Spoil); 9] = [
        ("repository", |raw| raw.repository = "acme".to_owned()),
        ("repository_id", |raw| raw.repository_id = "-7".to_owned()),
        ("event_name", |raw| raw.event_name = "Pull Request".to_owned()),
        ("ref", |raw| raw.git_ref = "a\nb".to_owned()),
        ("sha", |raw| raw.sha = "main".to_owned()),
        ("run_id", |raw| raw.run_id = "0".to_owned()),
        ("run_attempt", |raw| raw.run_attempt = String::new()),
        ("workflow_ref", |raw| raw.workflow_ref = "x".repeat(2_000)),
        ("actor", |raw| raw.actor = "<b>".to_owned()),
    ];
    for (name, spoil) in spoilt {
        let mut raw = raw();
        spoil(&mut raw);
        assert!(raw.check().unwrap_err().to_string().starts_with(&format!("`{name}` ")), "{name}");
    }
}

#[test]
fn a_body_that_cannot_be_read_is_told_without_its_text() {
    for (body, told) in [
        ("", "not valid JSON"),
        ("[]", "another type"),
        (r#"{"status": "success"}"#, "missing field `name`"),
        (r#"{"name": "a b", "status": "success"}"#, "`name` must be"),
        (r#"{"name": "a", "status": "hush"}"#, "`status` is `success`"),
        (r#"{"name": "a", "status": "success", "hush": 1}"#, "not known"),
        (r#"{"name": "a", "status": "success", "told": {"outputs": "hush"}}"#, "another type"),
    ] {
        let refused = Body::read(body.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(told) && !refused.contains("hush"), "{body}: {refused}");
    }
    let long = json!({"name": "a", "status": "success", "told": {"summary": "x".repeat(LONGEST_SUMMARY + 1)}});
    assert!(Body::read(long.to_string().as_bytes()).is_err());
}

proptest! {
    #[test]
    fn a_name_can_be_made_of_anything(text in "\\PC{0,200}") {
        let name = Name::of(&text);
        prop_assert_eq!(Name::parse(name.as_str()).unwrap(), name);
    }

    #[test]
    fn any_body_is_read_or_refused(text in "\\PC{0,200}") {
        Body::read(text.as_bytes()).ok();
    }
}
