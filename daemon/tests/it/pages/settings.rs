//! `/settings`: one's sessions, keys for scripts, and people.

use serde_json::Value;

use super::{hostile, is_harmless, submit};
use crate::login::{Browser, Page, Stage};

const ACCESS: &str = "access: {admins: [mona, acme/ops], viewers: [vera]}\n";

/// The action of the first form or button that leads there.
fn action(page: &Page, ending: &str) -> String {
    let found = page.body.split(['"']).find(|part| part.starts_with('/') && part.ends_with(ending));
    found.unwrap_or_else(|| panic!("nothing leads to {ending}: {}", page.body)).to_owned()
}

/// What the API answers to a key.
async fn ask(browser: &Browser, key: &str, path: &str) -> (u16, Value) {
    let request = browser.request(reqwest::Method::GET, path).bearer_auth(key);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn one_ends_a_session_of_ones_own() {
    let stage = Stage::set_with(ACCESS).await;
    let (mut here, mut there) = (stage.signed_in("mona").await, stage.signed_in("mona").await);
    let page = here.get("/settings").await;
    assert!(page.says("You are <bdi>mona</bdi>") && page.says("<strong>admin</strong>"), "{}", page.body);
    assert_eq!((page.body.matches("/end\"").count(), page.body.matches(">this one<").count()), (2, 1));
    let other = page.body.split("<tr>").find(|row| row.contains("/end\"") && !row.contains(">this one<")).unwrap();
    let end = other.split('"').find(|part| part.ends_with("/end")).unwrap();
    let done = submit(&mut here, end, &[]).await;
    assert_eq!(done.location(), Some("/settings?done=session-ended"), "{done:?}");
    assert!(here.get("/settings?done=session-ended").await.says("The session has ended."));
    assert!(!there.is_signed_in().await);
    let mut stranger = stage.signed_in("stranger").await;
    let own = action(&here.get("/settings").await, "/end");
    assert_eq!(submit(&mut stranger, &own, &[]).await.status, 404, "another's session is not there");
    assert!(here.is_signed_in().await);
    let page = stranger.get("/settings").await;
    assert!(page.says("GitHub shows you no repository") && !page.says("/settings/people"), "{}", page.body);
}

#[tokio::test]
async fn a_key_is_made_shown_once_used_and_revoked() {
    let stage = Stage::set_with(ACCESS).await;
    let mut vera = stage.signed_in("vera").await;
    assert!(vera.get("/settings/keys").await.says("There are no keys."));
    let page = vera.get("/settings/keys/new").await;
    assert!(page.says("value=\"jobs:read\"") && page.says("what is queued, running, or given up"), "{}", page.body);
    assert!(!page.says("<option value=\"operator\""), "a key may not do more than its maker");

    let none = submit(&mut vera, "/settings/keys", &[("name", &hostile()[..90]), ("level", "viewer")]).await;
    assert_eq!(none.status, 422);
    assert!(none.says("role=\"alert\"") && none.says("&#60;script&#62;"), "what was typed stays: {}", none.body);
    is_harmless(&none);

    let fields = [
        ("name", "<b>nightly</b>"),
        ("level", "viewer"),
        ("expires_in", "30d"),
        ("scope", "jobs:read"),
        ("scope", "events:read"),
    ];
    let made = submit(&mut vera, "/settings/keys", &fields).await;
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")), "{made:?}");
    let key = made.body.split_once("<pre class=\"secret\">").unwrap().1.split('<').next().unwrap().to_owned();
    assert_eq!(ask(&vera, &key, "/api/jobs").await.0, 200);
    assert_eq!(ask(&vera, &key, "/api/audit").await.0, 403, "it is for less");

    let page = vera.get("/settings/keys").await;
    assert!(page.says("viewer: events:read, jobs:read") && page.says("&#60;b&#62;nightly"), "{}", page.body);
    assert!(!page.says(&key) && page.says(">good<"), "shown once");
    let revoke = action(&page, "/revoke");
    let mut other = stage.signed_in("stranger").await;
    assert_eq!(submit(&mut other, &revoke, &[]).await.status, 404);
    let done = submit(&mut vera, &revoke, &[]).await;
    assert_eq!(done.location(), Some("/settings/keys?done=key-revoked"));
    assert_eq!(ask(&vera, &key, "/api/jobs").await.0, 401);
    let page = vera.get("/settings/keys").await;
    assert!(page.says(">revoked<") && !page.says("/revoke\""), "{}", page.body);
    assert!(
        stage.signed_in("mona").await.get("/settings/keys").await.says("<bdi>vera</bdi>"),
        "an admin sees everybody's"
    );
}

#[tokio::test]
async fn an_admin_sees_who_signed_in_and_signs_somebody_out() {
    let stage = Stage::set_with(ACCESS).await;
    let (mut vera, mut again) = (stage.signed_in("vera").await, stage.signed_in("vera").await);
    assert_eq!(vera.get("/settings/people").await.status, 403);
    assert!(!vera.get("/settings").await.says("/settings/people"));
    let mut mona = stage.signed_in("mona").await;
    let page = mona.get("/settings/people").await;
    let rows: Vec<_> = page.body.split("<tr>").filter(|row| row.contains("data-name=\"Login\"")).collect();
    assert_eq!(rows.len(), 2, "{}", page.body);
    assert!(
        rows[0].contains("<bdi>mona</bdi>") && rows[0].contains("admin") && rows[0].contains(">you<"),
        "{}",
        rows[0]
    );
    assert!(rows[1].contains("<bdi>vera</bdi>") && rows[1].contains("viewer"), "{}", rows[1]);
    assert!(rows[1].contains("class=\"number\">2<"), "two sessions: {}", rows[1]);
    assert!(page.says("acme/ops"), "teams are named: {}", page.body);

    let out = rows[1].split('"').find(|part| part.ends_with("/sign-out")).unwrap();
    assert_eq!(submit(&mut vera, out, &[]).await.status, 403, "not for viewers");
    let done = submit(&mut mona, out, &[]).await;
    assert_eq!(done.location(), Some("/settings/people?done=signed-out"), "{done:?}");
    assert!(!vera.is_signed_in().await && !again.is_signed_in().await && mona.is_signed_in().await);
    let page = mona.get("/audit?kind=signed_out").await;
    assert!(
        page.says("vera, 2 sessions: an administrator ended them") && page.says("<bdi>mona</bdi>"),
        "{}",
        page.body
    );
    let nobody = format!("/settings/people/{}/sign-out", uuid::Uuid::nil());
    assert_eq!(submit(&mut mona, &nobody, &[]).await.status, 404);
}
