//! The running daemon, asked over its admin socket or its URL.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Global;
use super::connection::{Connection, Question, Remote, Whole};
use super::failure::{Code, Failure};
use super::output::{Page, read};

/// Longer than any answer takes, a long poll included.
const ANSWERS_WITHIN: Duration = Duration::from_secs(90);

/// Query parameters; those without a value are left out.
pub(super) type Parameters<'a> = Vec<(&'static str, Option<String>)>;

/// The daemon that is asked.
#[derive(Debug)]
pub(super) struct Daemon {
    connection: Connection,
}

/// Its URL in the environment; `--socket` goes before it.
const URL_VARIABLE: &str = "ORCHD_URL";

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
    /// By `--url` or `--socket`, else by the environment, else by the config.
    pub(super) fn find(global: &Global) -> Result<Self, Failure> {
        let connection = match remote(global)? {
            Some(remote) => Connection::Remote(remote),
            None => Connection::Socket(match &global.socket {
                Some(socket) => socket.clone(),
                None => socket_of(&global.config)?,
            }),
        };
        Ok(Self { connection })
    }

    /// As [`Daemon::find`]; of a config that does not say, the daemon's usual one may.
    pub(super) fn find_for_candidate(global: &Global, usual: &Path) -> Result<Self, Failure> {
        Self::find(global).or_else(|failure| match socket_of(usual) {
            Ok(socket) if global.socket.is_none() && failure.code != Code::Usage => {
                Ok(Self { connection: Connection::Socket(socket) })
            }
            _ => Err(failure),
        })
    }

    /// `path` with parameters, as JSON.
    pub(super) async fn get(&self, path: &str, parameters: Parameters<'_>) -> Result<Value, Failure> {
        let target = with_parameters(path, parameters);
        self.ask(Question { method: Method::GET, target: &target, body: Bytes::new() }, ANSWERS_WITHIN).await
    }

    /// A page of a list whose pages may be short though there is more: goes on until there are `limit` rows, or no more.
    pub(super) async fn get_page(
        &self,
        path: &str,
        limit: u32,
        after: Option<String>,
        parameters: impl Fn() -> Parameters<'static>,
    ) -> Result<Value, Failure> {
        let (wanted, mut rows, mut next) = (usize::try_from(limit).unwrap_or(usize::MAX), Vec::new(), after);
        loop {
            let mut asked = parameters();
            asked.push(("limit", Some((wanted - rows.len()).to_string())));
            asked.push(("after", next));
            let page: Page = read(self.get(path, asked).await?)?;
            rows.extend(page.rows.into_iter().take(wanted - rows.len()));
            if page.next.is_none() || rows.len() == wanted {
                return Ok(json!({"rows": rows, "next": page.next}));
            }
            next = page.next.map(|next| next.as_str().map_or_else(|| next.to_string(), str::to_owned));
        }
    }

    pub(super) async fn post(&self, path: &str) -> Result<Value, Failure> {
        self.post_within(ANSWERS_WITHIN, path).await
    }

    /// For work that takes its time before the daemon answers.
    pub(super) async fn post_within(&self, patience: Duration, path: &str) -> Result<Value, Failure> {
        self.ask(Question { method: Method::POST, target: path, body: Bytes::new() }, patience).await
    }

    /// With a document.
    pub(super) async fn post_document(&self, path: &str, document: &Value) -> Result<Value, Failure> {
        let body = document.to_string().into();
        self.ask(Question { method: Method::POST, target: path, body }, ANSWERS_WITHIN).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Question { method: Method::DELETE, target: path, body: Bytes::new() }, ANSWERS_WITHIN).await
    }

    async fn ask(&self, question: Question<'_>, patience: Duration) -> Result<Value, Failure> {
        let target = question.target;
        let answer = tokio::time::timeout(patience, async {
            let whole = self.connection.send(question).await?.whole().await;
            whole.map_err(|reason| self.connection.broke_off(&reason))
        });
        let whole = answer.await.map_err(|_elapsed| self.connection.broke_off("it does not answer"))??;
        if whole.status.is_success() || is_health_report(target, whole.status) {
            return document(&whole.body);
        }
        Err(refusal(&whole))
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
        let broke_off = |reason: &str| self.connection.broke_off(reason);
        let mut answer = self.connection.send(Question { method, target, body }).await?;
        if !answer.response.status().is_success() {
            return Err(refusal(&answer.whole().await.map_err(|reason| broke_off(&reason))?));
        }
        let mut waiting = Vec::new();
        loop {
            let frame = tokio::time::timeout(ANSWERS_WITHIN, answer.response.body_mut().frame()).await;
            let frame = match frame.map_err(|_elapsed| broke_off("it does not answer"))? {
                None => return Ok(()),
                Some(frame) => frame.map_err(|error| broke_off(&error.to_string()))?,
            };
            waiting.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            // What ends no line yet waits for the next frame.
            let whole = waiting.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            let lines = waiting[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            lines.map(document).try_for_each(|line| tell(line?))?;
            waiting.drain(..whole);
        }
    }
}

/// The URL that is to be asked; `None`: the machine's own daemon is.
fn remote(global: &Global) -> Result<Option<Remote>, Failure> {
    let in_environment = || std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty() && global.socket.is_none());
    match global.url.clone().or_else(in_environment) {
        Some(url) => Remote::new(&url, global.key_file.as_deref()).map(Some),
        None if global.key_file.is_some() => {
            Err(Failure { code: Code::Usage, message: "--key-file goes with --url".to_owned() })
        }
        None => Ok(None),
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

fn refusal(whole: &Whole) -> Failure {
    let Whole { status, body, retry_after, location } = whole;
    let code = match *status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::BAD_REQUEST => Code::Usage,
        _ => Code::Failed,
    };
    let said = match serde_json::from_slice::<Problem>(body) {
        Ok(Problem { title, detail }) => detail.unwrap_or(title),
        Err(_) => format!("the daemon answered {status}"),
    };
    let message = match (*status, location, retry_after) {
        (StatusCode::UNAUTHORIZED, ..) => {
            format!("the key was refused: {said}; `orchd keys create` on the daemon's machine makes another")
        }
        (StatusCode::TOO_MANY_REQUESTS, _, Some(seconds)) => format!("{said}; try again in {seconds} s"),
        (status, Some(location), _) if status.is_redirection() => {
            format!("it answers at another place, and a key is not sent on: pass --url for {location}")
        }
        _ => said,
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
        let daemon = Daemon { connection: Connection::Socket("/nonexistent/orchd.sock".into()) };
        let failure = daemon.get("/api/status", vec![]).await.unwrap_err();
        assert_eq!(failure.code, Code::Unreachable);
        assert!(failure.message.contains("no daemon listens on /nonexistent/orchd.sock"));
    }

    fn refused(status: StatusCode, body: &'static str, retry_after: Option<&str>, location: Option<&str>) -> Failure {
        let (retry_after, location) = (retry_after.map(str::to_owned), location.map(str::to_owned));
        refusal(&Whole { status, body: body.into(), retry_after, location })
    }

    #[test]
    fn a_refusal_keeps_the_daemons_words_and_says_what_to_do() {
        let missing = r#"{"title":"not found","detail":"there is no job 1"}"#;
        let failure = refused(StatusCode::NOT_FOUND, missing, None, None);
        assert_eq!((failure.code, failure.message.as_str()), (Code::NotFound, "there is no job 1"));
        let expired = r#"{"title":"not authenticated","detail":"the key has expired"}"#;
        let failure = refused(StatusCode::UNAUTHORIZED, expired, None, None);
        assert!(failure.message.contains("the key has expired; `orchd keys create`"), "{}", failure.message);
        let failure = refused(StatusCode::TOO_MANY_REQUESTS, r#"{"title":"too many"}"#, Some("7"), None);
        assert_eq!(failure.message, "too many; try again in 7 s");
        let failure = refused(StatusCode::MOVED_PERMANENTLY, "", None, Some("https://other.example.com/"));
        assert!(failure.message.ends_with("pass --url for https://other.example.com/"), "{}", failure.message);
    }
}
