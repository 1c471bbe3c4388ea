//! Who vouches for workflows: GitHub's OIDC issuer, as the daemon asks it for keys and as a step asks it for a token.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::Utc;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::key::AppKey;

/// What a step shows to get a token.
pub const REQUEST_TOKEN: &str = "the-runner's-own-token";

/// How long a token is good for, as GitHub's are.
const LASTS: i64 = 300;

/// A running issuer. Cheap to clone; it stops when the last clone goes.
#[derive(Clone)]
pub struct Issuer {
    address: SocketAddr,
    inner: Arc<Inner>,
    _task: Arc<Task>,
}

struct Inner {
    state: Mutex<State>,
}

struct State {
    url: String,
    /// By name, the one that signs last.
    keys: Vec<(String, AppKey)>,
    is_up: bool,
    made: u64,
    /// How often each path was asked for.
    asked: BTreeMap<String, usize>,
    /// Of the run whose steps ask for tokens here.
    claims: Value,
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issuer {
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = State {
            url: format!("http://{address}"),
            keys: vec![("key-1".to_owned(), AppKey::shared())],
            is_up: true,
            made: 0,
            asked: BTreeMap::new(),
            claims: json!({}),
        };
        let inner = Arc::new(Inner { state: Mutex::new(state) });
        let task = tokio::spawn(serve(listener, Arc::clone(&inner)));
        Ok(Self { address, inner, _task: Arc::new(Task(task)) })
    }

    /// For orchd's `forward.issuer`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// For a step's `ACTIONS_ID_TOKEN_REQUEST_URL`.
    pub fn request_url(&self) -> String {
        format!("{}/token?api-version=2.0", self.url())
    }

    /// What tokens that a step asks for say of its run.
    pub fn is_of(&self, claims: Value) {
        self.inner.state().claims = claims;
    }

    /// Whether it answers with anything but 500.
    pub fn set_up(&self, is_up: bool) {
        self.inner.state().is_up = is_up;
    }

    /// Takes another key from now on; the old one is published no more.
    pub fn rotate(&self) {
        let mut state = self.inner.state();
        let name = format!("key-{}", state.keys.len() + 1);
        state.keys.push((name, AppKey::generate()));
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.inner.state().asked.get(path).copied().unwrap_or(0)
    }

    /// The claims of a token that was made out just now to `audience`, with these of a run.
    pub fn claims(&self, audience: &str, run: &Value) -> Value {
        self.inner.state().claims(audience, run)
    }

    /// Signs claims as GitHub does.
    pub fn sign(&self, claims: &Value) -> String {
        let state = self.inner.state();
        let Some((name, key)) = state.keys.last() else { panic!("an issuer has a key") };
        sign(claims, name, key)
    }

    /// Signs claims with a key of one's own, under any name of a key.
    pub fn sign_as(&self, claims: &Value, kid: &str, key: &AppKey) -> String {
        sign(claims, kid, key)
    }

    /// Signs claims with HMAC, and the issuer's public key as the secret: what everybody can do.
    pub fn sign_with_the_public_key(&self, claims: &Value) -> String {
        let state = self.inner.state();
        let Some((name, key)) = state.keys.last() else { panic!("an issuer has a key") };
        let header = Header { kid: Some(name.clone()), ..Header::new(Algorithm::HS256) };
        match jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(key.public_der())) {
            Ok(token) => token,
            Err(error) => panic!("{error}"),
        }
    }
}

impl State {
    fn claims(&mut self, audience: &str, run: &Value) -> Value {
        self.made += 1;
        let now = Utc::now().timestamp();
        let mut claims = json!({
            "jti": format!("example-id-{}", self.made), "sub": "repo:acme/web:ref:refs/heads/main", "aud": audience,
            "iss": self.url, "nbf": now - 1, "exp": now + LASTS, "iat": now,
        });
        for (name, value) in run.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        claims
    }

    fn published(&self) -> Value {
        let key = |(name, key): &(String, AppKey)| {
            let (n, e) = numbers(key.public_der());
            let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": name, "n": text(n), "e": text(e)})
        };
        // A key of another kind beside, as a set may have.
        let other = json!({"kty": "EC", "crv": "P-256", "kid": "other", "x": "AA", "y": "AA", "use": "sig"});
        json!({"keys": self.keys.last().map(key).into_iter().chain([other]).collect::<Vec<_>>()})
    }
}

fn sign(claims: &Value, kid: &str, key: &AppKey) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
    let signed =
        EncodingKey::from_rsa_pem(key.pem().as_bytes()).and_then(|key| jsonwebtoken::encode(&header, claims, &key));
    match signed {
        Ok(token) => token,
        Err(error) => panic!("{error}"),
    }
}

/// Modulus and exponent of a public key as PKCS#1 has it: a sequence of two integers.
fn numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = element(der);
    let (modulus, rest) = element(sequence);
    let (exponent, _) = element(rest);
    let unsigned = |bytes: &'_ [u8]| bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
    (&modulus[unsigned(modulus)..], exponent)
}

/// What the first element of a DER text holds, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let first = usize::from(der[1]);
    let (length, header) = if first < 0x80 {
        (first, 2)
    } else {
        let bytes = first & 0x7f;
        (der[2..2 + bytes].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + bytes)
    };
    der[header..].split_at(length)
}

async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let inner = Arc::clone(&inner);
        let service = service_fn(move |request| {
            let answer = answer(&inner, &request);
            async move { Ok::<_, Infallible>(answer) }
        });
        connections.spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(inner: &Inner, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let mut state = inner.state();
    *state.asked.entry(path.to_owned()).or_default() += 1;
    let url = state.url.clone();
    let (status, body) = match path {
        _ if !state.is_up => (500, json!({"message": "down"})),
        "/.well-known/openid-configuration" => (
            200,
            json!({"issuer": url, "jwks_uri": format!("{url}/.well-known/jwks"), "subject_types_supported": ["public"]}),
        ),
        "/.well-known/jwks" => (200, state.published()),
        "/token" => token(&mut state, request),
        _ => (404, json!({})),
    };
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

/// As the runner's service does for a step with `id-token: write`.
fn token(state: &mut State, request: &Request<Incoming>) -> (u16, Value) {
    let shown = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if shown != Some(&format!("Bearer {REQUEST_TOKEN}")) {
        return (401, json!({"message": "not authenticated"}));
    }
    let query = request.uri().query().unwrap_or_default();
    let audience = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "audience");
    let audience = audience.map_or_else(|| "https://github.com/acme".to_owned(), |(_, value)| value.into_owned());
    let run = state.claims.clone();
    let claims = state.claims(&audience, &run);
    let Some((name, key)) = state.keys.last() else { return (500, json!({})) };
    let value = sign(&claims, name, key);
    (200, json!({"count": value.len(), "value": value}))
}
