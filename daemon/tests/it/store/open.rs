use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use orchd::store::{OpenError, StoreError};
use secrecy::ExposeSecret;
use sqlx::{Connection, PgConnection, SqliteConnection};

use super::*;

on_both! {
    async fn an_open_store_answers_a_ping_and_a_closed_one_does_not(place) {
        let db = place.open().await;
        db.ping().await.unwrap();
        db.close().await;
        assert!(matches!(db.ping().await, Err(StoreError::Unavailable(_))));
        let refused = db.ingest(vec![event("acme/web", 1)]).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }

    async fn an_old_dictionary_is_read_from_the_database(place) {
        let db = place.open().await;
        let id = store(&db, vec![event("acme/web", 1)]).await[0];
        db.close().await;
        drop(db);
        // As if a later version had written this row with a dictionary that this binary does not bring.
        let renumber = [
            "INSERT INTO payload_dictionaries (id, sha256, bytes) SELECT 77, sha256, bytes FROM payload_dictionaries",
            "UPDATE event_payloads SET dictionary = 77",
        ];
        for sql in renumber {
            execute(place.options.url.expose_secret(), sql).await;
        }
        let db = place.open().await;
        assert_eq!(db.payload(id).await.unwrap().unwrap(), event("acme/web", 1).payload);
    }

    async fn a_dictionary_with_another_content_is_refused(place) {
        place.open().await.close().await;
        execute(place.options.url.expose_secret(), "UPDATE payload_dictionaries SET sha256 = 'other'").await;
        assert!(matches!(Db::open(&place.options).await, Err(OpenError::Store(StoreError::Corrupt(_)))));
    }
}

async fn execute(url: &str, sql: &'static str) {
    if url.starts_with("sqlite") {
        sqlx::query(sql).execute(&mut SqliteConnection::connect(url).await.unwrap()).await.unwrap();
    } else {
        sqlx::query(sql).execute(&mut PgConnection::connect(url).await.unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn invariant_8_a_transaction_that_came_to_nothing_lets_go_of_the_file() {
    let place = Place::sqlite().await;
    let db = place.open().await;
    assert!(claim(&db, "me", noon()).await.is_empty());
    // Another connection can write, though nothing was asked of the store since.
    execute(place.options.url.expose_secret(), "UPDATE repositories SET event_count = 0").await;
    db.close().await;
}

#[tokio::test]
async fn a_closed_sqlite_database_is_one_file() {
    let place = Place::sqlite().await;
    let db = place.open().await;
    for number in 1..100 {
        store(&db, vec![event("acme/web", number)]).await;
    }
    db.close().await;
    assert!(!place.directory.path().join("orchd.db-wal").exists(), "the log is folded into the file");
}

#[tokio::test]
async fn a_second_daemon_on_one_sqlite_file_is_refused() {
    let place = Place::sqlite().await;
    let db = place.open().await;
    let refused = Db::open(&place.options).await.unwrap_err();
    assert!(matches!(refused, OpenError::InUse(..)), "{refused}");
    let file = std::fs::metadata(place.directory.path().join("orchd.db")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    db.close().await;
    drop(db);
    place.open().await;
}

#[tokio::test]
async fn an_unusable_url_is_refused_without_showing_it() {
    let directory = tempfile::tempdir().unwrap();
    for url in ["mysql://u:secret@h/d", "postgres://u:secret@h:notaport/d", "secret"] {
        let refused = Db::open(&options(url, &directory)).await.unwrap_err();
        assert!(matches!(refused, OpenError::BadUrl(_)), "{refused}");
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}

#[tokio::test]
async fn a_missing_directory_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("not/there/orchd.db").display());
    assert!(matches!(Db::open(&options(&url, &directory)).await.unwrap_err(), OpenError::Files(..)));
}

/// Tables with their columns and whether each may be null, and indexes with what they are on.
type Schema = BTreeSet<String>;

#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let (sqlite, postgres) = (Place::sqlite().await, Place::postgres().await);
    sqlite.open().await.close().await;
    postgres.open().await.close().await;

    let mut connection = SqliteConnection::connect(sqlite.options.url.expose_secret()).await.unwrap();
    let columns: Schema = sqlx::query_scalar(
        "SELECT m.name || '.' || c.name || CASE WHEN c.\"notnull\" THEN ' not null' ELSE '' END
         FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE '%sqlx%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap()
    .into_iter()
    .collect();
    let indexes: Schema = sqlx::query_scalar(
        "SELECT tbl_name || ' ' || name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap()
    .into_iter()
    .collect();

    let mut connection = PgConnection::connect(postgres.options.url.expose_secret()).await.unwrap();
    let pg_columns: Schema = sqlx::query_scalar(
        "SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%sqlx%'
            AND table_name NOT IN (SELECT relname FROM pg_class WHERE relispartition)",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap()
    .into_iter()
    .collect();
    let pg_indexes: Schema = sqlx::query_scalar(
        "SELECT tablename || ' ' || indexname FROM pg_indexes
         WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey'
            AND tablename NOT IN (SELECT relname FROM pg_class WHERE relispartition)",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap()
    .into_iter()
    .collect();

    assert!(columns.len() > 80 && indexes.len() > 20);
    assert_eq!(columns, pg_columns);
    assert_eq!(indexes, pg_indexes);
    drop(connection);
    postgres.drop().await;
}
