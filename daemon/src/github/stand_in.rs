//! A stand-in for GitHub in tests of the client: answers as told, and remembers what it was asked.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::client::Settings;
use super::heard::Heard;
use super::limits::{BreakerTerms, Budgets, Terms};

/// A request as it arrived. `path` holds the query too.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

/// What to answer; `None` never answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply(Option<Response<Full<Bytes>>>);

pub(crate) fn reply(status: u16, body: &Value) -> Reply {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Reply(Some(response))
}

impl Reply {
    pub(crate) fn never() -> Self {
        Self(None)
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.as_mut().unwrap().headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        self
    }
}

/// Gives out tokens `token-1`, `token-2`, … and leaves the rest to `answer`.
pub(crate) fn with_tokens(answer: impl Fn(&Seen) -> Reply + Send + Sync) -> impl Fn(&Seen) -> Reply + Send + Sync {
    let count = Mutex::new(0);
    move |seen| {
        if !seen.path.ends_with("/access_tokens") {
            return answer(seen);
        }
        let mut count = count.lock().unwrap();
        *count += 1;
        let expires_at = (chrono::Utc::now() + Duration::from_secs(3600)).to_rfc3339();
        reply(201, &json!({"token": format!("token-{count}"), "expires_at": expires_at}))
    }
}

pub(crate) struct StandIn {
    api_url: Uri,
    requests: Arc<Mutex<Vec<Seen>>>,
}

impl StandIn {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let seen = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (answer.clone(), seen.clone());
                let service = service_fn(move |request| respond(request, answer.clone(), seen.clone()));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(async move { connection.serve_connection(TokioIo::new(stream), service).await });
            }
        });
        Self { api_url, requests }
    }

    /// An address where nobody listens.
    pub(crate) async fn closed_address() -> Uri {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            api_url: self.api_url.clone(),
            issuer: Some("Iv1.abc".to_owned()),
            private_key: Some(test_key().private_pem.clone()),
            timeout: Duration::from_secs(10),
            terms: Terms::default(),
            breaker: BreakerTerms::default(),
            budgets: Budgets::in_memory(chrono::Utc::now),
            cache: 1 << 20,
            heard: Heard::new(),
        }
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.requests.lock().unwrap().clone()
    }

    /// `METHOD path` of each request.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: Arc<impl Fn(&Seen) -> Reply>,
    requests: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let reply = answer(&seen);
    requests.lock().unwrap().push(seen);
    match reply.0 {
        Some(response) => Ok(response),
        None => std::future::pending().await,
    }
}

/// A key made for this run.
pub(crate) struct TestKey {
    pub private_pem: SecretString,
    /// PKCS #1.
    pub public_der: Vec<u8>,
}

pub(crate) fn test_key() -> &'static TestKey {
    static KEY: LazyLock<TestKey> = LazyLock::new(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = base64::engine::general_purpose::STANDARD.encode(pair.as_der().unwrap().as_ref());
        let lines: Vec<&str> = der.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let begin_end = |word: &str| format!("-----{word} PRIVATE KEY-----");
        let pem = format!("{}\n{}\n{}\n", begin_end("BEGIN"), lines.join("\n"), begin_end("END"));
        TestKey { private_pem: SecretString::from(pem), public_der: pair.public_key().as_ref().to_vec() }
    });
    &KEY
}
