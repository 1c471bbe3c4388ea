//! Faults of the proxy before a daemon that runs.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Report, examine, here, prepare};
use crate::road::DOCS_RULE;
use crate::story::{Database, SECRET};
use crate::tls::end_tls_before;

/// How a proxy answers by itself: what it was sent so far, and its answer, if it has one.
type Own = fn(&str) -> Option<&'static str>;

/// A proxy that passes on what it has no answer of its own for.
async fn proxy(before: SocketAddr, own: Own) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = Vec::new();
                let mut piece = [0; 4096];
                while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
                    match client.read(&mut piece).await {
                        Ok(count @ 1..) => seen.extend_from_slice(&piece[..count]),
                        _ => return,
                    }
                }
                if let Some(answer) = own(&String::from_utf8_lossy(&seen)) {
                    let _ = client.write_all(answer.as_bytes()).await;
                    // Lingers, as proxies do, lest the answer be lost with what was not read.
                    while let Ok(1..) = client.read(&mut piece).await {}
                    return;
                }
                let mut server = TcpStream::connect(before).await.unwrap();
                server.write_all(&seen).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

async fn report_behind(own: Own) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("ca.pem");
    let port = crate::port::free_port();
    let front = end_tls_before(proxy(here(port), own).await, &authority).await;
    let mut story = prepare(Database::Sqlite, &format!("https://localhost:{}", front.port())).await;
    std::fs::copy(authority, story.path("ca.pem")).unwrap();
    story.port = port;
    story.write_rules(DOCS_RULE);
    story.github.set_webhook(&format!("{}/webhooks/github", story.url()), SECRET);
    story.start();
    examine(&story, &[]).await
}

const DEFAULT_PAGE: &str =
    "HTTP/1.1 200 OK\r\nServer: nginx/1.26\r\nContent-Length: 16\r\nConnection: close\r\n\r\nWelcome to nginx";

const REDIRECT: &str = "HTTP/1.1 301 Moved Permanently\r\nLocation: https://www.example.com/\r\n\
                        Content-Length: 0\r\nConnection: close\r\n\r\n";

const REFUSAL: &str =
    "HTTP/1.1 413 Request Entity Too Large\r\nServer: nginx\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_proxys_own_page_in_our_place_is_found() {
    let report = report_behind(|_| Some(DEFAULT_PAGE)).await;
    let told = "/health is not answered by orchd: nginx/1.26 answers 200 OK";
    report.is_alone("webhook", told, "have the proxy pass everything on to http://127.0.0.1:");
}

#[tokio::test]
async fn a_webhook_that_the_proxy_keeps_to_itself_is_found() {
    let report = report_behind(|head| head.starts_with("POST").then_some(REDIRECT)).await;
    let told = "/webhooks/github redirects (301 Moved Permanently) to https://www.example.com/";
    report.is_alone("webhook", told, "take the redirect out of the proxy");
}

#[tokio::test]
async fn a_proxy_that_takes_no_large_body_is_found() {
    let report = report_behind(|head| head.contains("1048576").then_some(REFUSAL)).await;
    let told = "a body of 1 MiB does not get through";
    report.is_alone("webhook", told, "client_max_body_size 25m in nginx");
    assert!(report.findings["webhook"]["told"].as_str().unwrap().contains("413"), "{report:#?}");
}
