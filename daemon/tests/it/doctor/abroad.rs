//! Faults between the world and the daemon: the name, the certificate, the App's id and key. No daemon runs.

use orchd_fake::AppKey;

use super::{Report, edit, examine, examine_trusting, here, prepare, set_mode};
use crate::story::{Database, Story};
use crate::tls::{end_tls_before, end_tls_showing};

/// What stands behind the certificates here is never reached.
const NOBODY: u16 = 9;

#[tokio::test]
async fn a_name_that_does_not_resolve_is_found() {
    let story = prepare(Database::Sqlite, "https://orchd.invalid").await;
    end_tls_before(here(NOBODY), &story.path("ca.pem")).await;
    let report = examine(&story, &[]).await;
    let advice = "make an A or AAAA record for orchd.invalid";
    report.is_alone_without_a_daemon("public url", "the name orchd.invalid does not resolve", advice);
    assert_eq!((report.state("tls"), report.state("webhook")), ("skipped", "skipped"));
}

async fn behind(names: &[&str], change: impl FnOnce(&mut rcgen::CertificateParams)) -> (Story, Report) {
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("ca.pem");
    let front = end_tls_showing(here(NOBODY), &authority, names, change).await;
    let story = prepare(Database::Sqlite, &format!("https://localhost:{}", front.port())).await;
    let report = examine_trusting(&story, &authority, &[]).await;
    (story, report)
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_found() {
    let (_story, report) = behind(&["localhost"], |leaf| leaf.not_after = rcgen::date_time_ymd(2020, 1, 1)).await;
    report.is_alone_without_a_daemon("tls", "the certificate of localhost has expired", "certbot renew");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_found() {
    let (_story, report) = behind(&["other.example.com"], |_| {}).await;
    report.is_alone_without_a_daemon("tls", "is for another name", "get one for localhost (certbot -d localhost)");
}

#[tokio::test]
async fn a_certificate_from_nobody_known_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let front = end_tls_before(here(NOBODY), &directory.path().join("ca.pem")).await;
    end_tls_before(here(NOBODY), &directory.path().join("other.pem")).await;
    let story = prepare(Database::Sqlite, &format!("https://localhost:{}", front.port())).await;
    let report = examine_trusting(&story, &directory.path().join("other.pem"), &[]).await;
    report.is_alone_without_a_daemon("tls", "from nobody this machine trusts", "fullchain.pem");
}

#[tokio::test]
async fn a_public_url_that_nobody_listens_on_is_found() {
    let port = crate::port::free_port();
    let story = prepare(Database::Sqlite, &format!("https://localhost:{port}")).await;
    end_tls_before(here(NOBODY), &story.path("ca.pem")).await;
    let advice = format!("start the proxy that listens on {port}");
    examine(&story, &[]).await.is_alone_without_a_daemon("tls", "localhost takes no connection on port", &advice);
}

/// A story whose public URL is well, and a config that `change` has spoilt.
async fn spoilt(change: impl FnOnce(&Story)) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("ca.pem");
    let front = end_tls_before(here(NOBODY), &authority).await;
    let story = prepare(Database::Sqlite, &format!("https://localhost:{}", front.port())).await;
    change(&story);
    examine_trusting(&story, &authority, &[]).await
}

#[tokio::test]
async fn a_key_of_another_app_is_found() {
    let report = spoilt(|story| {
        std::fs::write(story.path("github-app.pem"), AppKey::generate().pem()).unwrap();
        set_mode(&story.path("github-app.pem"), 0o600);
    });
    let report = report.await;
    let told = "github.private_key is not a key of the App of github.client_id: Iv1.0123456789abcdef";
    report.is_alone_without_a_daemon("app", told, "generate a private key at ");
    assert_eq!((report.state("installations"), report.state("quota")), ("skipped", "skipped"));
}

#[tokio::test]
async fn an_id_that_no_app_has_is_found() {
    let report = spoilt(|story| edit(story, "Iv1.0123456789abcdef", "Iv1.ffffffffffffffff")).await;
    let told = "GitHub has no App of github.client_id: Iv1.ffffffffffffffff";
    report.is_alone_without_a_daemon("app", told, "set github.client_id to what the App's page shows");
}

#[tokio::test]
async fn the_number_of_another_app_is_found() {
    let report = spoilt(|story| edit(story, "app_id: 12345", "app_id: 54321")).await;
    let told = "github.app_id is 54321, and that of the App orchd is 12345";
    report.is_alone_without_a_daemon("app", told, "set github.app_id: 12345");
}
