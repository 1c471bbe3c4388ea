//! The way to the daemon: its admin socket on this machine, or its URL from anywhere, with a key.
//!
//! Invariant 11: a key comes from the environment or a file, never from the command line, where everybody on the machine
//! could read it; it goes nowhere but to the URL it is meant for, and not in clear over a network.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER};
use http::response::Parts;
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt as _;

use super::failure::{Code, Failure};
use crate::core::access::Presented;
use crate::github::connection::connector;

/// For a connection over a network, TLS with it.
const CONNECTS_WITHIN: Duration = Duration::from_secs(15);

/// Where a key stands in the environment.
const KEY_VARIABLE: &str = "ORCHD_KEY";

#[derive(Debug)]
pub(super) enum Connection {
    Socket(PathBuf),
    Remote(Remote),
}

/// A daemon somewhere, and the key for it.
#[derive(Debug)]
pub(super) struct Remote {
    url: Uri,
    key: SecretString,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Remote(remote) => f.write_str(remote.url.to_string().trim_end_matches('/')),
        }
    }
}

impl Remote {
    /// A URL, and a key from a file or else from the environment.
    pub(super) fn new(url: &str, key_file: Option<&Path>) -> Result<Self, Failure> {
        let url = parse(url)?;
        let (key, place) = match key_file {
            Some(file) => (read_key(file)?, file.display().to_string()),
            None => match std::env::var(KEY_VARIABLE) {
                Ok(key) => (SecretString::from(key.trim()), KEY_VARIABLE.to_owned()),
                Err(_) => {
                    return Err(usage(format!(
                        "{url} takes a key: set {KEY_VARIABLE}, or pass --key-file FILE; `orchd keys create` on the \
                         daemon's machine makes one"
                    )));
                }
            },
        };
        let well_formed = key.expose_secret().parse::<Presented>().is_ok();
        if well_formed {
            Ok(Self { url, key })
        } else {
            Err(usage(format!("what {place} holds is not a key of orchd: it was mistyped, or cut off")))
        }
    }
}

fn parse(written: &str) -> Result<Uri, Failure> {
    let refuse = |why: &str| usage(format!("--url (or ORCHD_URL) {why}, such as https://orchd.example.com"));
    let url: Uri = written.parse().map_err(|_| refuse("is a URL"))?;
    let (Some(scheme), Some(authority)) = (url.scheme(), url.authority()) else {
        return Err(refuse("is a URL with https:// before it"));
    };
    if authority.as_str().contains('@') || url.query().is_some() {
        return Err(refuse("is scheme, host, port and path, and nothing beside"));
    }
    if *scheme == Scheme::HTTP && !is_loopback(authority.host()) {
        return Err(refuse("is https: over http anybody on the way could read the key"));
    }
    if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
        return Err(refuse("is https"));
    }
    Ok(url)
}

pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || bare.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn read_key(file: &Path) -> Result<SecretString, Failure> {
    let shown = file.display();
    let unreadable = |error: io::Error| usage(format!("the key file {shown} cannot be read: {error}"));
    let mode = std::fs::metadata(file).map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(usage(format!("others may read the key file {shown}: chmod 600 {shown}")));
    }
    Ok(std::fs::read_to_string(file).map_err(unreadable)?.trim().into())
}

fn usage(message: String) -> Failure {
    Failure { code: Code::Usage, message }
}

/// An answer whose body is still on its way. Its connection goes with it.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    _connection: AbortOnDropHandle<hyper::Result<()>>,
}

impl Answer {
    /// Its head, and its body as it comes. The connection goes with the body.
    pub(super) fn into_parts(self) -> (Parts, Incoming, AbortOnDropHandle<hyper::Result<()>>) {
        let (head, body) = self.response.into_parts();
        (head, body, self._connection)
    }

    pub(super) async fn whole(self) -> Result<Whole, String> {
        let (head, body) = self.response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        Ok(Whole { status: head.status, body, retry_after: text(RETRY_AFTER), location: text(LOCATION) })
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// Seconds.
    pub(super) retry_after: Option<String>,
    pub(super) location: Option<String>,
}

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: &'a str,
    /// JSON, or nothing.
    pub(super) body: Bytes,
}

impl Connection {
    /// Sends a question, once connected.
    pub(super) async fn send(&self, question: Question<'_>) -> Result<Answer, Failure> {
        let sent = match self {
            Self::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| self.unreachable(&error))?;
                let request = request(question, "", HeaderValue::from_static("orchd"), None);
                exchange(TokioIo::new(stream), request).await
            }
            Self::Remote(remote) => {
                let connected = tokio::time::timeout(CONNECTS_WITHIN, remote.connect()).await;
                let connected = connected.unwrap_or_else(|_elapsed| Err("it does not answer".to_owned()));
                let stream =
                    connected.map_err(|why| Failure::unreachable(format!("{self} cannot be reached: {why}")))?;
                let host = remote.url.authority().map_or("", |authority| authority.as_str());
                let host = HeaderValue::from_str(host).map_err(|error| usage(error.to_string()))?;
                let request = request(question, remote.url.path().trim_end_matches('/'), host, Some(&remote.key));
                exchange(stream, request).await
            }
        };
        sent.map_err(|reason| self.broke_off(&reason))
    }

    pub(super) fn broke_off(&self, reason: &str) -> Failure {
        Failure::unreachable(format!("the daemon on {self} broke off: {reason}"))
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        Failure::unreachable(match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("you may not use the daemon's socket {self}: join its group, or use sudo")
            }
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                format!(
                    "no daemon listens on {self}: start it (systemctl start orchd, or orchd serve), or pass --socket"
                )
            }
            _ => format!("the daemon's socket {self} cannot be used: {error}"),
        })
    }
}

impl Remote {
    /// With TLS for https, by the machine's certificates.
    async fn connect(&self) -> Result<impl Read + Write + Unpin + Send + 'static, String> {
        let connector = connector(self.url.scheme() == Some(&Scheme::HTTPS))?;
        connector.oneshot(self.url.clone()).await.map_err(|error| innermost(&*error))
    }
}

/// What the outer errors only wrap.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}

fn request(
    question: Question<'_>,
    base: &str,
    host: HeaderValue,
    key: Option<&SecretString>,
) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::builder()
        .method(question.method)
        .uri(format!("{base}{}", question.target))
        .header(HOST, host)
        .header(ACCEPT, "application/json");
    if !question.body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some(key) = key {
        let bearer = format!("Bearer {}", key.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| "the key is not fit for a header".to_owned())?;
        bearer.set_sensitive(true);
        request = request.header(AUTHORIZATION, bearer);
    }
    request.body(Full::new(question.body)).map_err(|error| error.to_string())
}

/// Sends a request over a connection that was just made.
pub(super) async fn exchange<S>(stream: S, request: Result<Request<Full<Bytes>>, String>) -> Result<Answer, String>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let request = request?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(stream).await.map_err(|error| error.to_string())?;
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    Ok(Answer { response, _connection: connection })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::access::KeyText;

    #[test]
    fn a_key_goes_over_https_or_stays_on_the_machine() {
        for good in [
            "https://orchd.example.com",
            "https://example.com:8443/orchd/",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost:8080",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://orchd.example.com", "over http anybody"),
            ("http://127.0.0.1.example.com", "over http anybody"),
            ("orchd.example.com", "https:// before it"),
            ("ftp://orchd.example.com", "is https"),
            ("https://user:secret@orchd.example.com", "nothing beside"),
            ("https://orchd.example.com?x=1", "nothing beside"),
            ("", "is a URL"),
        ] {
            let failure = parse(bad).unwrap_err();
            assert!(failure.code == Code::Usage && failure.message.contains(why), "{bad}: {}", failure.message);
        }
    }

    #[test]
    fn a_key_file_is_ones_own_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        let key = KeyText::new([9; 32]);
        let with = |text: &str, mode| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            Remote::new("https://orchd.example.com", Some(&file)).map(|remote| remote.key.expose_secret().to_owned())
        };
        assert_eq!(with(&format!("{}\n", key.expose()), 0o600).unwrap(), key.expose());
        let open = with(key.expose(), 0o640).unwrap_err();
        assert!(open.message.ends_with(&format!("chmod 600 {}", file.display())), "{}", open.message);
        let cut = with(&key.expose()[..50], 0o600).unwrap_err();
        assert!(cut.message.contains("mistyped, or cut off") && !cut.message.contains("orchd_"), "{}", cut.message);
        let missing = Remote::new("https://orchd.example.com", Some(&directory.path().join("none"))).unwrap_err();
        assert!(missing.message.contains("cannot be read"));
    }
}
