//! The running daemon, asked over its admin socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

use super::Global;
use super::failure::{Code, Failure};

/// Longer than any answer takes, a long poll included.
const ANSWERS_WITHIN: Duration = Duration::from_secs(90);

/// Query parameters; those without a value are left out.
pub(super) type Parameters<'a> = Vec<(&'static str, Option<String>)>;

/// Where the daemon listens.
#[derive(Debug)]
pub(super) struct Daemon {
    socket: PathBuf,
}

/// Just enough of a config to find the socket: its secrets need not be readable for that.
#[derive(Deserialize)]
struct ConfigFile {
    server: Option<ServerSection>,
}

#[derive(Deserialize)]
struct ServerSection {
    admin_socket: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: Option<String>,
}

impl Daemon {
    /// By `--socket`, else by the config.
    pub(super) fn find(global: &Global) -> Result<Self, Failure> {
        let socket = match &global.socket {
            Some(socket) => socket.clone(),
            None => socket_of(&global.config)?,
        };
        Ok(Self { socket })
    }

    /// As [`Daemon::find`]; of a config that does not say, the daemon's usual one may.
    pub(super) fn find_for_candidate(global: &Global, usual: &Path) -> Result<Self, Failure> {
        Self::find(global).or_else(|failure| match socket_of(usual) {
            Ok(socket) if global.socket.is_none() => Ok(Self { socket }),
            _ => Err(failure),
        })
    }

    /// `path` with parameters, as JSON.
    pub(super) async fn get(&self, path: &str, parameters: Parameters<'_>) -> Result<Value, Failure> {
        self.ask(Method::GET, &with_parameters(path, parameters), ANSWERS_WITHIN).await
    }

    pub(super) async fn post(&self, path: &str) -> Result<Value, Failure> {
        self.post_within(ANSWERS_WITHIN, path).await
    }

    /// For work that takes its time before the daemon answers.
    pub(super) async fn post_within(&self, patience: Duration, path: &str) -> Result<Value, Failure> {
        self.ask(Method::POST, path, patience).await
    }

    async fn ask(&self, method: Method, target: &str, patience: Duration) -> Result<Value, Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(&error))?;
        let answer = tokio::time::timeout(patience, exchange(stream, method, target)).await;
        let (status, body) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(reason)) => return Err(self.broke_off(&reason)),
            Err(_elapsed) => return Err(self.broke_off("it does not answer")),
        };
        if status.is_success() || is_health_report(target, status) {
            return document(&body);
        }
        Err(refusal(status, &body))
    }

    /// Documents, a line each, given to `tell` as they come.
    pub(super) async fn lines(
        &self,
        path: &str,
        tell: impl FnMut(Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.lines_of(Method::GET, path, Bytes::new(), tell).await
    }

    /// As [`Daemon::lines`], in answer to a document.
    pub(super) async fn lines_about(
        &self,
        path: &str,
        parameters: Parameters<'_>,
        document: &Value,
        tell: impl FnMut(Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let body = document.to_string().into();
        self.lines_of(Method::POST, &with_parameters(path, parameters), body, tell).await
    }

    async fn lines_of(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
        mut tell: impl FnMut(Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(&error))?;
        let mut answer = send(stream, method, target, body).await.map_err(|reason| self.broke_off(&reason))?;
        if !answer.response.status().is_success() {
            let (status, body) = answer.whole().await.map_err(|reason| self.broke_off(&reason))?;
            return Err(refusal(status, &body));
        }
        let mut waiting = Vec::new();
        loop {
            let frame = tokio::time::timeout(ANSWERS_WITHIN, answer.response.body_mut().frame()).await;
            let frame = match frame.map_err(|_elapsed| self.broke_off("it does not answer"))? {
                None => return Ok(()),
                Some(frame) => frame.map_err(|error| self.broke_off(&error.to_string()))?,
            };
            waiting.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            // What ends no line yet waits for the next frame.
            let whole = waiting.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            let lines = waiting[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            lines.map(document).try_for_each(|line| tell(line?))?;
            waiting.drain(..whole);
        }
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        let socket = self.socket.display();
        Failure::unreachable(match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("you may not use the daemon's socket {socket}: join its group, or use sudo")
            }
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                format!(
                    "no daemon listens on {socket}: start it (systemctl start orchd, or orchd serve), or pass --socket"
                )
            }
            _ => format!("the daemon's socket {socket} cannot be used: {error}"),
        })
    }

    fn broke_off(&self, reason: &str) -> Failure {
        Failure::unreachable(format!("the daemon on {} broke off: {reason}", self.socket.display()))
    }
}

fn with_parameters(path: &str, parameters: Parameters<'_>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, &value);
        }
    }
    let query = query.finish();
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{path}{separator}{query}")
}

/// A failing health report is an answer, not a failure.
fn is_health_report(target: &str, status: StatusCode) -> bool {
    target == "/health" && status == StatusCode::SERVICE_UNAVAILABLE
}

fn document(text: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(text).map_err(|error| Failure::failed(format!("the daemon's answer is not JSON: {error}")))
}

async fn exchange(stream: UnixStream, method: Method, target: &str) -> Result<(StatusCode, Bytes), String> {
    send(stream, method, target, Bytes::new()).await?.whole().await
}

/// An answer whose body is still on its way. Its connection goes with it.
struct Answer {
    response: Response<Incoming>,
    _connection: AbortOnDropHandle<hyper::Result<()>>,
}

impl Answer {
    async fn whole(self) -> Result<(StatusCode, Bytes), String> {
        let status = self.response.status();
        let body = self.response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok((status, body))
    }
}

async fn send(stream: UnixStream, method: Method, target: &str, body: Bytes) -> Result<Answer, String> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, "orchd")
        .header(ACCEPT, "application/json")
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    Ok(Answer { response, _connection: connection })
}

fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    let code = match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::BAD_REQUEST => Code::Usage,
        _ => Code::Failed,
    };
    let message = match serde_json::from_slice::<Problem>(body) {
        Ok(Problem { title, detail }) => detail.unwrap_or(title),
        Err(_) => format!("the daemon answered {status}"),
    };
    Failure { code, message }
}

fn socket_of(config: &Path) -> Result<PathBuf, Failure> {
    let shown = config.display();
    let text = std::fs::read_to_string(config).map_err(|error| {
        Failure::unreachable(format!(
            "{shown} cannot be read to find the daemon ({error}): pass --config FILE or --socket PATH"
        ))
    })?;
    let file: ConfigFile = serde_yaml::from_str(&text).map_err(|_| {
        Failure::failed(format!("{shown} is not a config: run `orchd config check {shown}`, or pass --socket PATH"))
    })?;
    let socket = file.server.and_then(|server| server.admin_socket).ok_or_else(|| {
        Failure::unreachable(format!("{shown} has no server.admin_socket: set it, or pass --socket PATH"))
    })?;
    // Paths in a config are relative to it.
    Ok(config.parent().map(|directory| directory.join(&socket)).unwrap_or(socket))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn socket_in(yaml: &str) -> Result<PathBuf, Failure> {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("orchd.yaml");
        std::fs::write(&config, yaml).unwrap();
        socket_of(&config).map(|socket| socket.strip_prefix(directory.path()).map(Path::to_owned).unwrap_or(socket))
    }

    #[test]
    fn the_socket_is_found_without_reading_secrets() {
        let yaml = "server: {admin_socket: /run/orchd/orchd.sock}\ngithub: {private_key: {file: /root/none.pem}}\n";
        assert_eq!(socket_in(yaml).unwrap(), Path::new("/run/orchd/orchd.sock"));
        assert_eq!(socket_in("server: {admin_socket: orchd.sock}").unwrap(), Path::new("orchd.sock"));
    }

    #[test]
    fn a_config_without_a_socket_says_what_to_do() {
        let failure = socket_in("server: {listen: 127.0.0.1:8080}").unwrap_err();
        assert_eq!(failure.code, Code::Unreachable);
        assert!(failure.message.ends_with("has no server.admin_socket: set it, or pass --socket PATH"));
        assert_eq!(socket_in("[").unwrap_err().code, Code::Failed);
    }

    #[tokio::test]
    async fn nobody_there_is_exit_code_3() {
        let daemon = Daemon { socket: "/nonexistent/orchd.sock".into() };
        let failure = daemon.get("/api/status", vec![]).await.unwrap_err();
        assert_eq!(failure.code, Code::Unreachable);
        assert!(failure.message.contains("no daemon listens on /nonexistent/orchd.sock"));
    }

    #[test]
    fn a_refusal_keeps_the_daemons_words() {
        let failure = refusal(StatusCode::NOT_FOUND, br#"{"title":"not found","detail":"there is no job 1"}"#);
        assert_eq!((failure.code, failure.message.as_str()), (Code::NotFound, "there is no job 1"));
    }
}
