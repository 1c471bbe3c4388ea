//! `/audit`: searched, verified, and taken along as a file.

use chrono::Utc;
use orchd::core::audit::{Actor, Cause, Entry, Kind};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use super::{hostile, is_harmless, submit};
use crate::login::Stage;

const ACCESS: &str = "access: {viewers: [vera]}\n";

/// An effect that rules had in a repository.
fn effect(repository: &str, number: i64, note: &str) -> Entry {
    let cause = Cause { rule: Some("docs".to_owned()), action: Some("label".to_owned()), ..Cause::default() };
    let entry = Entry {
        repository: Some(repository.to_owned()),
        number: Some(number),
        note: Some(note.to_owned()),
        cause,
        ..Entry::new(Kind::EffectApplied, Actor::Orchd, Utc::now())
    };
    entry.states(Some(json!({"labels": ["bug"], "title": hostile()})), Some(json!({"labels": ["bug", "docs"]})))
}

async fn stage() -> Stage {
    let stage = Stage::set_with(ACCESS).await;
    let key = Actor::Key { name: hostile(), owner: None };
    let retried = Entry { note: Some("=HYPERLINK(\"x\")".to_owned()), ..Entry::new(Kind::JobRetried, key, Utc::now()) };
    let entries = vec![effect("acme/web", 7, &hostile()), effect("acme/api", 8, "plain"), retried];
    stage.site.db.audit(entries).await.unwrap();
    stage
}

#[tokio::test]
async fn the_log_is_searched_and_a_row_tells_what_changed() {
    let stage = stage().await;
    let mut vera = stage.signed_in("vera").await;
    let page = vera.get("/audit").await;
    is_harmless(&page);
    assert!(
        page.says("effect applied") && page.says("/items/acme/web/7") && page.says("The last day: 4 rows"),
        "{}",
        page.body
    );
    let found = vera.get("/audit?kind=effect_applied&repo=acme%2Fweb&since=2h").await;
    assert!(found.says("acme/web#7") && !found.says("acme/api#8") && found.says("value=\"2h\""), "{}", found.body);
    assert!(found.says("<option value=\"effect_applied\" selected>") && !found.says("The last day"));
    assert!(vera.get("/audit?actor=vera").await.says("signed in"));
    assert!(vera.get("/audit?since=2099-01-01").await.says("Nothing fits these filters."));
    assert_eq!(vera.get("/audit?since=yesterday").await.status, 400);

    let row = vera.get("/audit/1").await;
    assert_eq!(row.status, 200);
    is_harmless(&row);
    assert!(row.says("<h1>Row 1: effect applied</h1>") && row.says("<code>labels</code>"), "{}", row.body);
    assert!(row.says("[&#34;bug&#34;,&#34;docs&#34;]"), "what changed: {}", row.body);
    assert_eq!(vera.get("/audit/99").await.status, 404);
    assert_eq!(vera.get("/audit/x").await.status, 400);

    let mut stranger = stage.signed_in("stranger").await;
    let page = stranger.get("/audit").await;
    assert!(page.says("Nothing was recorded that you may see") && !page.says("Verify"), "{}", page.body);
    assert_eq!(stranger.get("/audit/1").await.status, 404);
    let export = stranger.get("/audit/export?format=jsonl").await;
    assert_eq!((export.status, export.body.as_str()), (200, ""));
}

#[tokio::test]
async fn the_chain_is_verified_and_a_broken_one_is_named() {
    let stage = stage().await;
    let mut vera = stage.signed_in("vera").await;
    assert_eq!(submit(&mut stage.signed_in("stranger").await, "/audit/verify", &[]).await.status, 403);
    let page = submit(&mut vera, "/audit/verify", &[]).await;
    assert!(page.status == 200 && page.says("The chain is whole") && page.says("All 5 rows"), "{}", page.body);
    assert!(page.says("1 to 5"), "{}", page.body);
    let url = stage.site.config.current().database.url.clone();
    let mut database = SqliteConnection::connect(secrecy::ExposeSecret::expose_secret(&url)).await.unwrap();
    sqlx::query("UPDATE audit SET rule = 'other' WHERE seq = 2").execute(&mut database).await.unwrap();
    let page = submit(&mut vera, "/audit/verify", &[]).await;
    assert!(
        page.says("The chain is broken") && page.says("row 2 is not what was written after row 1"),
        "{}",
        page.body
    );
    assert!(page.says("href=\"/audit/2\""), "{}", page.body);
}

#[tokio::test]
async fn rows_are_exported_as_lines_and_as_a_table_that_computes_nothing() {
    let stage = stage().await;
    let many = (0..2_500).map(|number| effect("acme/web", number, "one of many"));
    for entries in many.collect::<Vec<_>>().chunks(500) {
        stage.site.db.audit(entries.to_vec()).await.unwrap();
    }
    let mut vera = stage.signed_in("vera").await;
    let page = vera.get("/audit?kind=effect_applied").await;
    assert!(page.says("/audit/export?kind=effect_applied&#38;format=csv"), "{}", page.body);
    let lines = vera.get("/audit/export?kind=effect_applied&format=jsonl").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let kept = lines.header("content-disposition").unwrap();
    assert!(kept.starts_with("attachment; filename=\"audit-") && kept.ends_with(".jsonl\""), "{kept}");
    let rows: Vec<Value> = lines.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seqs: Vec<_> = rows.iter().map(|row| row["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs.len(), 2_502, "page by page, none twice");
    assert!(seqs.is_sorted_by(|before, after| before > after));
    assert_eq!(rows[2_501]["note"].as_str().map(str::len), Some(hostile().len()), "as it was written");

    let table = vera.get("/audit/export?kind=job_retried&format=csv").await;
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(table.body.starts_with("seq,at,kind,actor,actor_name,"), "{}", table.body);
    assert!(table.says("\"'=HYPERLINK(\"\"x\"\")\""), "{}", table.body);
    assert_eq!(vera.get("/audit/export?format=xml").await.status, 400);
}
