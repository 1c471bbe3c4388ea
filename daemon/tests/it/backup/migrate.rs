//! `orchd migrate`: every answer it has.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use super::*;
use crate::on_both_databases;

async fn execute(story: &Story, sql: &str) {
    let (url, sql) = (story.database(), AssertSqlSafe(sql.to_owned()));
    if url.starts_with("sqlite") {
        sqlx::raw_sql(sql).execute(&mut SqliteConnection::connect(&url).await.unwrap()).await.unwrap();
    } else {
        sqlx::raw_sql(sql).execute(&mut PgConnection::connect(&url).await.unwrap()).await.unwrap();
    }
}

async fn check(story: &Story) -> (Option<i32>, Value, String) {
    let json = story.cli_and_github(&["--json", "migrate", "--check"]).await;
    let words = story.cli_and_github(&["migrate", "--check"]).await;
    assert_eq!(json.status.code(), words.status.code());
    (words.status.code(), serde_json::from_slice(&json.stdout).unwrap(), said(&words))
}

on_both_databases!(the_check_says_how_the_tables_are, |database: Database| async move {
    let mut story = Story::prepare(database, RULES, "").await;
    let (code, told, words) = check(&story).await;
    match database {
        Database::Sqlite => {
            assert_eq!((code, &told["state"]), (Some(0), &"absent".into()), "{words}");
            runs(&story, &["migrate"]).await;
            assert!(!story.path("orchd.db").exists(), "nothing is made");
        }
        // A database of PostgreSQL is there before orchd is.
        Database::Postgres => assert_eq!((code, &told["state"]), (Some(1), &"pending".into()), "{words}"),
    }
    story.start();
    let (code, told, words) = check(&story).await;
    assert_eq!((code, &told["state"]), (Some(0), &"current".into()), "beside a running daemon: {words}");
    let latest = told["brings"].as_i64().unwrap();
    assert_eq!(told["has"].as_i64(), Some(latest));
    if database == Database::Postgres {
        assert!(refuses(&story, &["migrate"]).await.contains("stop every daemon first"));
    }
    assert_eq!(story.stop(), Some(0));
    let (code, told, _) = check(&story).await;
    assert_eq!((code, &told["state"]), (Some(0), &"current".into()));

    // As an older version left it.
    execute(
        &story,
        "DROP TABLE forward_tokens; DROP TABLE rollback_repositories; DROP INDEX jobs_lane;
         DELETE FROM _sqlx_migrations WHERE version >= 12",
    )
    .await;
    let (code, told, words) = check(&story).await;
    assert_eq!((code, &told["state"], told["has"].as_i64()), (Some(1), &"pending".into(), Some(11)), "{words}");
    assert!(words.contains("0012 sight") && words.contains("orchd migrate"), "{words}");
    // A backup of the older tables is one.
    let (backup, _) = back_up(&story, &story.path("backups")).await;
    let brought = runs(&story, &["migrate"]).await;
    assert!(brought.contains("taken  0012 sight") && brought.contains("is up to date"), "{brought}");
    assert_eq!(check(&story).await.0, Some(0));
    assert!(runs(&story, &["migrate"]).await.contains("is up to date"));

    lose_the_state(&mut story, database).await;
    let restored = runs(&story, &["restore", text(&backup)]).await;
    assert!(restored.contains("brings the tables to this version"), "{restored}");
    story.start();
    assert_eq!(check(&story).await.0, Some(0), "the start has brought it up to date");
    assert_eq!(story.stop(), Some(0));

    for (sql, state, word) in [
        ("UPDATE _sqlx_migrations SET success = FALSE WHERE version = 12", "unfinished", "not ended"),
        ("UPDATE _sqlx_migrations SET checksum = description WHERE version = 3", "differing", "step 3"),
        (
            "INSERT INTO _sqlx_migrations SELECT 99, description, installed_on, TRUE, checksum, execution_time
             FROM _sqlx_migrations WHERE version = 1",
            "newer",
            "a newer orchd has used",
        ),
    ] {
        let sql = match database {
            Database::Sqlite => sql.replace("= description", "= x'00'"),
            Database::Postgres => sql.replace("= description", "= '\\x00'"),
        };
        execute(&story, &sql).await;
        let (code, told, words) = check(&story).await;
        assert_eq!((code, &told["state"]), (Some(1), &state.into()), "{words}");
        assert!(words.contains(word), "{state}: {words}");
        assert!(refuses(&story, &["migrate"]).await.contains(word));
        let refused = refuses(&story, &["backup", text(&story.path("backups"))]).await;
        assert!(refused.contains("orchd migrate --check"), "{refused}");
    }
});
