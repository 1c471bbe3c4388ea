//! How long the proof of a long chain takes, and what appending to one chain costs those who do it at once.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use orchd::core::audit::{Actor, Cause, Entry, Kind};
use orchd::core::event::{EventId, InstallationId};
use orchd::engine::audit::{Anchors, verify};
use orchd::store::{Db, StoreOptions};
use serde_json::json;
use uuid::Uuid;

/// Rows in one transaction while the chain is made.
const BATCH: usize = 1_000;

pub fn run(dir: &Path, postgres: &str, rows: usize, seconds: u32) -> Result<String> {
    let dir = dir.join("audit");
    std::fs::create_dir_all(&dir)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let sqlite = format!("sqlite://{}", dir.join("orchd.db").display());
        let mut text = String::from("| proof of a chain | rows | seconds | bytes a row |\n|---|---|---|---|\n");
        for (name, url) in [("SQLite", sqlite.as_str()), ("PostgreSQL", postgres)] {
            let db = open(&dir, url).await?;
            for _ in 0..rows.div_ceil(BATCH) {
                db.audit((0..BATCH).map(|_| entry()).collect()).await?;
            }
            let began = Instant::now();
            let report = verify(&db, &Anchors::default(), &|_| std::future::ready(true)).await?.context("the proof was given up")?;
            let took = began.elapsed();
            ensure!(report.is_proved() && report.rows >= rows as u64, "{report:?}");
            db.close().await;
            // All of it is in the file only now.
            let bytes = match name {
                "SQLite" => (std::fs::metadata(dir.join("orchd.db"))?.len() / report.rows).to_string(),
                _ => "-".to_owned(),
            };
            writeln!(text, "| {name} | {} | {:.1} | {bytes} |", report.rows, took.as_secs_f64())?;
        }
        text += "\n| one row a transaction, each synced | at once | daemons | without the chain, a second | with it, a second |\n|---|---|---|---|---|\n";
        for (name, url, daemons) in [("SQLite", sqlite.as_str(), 1), ("PostgreSQL", postgres, 1), ("PostgreSQL", postgres, 2)] {
            for at_once in [1, 8] {
                let mut dbs = Vec::new();
                for _ in 0..daemons {
                    dbs.push(open(&dir, url).await?);
                }
                let tasks: Vec<_> = dbs.iter().flat_map(|db| std::iter::repeat_n(db.clone(), at_once)).collect();
                let without = rate(&tasks, seconds, false).await?;
                let with = rate(&tasks, seconds, true).await?;
                writeln!(text, "| {name} | {} | {daemons} | {without:.0} | {with:.0} |", tasks.len())?;
                for db in dbs {
                    db.close().await;
                }
            }
        }
        Ok(text)
    })
}

async fn open(dir: &Path, url: &str) -> Result<Db> {
    Ok(Db::open(&StoreOptions { url: url.to_owned().into(), objects: dir.join("objects") }).await?)
}

/// Transactions a second: a row of the chain each, or one of a table that nothing ties together.
async fn rate(tasks: &[Db], seconds: u32, chained: bool) -> Result<f64> {
    let until = Instant::now() + Duration::from_secs(u64::from(seconds));
    let work = |db: Db| async move {
        let mut done = 0_u32;
        while Instant::now() < until {
            match chained {
                true => db.audit(vec![entry()]).await?,
                false => db.hold_event(EventId(Uuid::now_v7()), InstallationId(1), Utc::now()).await?,
            }
            done += 1;
        }
        anyhow::Ok(done)
    };
    let running: Vec<_> = tasks.iter().map(|db| tokio::spawn(work(db.clone()))).collect();
    let mut done = 0;
    for task in running {
        done += task.await??;
    }
    Ok(f64::from(done) / f64::from(seconds))
}

/// As an applied effect has them.
fn entry() -> Entry {
    let cause = Cause {
        event: Some(Uuid::now_v7()),
        rule: Some("docs-label".to_owned()),
        effect: Some(Uuid::now_v7()),
        action: Some("label".to_owned()),
        config_revision: Some("0123456789abcdef".to_owned()),
    };
    let entry = Entry::new(Kind::EffectApplied, Actor::Orchd, Utc::now());
    let entry = Entry { cause, repository: Some("acme/web".to_owned()), number: Some(12), ..entry };
    entry.states(Some(json!(["bug", "triage"])), Some(json!(["bug", "triage", "documentation"])))
}
