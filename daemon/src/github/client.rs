//! The client: octocrab as transport, our tower layers around it, [`Reader`] and [`Writer`] on top.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::GitHubError;
use super::answer::Answer;
pub use super::gate::{WriteTerms, Writer};
use super::limits::{BreakerTerms, Budgets, PartyState, Priority, Terms};
use super::transport::{Identity, Outgoing, Sender, Transport};
use crate::core::event::InstallationId;

/// Wait before a read is sent again for the first time.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// How to reach and sign in to GitHub.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://api.github.com`, or `https://HOST/api/v3` of an Enterprise Server; no slash at the end.
    pub api_url: http::Uri,
    /// `iss` of the App's JWT: the client id when there is one, else the App id.
    pub issuer: Option<String>,
    /// PEM of the App's private key.
    pub private_key: Option<SecretString>,
    /// For one request, connecting included.
    pub timeout: Duration,
    /// What GitHub allows beside the hour's quota.
    pub terms: Terms,
    pub breaker: BreakerTerms,
    /// Where it is kept what was used of it.
    pub budgets: Budgets,
}

/// The App's view of GitHub. Cheap to clone; made anew when the settings change.
#[derive(Clone)]
pub struct GitHub {
    transport: Arc<Transport>,
}

/// Reads as one installation. Cannot write.
#[derive(Clone)]
pub struct Reader {
    transport: Arc<Transport>,
    sender: Sender,
}

/// A list, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// In GitHub's order.
    pub items: Vec<T>,
    /// Whether these are all there are; else the bound on pages cut the list off.
    pub complete: bool,
}

impl<T> Listed<T> {
    /// All items.
    ///
    /// # Errors
    /// `Refused`, status 0, when there may be more than were read. `what` names the items.
    pub fn whole(self, what: &str) -> Result<Vec<T>, GitHubError> {
        if self.complete {
            return Ok(self.items);
        }
        let message = format!("GitHub lists only the first {} {what}, and there may be more", self.items.len());
        Err(GitHubError::Refused { status: 0, message })
    }
}

impl GitHub {
    /// Sends nothing yet. Must be called within a tokio runtime, which then carries the connections.
    ///
    /// # Errors
    /// `Credentials` when the private key is not an RSA key in PEM form; `Unavailable` when an `https` API is to be
    /// reached and the machine has no CA certificates.
    pub fn new(settings: Settings) -> Result<Self, GitHubError> {
        Self::with_first_wait(settings, FIRST_WAIT)
    }

    pub(super) fn with_first_wait(settings: Settings, first_wait: Duration) -> Result<Self, GitHubError> {
        Ok(Self { transport: Arc::new(Transport::new(&settings, first_wait)?) })
    }

    /// `None`: as the App itself where an installation is not known (`GET /app`, `GET /meta`).
    pub fn reader(&self, installation: Option<InstallationId>) -> Reader {
        let identity = installation.map_or(Identity::App, Identity::Installation);
        Reader { transport: self.transport.clone(), sender: Sender::new(identity) }
    }

    /// Reads as nobody: what GitHub tells everyone, at 60 requests an hour.
    pub fn anonymous(&self) -> Reader {
        Reader { transport: self.transport.clone(), sender: Sender::new(Identity::Anonymous) }
    }

    /// The App's slug: its comments are by `SLUG[bot]`. One request, the first time.
    ///
    /// # Errors
    /// As `GET /app` fails; `Credentials` when no App is configured.
    pub async fn app_slug(&self) -> Result<String, GitHubError> {
        self.reader(None).app_slug().await
    }

    /// What is wrong between orchd and GitHub right now: open breakers, budgets that are used up.
    pub fn troubles(&self) -> Vec<PartyState> {
        self.transport.limits.troubles()
    }

    /// Puts down what is used of the budgets, before a stop. Without it what was granted and not used counts as used.
    pub async fn settle(&self) {
        self.transport.limits.settle().await;
    }
}

impl Reader {
    /// The same reader, more or less urgent than an event's.
    #[must_use]
    pub fn at(mut self, priority: Priority) -> Self {
        self.sender.priority = priority;
        self
    }

    /// `path` starts with `/`, below `api_url`.
    ///
    /// # Errors
    /// As [`GitHubError`] tells. A 5xx or failed connection was tried three times more before.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, GitHubError> {
        self.call(&Outgoing::get(path)).await?.json(path)
    }

    /// The pages of a list (100 a page), at most `max_pages`, following `Link: rel="next"`; says whether it was all.
    /// `items` names the array when a page is an object (check runs: `check_runs`).
    ///
    /// # Errors
    /// As [`Reader::get`]; nothing of a list is given when one of its pages fails.
    pub async fn get_all<T: DeserializeOwned>(
        &self,
        path: &str,
        items: Option<&str>,
        max_pages: u32,
    ) -> Result<Listed<T>, GitHubError> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut next = Some(format!("{path}{separator}per_page=100"));
        let mut all = Vec::new();
        for _ in 0..max_pages {
            let Some(page) = next else { break };
            let answer = self.call(&Outgoing::get(page)).await?;
            all.extend(page_items::<T>(&answer, path, items)?);
            next = answer.next_page().map(|path| self.transport.below(&path).to_owned());
        }
        Ok(Listed { items: all, complete: next.is_none() })
    }

    /// The App's slug, whoever this reads as.
    pub(crate) async fn app_slug(&self) -> Result<String, GitHubError> {
        #[derive(Deserialize)]
        struct App {
            slug: String,
        }
        if !self.transport.has_app() {
            return Err(GitHubError::Credentials("no App is configured".to_owned()));
        }
        let ask = async {
            let answer =
                self.transport.call(Sender { identity: Identity::App, ..self.sender }, &Outgoing::get("/app")).await?;
            Ok::<_, GitHubError>(answer.json::<App>("/app")?.slug)
        };
        self.transport.slug.get_or_try_init(|| ask).await.cloned()
    }

    pub(super) async fn call(&self, outgoing: &Outgoing) -> Result<Answer, GitHubError> {
        self.transport.call(self.sender, outgoing).await
    }
}

fn page_items<T: DeserializeOwned>(answer: &Answer, path: &str, items: Option<&str>) -> Result<Vec<T>, GitHubError> {
    let Some(key) = items else { return answer.json(path) };
    let list = answer.json::<Map<String, Value>>(path)?.remove(key);
    let list = list.ok_or_else(|| GitHubError::Unreadable(format!("{path}: `{key}` is missing")))?;
    serde_json::from_value(list).map_err(|error| GitHubError::Unreadable(format!("{path}: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::core::rule::Mode;
    use crate::github::stand_in::{Reply, Seen, StandIn, reply};

    /// Answers with each of `replies` in turn, and with the last one for ever.
    fn in_turn(replies: Vec<Reply>) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
        let replies = Mutex::new(replies);
        move |_| {
            let mut replies = replies.lock().unwrap();
            if replies.len() > 1 { replies.remove(0) } else { replies[0].clone() }
        }
    }

    fn github(server: &StandIn) -> GitHub {
        GitHub::with_first_wait(server.settings(), Duration::from_millis(1)).unwrap()
    }

    #[tokio::test]
    async fn a_request_says_who_asks_and_for_which_version() {
        let server = StandIn::start(|_| reply(200, &json!({"slug": "orchd"}))).await;
        assert_eq!(github(&server).app_slug().await.unwrap(), "orchd");
        let request = server.requests().remove(0);
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("x-github-api-version").as_deref(), Some("2022-11-28"));
        assert_eq!(header("user-agent").unwrap(), concat!("orchd/", env!("CARGO_PKG_VERSION")));
        assert_eq!(header("accept").as_deref(), Some("application/vnd.github+json"));
        assert!(header("authorization").unwrap().starts_with("Bearer ey"));
        assert!(header("x-request-id").is_some());
    }

    #[tokio::test]
    async fn the_slug_is_asked_for_once() {
        let server = StandIn::start(|_| reply(200, &json!({"slug": "orchd"}))).await;
        let github = github(&server);
        github.app_slug().await.unwrap();
        github.reader(Some(InstallationId(1))).app_slug().await.unwrap();
        assert_eq!(server.seen(), ["GET /app"]);
    }

    #[tokio::test]
    async fn a_read_is_tried_again_after_5xx_and_a_write_is_not() {
        let broken = reply(502, &json!({"message": "Server Error"}));
        let server = StandIn::start(in_turn(vec![broken.clone(), broken.clone(), reply(200, &json!(7))])).await;
        assert_eq!(github(&server).reader(None).get::<u8>("/x").await.unwrap(), 7);
        assert_eq!(server.seen().len(), 3);

        let server = StandIn::start(in_turn(vec![broken])).await;
        let failed = github(&server).reader(None).get::<u8>("/x").await.unwrap_err();
        assert!(matches!(failed, GitHubError::Down { .. }), "{failed}");
        assert_eq!(server.seen(), ["GET /x", "GET /x", "GET /x", "GET /x", "GET /rate_limit"]);

        let writer = github(&server).open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
        let failed = writer.send::<Value>(http::Method::POST, "/y", &json!({})).await.unwrap_err();
        assert!(matches!(failed, GitHubError::Down { .. }), "{failed}");
        assert_eq!(server.seen()[5..], ["POST /y", "GET /rate_limit"]);
    }

    #[tokio::test]
    async fn a_request_that_alone_fails_is_told_apart_from_a_github_that_is_down() {
        let server = StandIn::start(|seen| match seen.path.as_str() {
            "/rate_limit" => reply(200, &json!({})),
            _ => reply(502, &json!({"message": "Server Error"})),
        })
        .await;
        let reader = github(&server).reader(None);
        for _ in 0..5 {
            let failed = reader.get::<u8>("/poison").await.unwrap_err();
            assert!(matches!(failed, GitHubError::Unavailable(_)), "{failed}");
        }
    }

    #[tokio::test]
    async fn while_the_breaker_is_open_github_is_left_alone_and_then_one_request_looks() {
        let down = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let is_down = Arc::clone(&down);
        let server = StandIn::start(move |_| {
            let down = is_down.load(std::sync::atomic::Ordering::SeqCst);
            if down { reply(503, &json!({})) } else { reply(200, &json!(1)) }
        })
        .await;
        let open = Duration::from_millis(300);
        let breaker = BreakerTerms { failures: 3, open, open_cap: open };
        let github =
            GitHub::with_first_wait(Settings { breaker, ..server.settings() }, Duration::from_millis(1)).unwrap();
        let reader = github.anonymous();
        assert!(matches!(reader.get::<u8>("/x").await, Err(GitHubError::Down { .. })));
        assert_eq!(server.seen().len(), 3, "it opened before the fourth try");
        assert!(matches!(reader.get::<u8>("/x").await, Err(GitHubError::Down { .. })));
        assert_eq!(server.seen().len(), 3, "left alone");
        assert_eq!(github.troubles()[0].trouble, crate::github::limits::Trouble::Open);

        down.store(false, std::sync::atomic::Ordering::SeqCst);
        let failed = reader.get::<u8>("/x").await;
        let Err(GitHubError::Down { retry_after }) = failed else { panic!("{failed:?}") };
        tokio::time::sleep(retry_after).await;
        let all = futures_util::future::join_all((0..8).map(|_| reader.get::<u8>("/x"))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        assert_eq!(server.seen().iter().filter(|line| line.ends_with("/rate_limit")).count(), 1);
        assert!(github.troubles().is_empty());
    }

    #[tokio::test]
    async fn where_nobody_listens_github_is_down() {
        let server = StandIn::start(|_| reply(200, &json!(1))).await;
        let nobody = Settings { api_url: StandIn::closed_address().await, ..server.settings() };
        let github = GitHub::with_first_wait(nobody, Duration::from_millis(1)).unwrap();
        let failed = github.reader(None).get::<u8>("/x").await.unwrap_err();
        assert!(matches!(&failed, GitHubError::Down { .. }), "{failed}");
    }

    #[tokio::test]
    async fn a_request_without_an_answer_is_given_up() {
        let answer = |seen: &Seen| if seen.path == "/y" { Reply::never() } else { reply(200, &json!({})) };
        let server = StandIn::start(answer).await;
        let hasty = Settings { timeout: Duration::from_millis(20), ..server.settings() };
        let writer = GitHub::new(hasty).unwrap().open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
        let failed = writer.send::<Value>(http::Method::POST, "/y", &json!({})).await.unwrap_err();
        assert!(matches!(&failed, GitHubError::Unavailable(why) if why.contains("timed out")), "{failed}");
    }

    #[tokio::test]
    async fn pages_are_followed_to_the_last_or_the_bound() {
        let server = StandIn::start(|seen| {
            let page: u32 = seen.path.rsplit_once("page=").and_then(|(_, n)| n.parse().ok()).unwrap_or(1);
            let page = if seen.path.ends_with("per_page=100") { 1 } else { page };
            let link = format!("<https://elsewhere/api/v3/list?per_page=100&page={}>; rel=\"next\"", page + 1);
            let body = json!({"total_count": 9, "things": [page]});
            let answer = reply(200, &body);
            if page < 3 { answer.with("link", &link) } else { answer }
        })
        .await;
        let below = format!("{}/api/v3", server.settings().api_url.to_string().trim_end_matches('/'));
        let settings = Settings { api_url: below.parse().unwrap(), ..server.settings() };
        let reader = GitHub::new(settings).unwrap().anonymous();
        let all = reader.get_all::<u32>("/list", Some("things"), 3).await.unwrap();
        assert_eq!(all, Listed { items: vec![1, 2, 3], complete: true });
        assert_eq!(all.whole("things").unwrap(), [1, 2, 3]);
        let some = reader.get_all::<u32>("/list", Some("things"), 2).await.unwrap();
        assert_eq!(some, Listed { items: vec![1, 2], complete: false });
        let cut_off = some.whole("things").unwrap_err();
        assert!(matches!(&cut_off, GitHubError::Refused { status: 0, .. }));
        assert_eq!(cut_off.to_string(), "refused: GitHub lists only the first 2 things, and there may be more");
        assert_eq!(server.seen()[1], "GET /api/v3/list?per_page=100&page=2");
        let missing = reader.get_all::<u32>("/list", Some("others"), 2).await.unwrap_err();
        assert!(matches!(missing, GitHubError::Unreadable(_)));
    }

    #[tokio::test]
    async fn a_moved_repository_is_followed_and_another_host_gets_no_token() {
        let other = StandIn::start(|_| reply(200, &json!(2))).await;
        let elsewhere = format!("{}x", other.settings().api_url);
        let server = StandIn::start(move |seen| match seen.path.as_str() {
            "/old" => reply(301, &json!({})).with("location", "/new"),
            "/loop" => reply(302, &json!({})).with("location", "/loop"),
            "/away" => reply(307, &json!({})).with("location", &elsewhere),
            _ => reply(200, &json!(1)),
        })
        .await;
        let github = github(&server);
        assert_eq!(github.reader(None).get::<u8>("/old").await.unwrap(), 1);
        assert!(server.requests()[1].headers.contains_key("authorization"));
        assert!(github.reader(None).get::<u8>("/loop").await.unwrap_err().to_string().contains("too many redirects"));
        // A plain http host other than ours is not followed at all.
        assert!(github.reader(None).get::<u8>("/away").await.unwrap_err().to_string().contains("redirected away"));
        assert_eq!(other.seen().len(), 0);
        let writer = github.open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
        let away = writer.send::<Value>(http::Method::POST, "/away", &json!({})).await.unwrap_err();
        assert!(away.to_string().contains("redirected away"), "{away}");
        assert_eq!(other.seen().len(), 0);
    }

    #[tokio::test]
    async fn a_change_follows_a_renamed_repository_as_it_is_or_not_at_all() {
        let server = StandIn::start(|seen| match seen.path.as_str() {
            "/renamed" => reply(307, &json!({})).with("location", "/kept"),
            "/kept" => reply(308, &json!({})).with("location", "/new"),
            "/old" => reply(301, &json!({})).with("location", "/new"),
            "/loop" => reply(308, &json!({})).with("location", "/loop"),
            "/off" => reply(307, &json!({})).with("location", "https://elsewhere.example/new"),
            _ => reply(200, &json!(1)),
        })
        .await;
        let writer = github(&server).open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
        let change = json!({"title": "x"});
        assert_eq!(writer.send::<u8>(http::Method::PATCH, "/renamed", &change).await.unwrap(), 1);
        assert_eq!(server.seen(), ["PATCH /renamed", "PATCH /kept", "PATCH /new"]);
        let last = server.requests().remove(2);
        assert_eq!(last.body, change);
        assert!(last.headers.contains_key("authorization"));
        let failed = async |path: &str| writer.send::<u8>(http::Method::POST, path, &change).await.unwrap_err();
        let moved = failed("/old").await;
        assert!(matches!(&moved, GitHubError::Refused { status: 301, message } if message.contains("/new")), "{moved}");
        assert!(failed("/off").await.to_string().contains("redirected away"));
        assert_eq!(server.seen().len(), 5, "neither was followed");
        assert!(failed("/loop").await.to_string().contains("too many redirects"));
        assert_eq!(server.seen().len(), 11);
    }

    #[tokio::test]
    async fn a_limit_is_told_and_not_tried_again() {
        let limited = reply(403, &json!({"message": "You have exceeded a secondary rate limit"}));
        let server = StandIn::start(in_turn(vec![limited.with("retry-after", "30")])).await;
        let failed = github(&server).reader(None).get::<u8>("/x").await.unwrap_err();
        assert!(matches!(failed, GitHubError::Limited { retry_after, .. } if retry_after.as_secs() == 30));
        assert_eq!(server.seen().len(), 1);
    }
}
