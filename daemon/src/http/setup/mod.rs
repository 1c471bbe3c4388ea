//! The pages and the webhook of the first run, on a server of their own: no daemon runs yet.
//!
//! | URL | what |
//! |---|---|
//! | `GET /setup?token=…` | lets one browser in, once |
//! | `GET /setup` | what will happen, and the button; later, how far it is |
//! | `GET /setup/callback` | back from GitHub |
//! | `POST /webhooks/github` | the test that GitHub sends |
//!
//! Owns who is let in. Whoever is not, is told nothing: there is no such page. What is done is `engine::setup`'s affair.

mod hook;
mod page;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{HeaderValue, REFERRER_POLICY};
use http::{HeaderMap, HeaderName, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Notify;
use warp::Filter;
use warp::reply::Response;

use self::page::{ButtonPage, ListLine, ListPage, PermissionLine, ProblemPage};
use super::body::LargeBodies;
use super::error::{HttpError, answer};
use super::routes::{Routes, rooted};
use super::session::{cookie, origin_of};
use super::{assets, headers};
use crate::core::text;
use crate::engine::login::same;
use crate::engine::login::token::Token;
use crate::engine::setup::{Line, Setup, SetupError, Standing};

/// Of the browser that was let in. `__Host-`: only this host can have set it, over https, for all its paths.
const COOKIE: &str = "__Host-orchd-setup";

/// Seconds that a browser stays let in: longer than anybody takes.
const LASTS: i64 = 24 * 60 * 60;

/// Asks a browser to look again, without a script. Not standardised, and understood by all.
const REFRESH: HeaderName = HeaderName::from_static("refresh");
const SOON: HeaderValue = HeaderValue::from_static("3");

/// Longest code and state that are looked at, in bytes; GitHub's codes have forty.
const LONGEST: usize = 200;

/// Who is let in, and to what.
pub struct Door {
    setup: Arc<Setup>,
    /// In the URL that is printed: good for one browser.
    token: Token,
    used: AtomicBool,
    /// In that browser's cookie from then on.
    browser: Token,
    /// Rung when the list was shown with nothing left to do.
    shown: Notify,
    large: LargeBodies,
}

impl Door {
    pub fn new(setup: Arc<Setup>) -> Self {
        Self {
            setup,
            token: Token::random(),
            used: AtomicBool::new(false),
            browser: Token::random(),
            shown: Notify::new(),
            large: LargeBodies::new(),
        }
    }

    /// What its owner opens. Whoever has it first is let in.
    pub fn url(&self) -> SecretString {
        format!("{}/setup?token={}", self.setup.plan().public_url, self.token.secret().expose_secret()).into()
    }

    /// Whether somebody came in.
    pub fn has_visitor(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// Waits until the browser has seen that nothing is left to do.
    pub async fn shown(&self) {
        self.shown.notified().await;
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        cookie(headers, COOKIE).is_some_and(|token| is(&token, &self.browser))
    }

    /// Whether this is the token, and nobody came with it before.
    fn lets_in(&self, token: &str) -> bool {
        Token::parse(token).is_some_and(|token| is(&token, &self.token)) && !self.used.swap(true, Ordering::AcqRel)
    }
}

/// In a time that does not tell where they differ.
fn is(one: &Token, other: &Token) -> bool {
    same(one.secret().expose_secret().as_bytes(), other.secret().expose_secret().as_bytes())
}

/// All of it.
pub fn routes(door: &Arc<Door>) -> Routes {
    let asked = || {
        warp::header::headers_cloned().and(warp::query::raw().or(warp::any().map(String::new)).unify()).and(with(door))
    };
    let show = warp::path!("setup").and(warp::get()).and(asked());
    let show = show.map(|headers, query: String, door: Arc<Door>| answer(let_in(&headers, &query, &door)));
    let arrive = warp::path!("setup" / "callback").and(warp::get()).and(asked());
    let arrive = arrive.then(|headers, query: String, door: Arc<Door>| async move {
        answer(take_over(&headers, &query, &door).await)
    });
    let https = door.setup.plan().public_url.starts_with("https:");
    let areas = show.or(arrive).unify().or(hook::routes(door)).unify().or(assets::routes()).unify();
    let private = move |mut response: Response| {
        // Nobody whom a link leads to learns of the token.
        response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers::add(response.headers_mut(), https);
        response
    };
    rooted(areas).map(private).boxed()
}

fn with(door: &Arc<Door>) -> impl Filter<Extract = (Arc<Door>,), Error = Infallible> + Clone + Send + Sync + 'static {
    let door = Arc::clone(door);
    warp::any().map(move || Arc::clone(&door))
}

/// As where there is nothing.
fn nothing_here() -> HttpError {
    HttpError::NotFound("there is nothing at this URL".to_owned())
}

/// The value of a query, unless it is there twice or too long.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let (_, value) = found.next()?;
    (found.next().is_none() && value.len() <= LONGEST).then(|| value.into_owned())
}

/// Lets a browser in, or shows it how far it is.
fn let_in(headers: &HeaderMap, query: &str, door: &Door) -> Result<Response, HttpError> {
    let token = parameter(query, "token");
    match (door.knows(headers), token) {
        (true, None) => status_page(door),
        // The token stays in no address bar.
        (true, Some(_)) => super::page::see_other("/setup"),
        (false, Some(token)) if door.lets_in(&token) => {
            let mut response = super::page::see_other("/setup")?;
            super::page::set_cookie(&mut response, COOKIE, door.browser.secret().expose_secret(), LASTS);
            Ok(response)
        }
        (false, _) => Err(nothing_here()),
    }
}

fn status_page(door: &Door) -> Result<Response, HttpError> {
    if door.setup.app().is_none() {
        return button_page(door);
    }
    let lines: Vec<Line> = door.setup.list();
    let done = lines.iter().all(|line| line.standing == Standing::Done);
    let install_url = door.setup.app().map(|app| format!("{}/installations/new", app.record.html_url));
    let is_installed = lines.iter().any(|line| line.what == "Installation" && line.standing == Standing::Done);
    let page = ListPage {
        lines: &lines.into_iter().map(ListLine::from).collect::<Vec<_>>(),
        done,
        install_url: install_url.as_deref().filter(|_| !is_installed),
        start: &door.setup.plan().start_command(),
    };
    let mut response = super::page::html(StatusCode::OK, &page)?;
    if done {
        door.shown.notify_one();
    } else {
        response.headers_mut().insert(REFRESH, SOON);
    }
    Ok(response)
}

fn button_page(door: &Door) -> Result<Response, HttpError> {
    let plan = door.setup.plan();
    let state = door.setup.depart();
    let action = format!("{}?state={}", plan.registration_url(), state.secret().expose_secret());
    let permissions: Vec<_> =
        plan.needed.permissions.iter().map(|(name, need)| PermissionLine::of(name, need)).collect();
    let page = ButtonPage {
        name: &plan.name,
        owner: plan.organization.as_deref(),
        action: &action,
        manifest: &plan.manifest(),
        permissions: &permissions,
        events: &plan.needed.events.iter().map(|(name, need)| (*name, need.whose())).collect::<Vec<_>>(),
        unasked: &plan.needed.unasked.iter().map(|(name, need)| (name.as_str(), need.whose())).collect::<Vec<_>>(),
        webhook_url: &plan.webhook_url(),
        credentials: &plan.places.credentials.display().to_string(),
        config: &plan.places.config.display().to_string(),
        writes_config: plan.places.replace || !plan.places.config.exists(),
    };
    match origin_of(plan.web_url.as_bytes()) {
        Some(origin) => super::page::html_leading_to(&origin, &page),
        None => Err(HttpError::Internal { cause: "GitHub's URL has no origin".to_owned() }),
    }
}

/// Back from GitHub, with a code.
async fn take_over(headers: &HeaderMap, query: &str, door: &Door) -> Result<Response, HttpError> {
    if !door.knows(headers) {
        return Err(nothing_here());
    }
    let (state, code) = (parameter(query, "state").unwrap_or_default(), parameter(query, "code").unwrap_or_default());
    // In a task of its own: the code is good once, and whoever closes the page must not lose the App's key.
    let setup = Arc::clone(&door.setup);
    let arrived = tokio::spawn(async move { setup.arrive(&state, &code).await }).await;
    match arrived.map_err(|error| HttpError::Internal { cause: format!("it ended early: {error}") })? {
        // The code stays in no address bar, either.
        Ok(()) | Err(SetupError::AppExists) => super::page::see_other("/setup"),
        Err(error) => {
            tracing::warn!(%error, "the App was not taken over");
            let (status, advice) = advice(&error);
            super::page::html(status, &ProblemPage { happened: &text::harmless(&error.to_string()), advice })
        }
    }
}

fn advice(error: &SetupError) -> (StatusCode, &'static str) {
    const LEFT: &str = "If an App was made on GitHub, delete it there: nobody has its key.";
    match error {
        SetupError::UnknownState => (StatusCode::FORBIDDEN, "Go back to the first page and press the button there."),
        SetupError::Files(_) => (StatusCode::INTERNAL_SERVER_ERROR, LEFT),
        SetupError::Registration(_) => (StatusCode::BAD_GATEWAY, LEFT),
        SetupError::AppExists => (StatusCode::CONFLICT, ""),
    }
}
