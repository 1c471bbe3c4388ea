//! `/jobs`: dead letters are seen, retried and discarded.

use chrono::Utc;
use orchd::core::audit::Kind;
use orchd::store::audit::AuditFilter;
use orchd::store::jobs::{JobFilter, JobRow, JobState};

use super::{hostile, is_harmless, submit};
use crate::login::Stage;
use crate::site::{Delivery, Running};
use crate::store::TERMS;

const ACCESS: &str = "access: {operators: [mona], viewers: [vera]}\n";

fn opened(number: u64) -> String {
    format!(
        r#"{{"action":"opened","issue":{{"number":{number}}},"sender":{{"login":"mona","type":"User"}},
        "repository":{{"id":1,"full_name":"acme/web","name":"web","owner":{{"login":"acme"}},"private":false,
        "html_url":"https://github.com/acme/web","default_branch":"main"}},"installation":{{"id":5}}}}"#
    )
}

/// Issues that are opened; the first `dead` of their jobs are given up.
async fn deliver(site: &Running, count: u64, dead: usize) {
    for number in 1..=count {
        let sent = Delivery::of(&format!("guid-{number}"), "issues", opened(number)).send(site).await;
        assert_eq!(sent.status, 202, "{sent:?}");
    }
    for _ in 0..dead {
        let claim = site.db.claim("me", Utc::now(), TERMS, 1, 1).await.unwrap().remove(0);
        site.db.bury("me", claim.job.id, &hostile(), Utc::now()).await.unwrap();
    }
}

async fn jobs(site: &Running, state: JobState) -> Vec<JobRow> {
    let filter = JobFilter { state: Some(state), limit: 100, ..JobFilter::default() };
    site.db.jobs(&filter).await.unwrap().rows
}

async fn audited(site: &Running, kind: Kind) -> Vec<(String, Option<String>)> {
    let filter = AuditFilter { kind: Some(kind), limit: 10, ..AuditFilter::default() };
    let rows = site.db.audit_rows(&filter).await.unwrap().rows;
    rows.into_iter().map(|row| (row.actor, row.actor_name)).collect()
}

#[tokio::test]
async fn an_operator_retries_one_dead_letter_and_discards_another() {
    let stage = Stage::set_with(ACCESS).await;
    deliver(&stage.site, 4, 3).await;
    let mut mona = stage.signed_in("mona").await;

    let page = mona.get("/jobs?state=dead").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        page.says("<a href=\"/jobs?state=dead\" aria-current=\"page\">Dead letters <span class=\"count\">3</span></a>")
    );
    assert!(page.says("&#60;script&#62;alert(1)") && page.says("acme/web") && page.says("1 of 8"), "{}", page.body);
    is_harmless(&page);
    let dead = jobs(&stage.site, JobState::Dead).await;
    let (first, second) = (dead[0].id.0.to_string(), dead[1].id.0.to_string());

    // From the list, back to the list as it was filtered.
    let back = page.field("back").unwrap().to_owned();
    let done = submit(&mut mona, &format!("/jobs/{first}/retry"), &[("back", &back)]).await;
    assert_eq!((done.status, done.location()), (303, Some("/jobs?state=dead&done=retried")), "{done:?}");
    let page = mona.get("/jobs?state=dead&done=retried").await;
    assert!(page.says("The job is tried again") && !page.says(&first) && page.says(&second));

    // From its own page, where the whole reason stands.
    let path = format!("/jobs/{second}");
    let page = mona.get(&path).await;
    // As much of it as is stored.
    assert!(page.says(&"x".repeat(1_900)) && page.says("given up after one attempt"), "{}", page.body);
    assert!(page.says(&format!("/events/{}", dead[1].id.0)), "the event that caused it");
    is_harmless(&page);
    let done = submit(&mut mona, &format!("{path}/discard"), &[]).await;
    assert_eq!(done.location(), Some(format!("{path}?done=discarded").as_str()));
    let page = mona.get(&path).await;
    assert!(page.says("A person gave it up for good") && !page.says("/retry"), "{}", page.body);

    let left: Vec<_> = jobs(&stage.site, JobState::Dead).await.into_iter().map(|job| job.id).collect();
    assert_eq!(left, [dead[2].id]);
    assert_eq!(jobs(&stage.site, JobState::Discarded).await.len(), 1);
    let mona_did = [("person".to_owned(), Some("mona".to_owned()))];
    assert_eq!(audited(&stage.site, Kind::JobRetried).await, mona_did);
    assert_eq!(audited(&stage.site, Kind::JobDiscarded).await, mona_did);
    let again = submit(&mut mona, &format!("{path}/retry"), &[]).await;
    assert_eq!(again.status, 409, "it is no dead letter any more");
}

#[tokio::test]
async fn who_only_looks_is_offered_nothing_and_who_sees_nothing_sees_no_job() {
    let stage = Stage::set_with(ACCESS).await;
    deliver(&stage.site, 2, 1).await;
    let id = jobs(&stage.site, JobState::Dead).await[0].id.0;
    let mut vera = stage.signed_in("vera").await;
    for path in ["/jobs".to_owned(), format!("/jobs/{id}")] {
        let page = vera.get(&path).await;
        assert!(page.status == 200 && page.says("dead letter") && !page.says("etry"), "{}", page.body);
    }
    assert_eq!(submit(&mut vera, &format!("/jobs/{id}/retry"), &[]).await.status, 403);

    let mut stranger = stage.signed_in("stranger").await;
    let page = stranger.get("/jobs").await;
    assert!(page.status == 200 && page.says("There are no jobs here") && !page.says(">acme/web<"), "{}", page.body);
    assert!(!page.says("class=\"count\""), "how many there are is not theirs to know");
    assert_eq!(stranger.get(&format!("/jobs/{id}")).await.status, 404);

    let mut mona = stage.signed_in("mona").await;
    let without_token = mona.post(&format!("/jobs/{id}/retry"), &[]).await;
    assert_eq!((without_token.status, jobs(&stage.site, JobState::Dead).await.len()), (403, 1));
}

#[tokio::test]
async fn jobs_are_filtered_by_a_form_and_a_full_list_is_light() {
    let stage = Stage::set_with(ACCESS).await;
    let mut mona = stage.signed_in("mona").await;
    assert!(mona.get("/jobs?state=dead").await.says("No dead letters."));
    deliver(&stage.site, 60, 60).await;
    let page = mona.get("/jobs").await;
    is_harmless(&page);
    assert_eq!(page.body.matches("/retry\"").count(), 30);
    let older = page.body.split("href=\"").find(|part| part.starts_with("/jobs?after=")).unwrap();
    let older = mona.get(older.split('"').next().unwrap()).await;
    assert_eq!(older.body.matches("/retry\"").count(), 30);

    let page = mona.get("/jobs?state=dead&lane=acme%2Fweb&event=").await;
    assert!(page.says("value=\"acme/web\"") && page.says("<option value=\"dead\" selected>"), "{}", page.body);
    assert!(page.says("href=\"/jobs?state=queued&#38;lane=acme%2Fweb\""), "tabs keep the lane: {}", page.body);
    assert!(mona.get("/jobs?lane=acme%2Fapi").await.says("Nothing fits these filters here."));
    let wrong = mona.request(reqwest::Method::GET, "/jobs?state=%3Cscript%3Ealert(1)").header("accept", "text/html");
    let wrong = mona.send(wrong).await;
    assert!(wrong.status == 400 && wrong.says("cannot be read"), "{wrong:?}");
    is_harmless(&wrong);
}
