//! Sends the body to the daemon, again with the same name until it is taken or refused.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use orchd::core::forward::Body;
use orchd::core::text::{harmless, shortened};
use orchd::github::connection::Plain;
use orchd::github::webhook::sign;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::proof::{Proof, vouched_for_by_a_secret};
use crate::context::Context;
use crate::failure::Failure;

/// For one request. The daemon answers when the event is on disk.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Attempts, and the wait after the first, doubled each time: half a minute in all when nobody answers.
const ATTEMPTS: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest that a `Retry-After` is obeyed.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What the daemon has.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub event_id: String,
    pub status: String,
}

/// The way to the daemon.
pub(super) struct Post {
    connection: Plain,
    url: String,
}

/// What came of one attempt.
enum Tried {
    Done(Response<Bytes>),
    /// It may work later.
    Later {
        why: String,
        after: Option<Duration>,
    },
}

impl Post {
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(daemon: &Uri) -> Result<Self, Failure> {
        // The one who makes out tokens is asked over the same connection, and is always https on a real runner.
        let connection = Plain::new(true).or_else(|error| match daemon.scheme_str() {
            Some("http") => Plain::new(false),
            _ => Err(error),
        });
        let connection = connection.map_err(|error| Failure::failed(error.to_string()))?;
        let url = format!("{}/events/forward", daemon.to_string().trim_end_matches('/'));
        Ok(Self { connection, url })
    }

    /// Delivers the body.
    ///
    /// # Errors
    /// What to mend, or that nobody took it.
    pub(super) async fn deliver(
        &self,
        proof: &Proof,
        body: &Body,
        context: &mut Context<'_>,
    ) -> Result<Answer, Failure> {
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            let (request, length) = self.request(proof, body, context)?;
            let (why, after) = match self.once(request).await {
                Tried::Done(answer) => return read(&answer, length, &self.url),
                Tried::Later { why, after } => (why, after),
            };
            if attempt == ATTEMPTS {
                let told = format!("{} took nothing in {ATTEMPTS} attempts: {why}", self.url);
                return Err(Failure::failed(told));
            }
            let pause = after.unwrap_or(wait).min(LONGEST_WAIT);
            context.log.say(&format!("attempt {attempt}: {why}; trying again in {}s", pause.as_secs()));
            tokio::time::sleep(pause).await;
            wait *= 2;
        }
        Err(Failure::failed("nothing was tried"))
    }

    fn request(&self, proof: &Proof, body: &Body, context: &Context<'_>) -> Result<(Request<Bytes>, usize), Failure> {
        let broken = |what: &dyn std::fmt::Display| Failure::failed(format!("the request cannot be made: {what}"));
        let signed = match proof {
            Proof::Token(_) => body.clone(),
            Proof::Secret(_) => vouched_for_by_a_secret(body, &context.workflow, (context.now)())?,
        };
        let text = Bytes::from(serde_json::to_vec(&signed).map_err(|error| broken(&error))?);
        let (name, value) = match proof {
            Proof::Token(token) => (AUTHORIZATION.as_str(), format!("Bearer {}", token.expose_secret())),
            Proof::Secret(secret) => ("x-hub-signature-256", sign(secret, &text)),
        };
        let mut value = HeaderValue::from_str(&value).map_err(|error| broken(&error))?;
        value.set_sensitive(true);
        let request = Request::post(&self.url).header(CONTENT_TYPE, "application/json").header(name, value);
        let length = text.len();
        Ok((request.body(text).map_err(|error| broken(&error))?, length))
    }

    async fn once(&self, request: Request<Bytes>) -> Tried {
        match self.connection.send(request, TIMEOUT).await {
            Err(why) => Tried::Later { why: format!("no answer ({why})"), after: None },
            Ok(answer) if answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS => {
                let why = format!("it answered {}{}", answer.status().as_u16(), in_words(&answer));
                Tried::Later { why, after: retry_after(answer.headers()) }
            }
            Ok(answer) => Tried::Done(answer),
        }
    }

    /// Asks until there is an answer that is not for later; gives a good one's body.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn ask_patiently(
        &self,
        request: impl Fn() -> Result<Request<Bytes>, http::Error>,
    ) -> Result<Bytes, String> {
        let mut wait = FIRST_WAIT;
        for _ in 1..ATTEMPTS {
            match self.once(request().map_err(|error| error.to_string())?).await {
                Tried::Done(answer) if answer.status() == StatusCode::OK => return Ok(answer.into_body()),
                Tried::Done(answer) => return Err(format!("GitHub answered {}", answer.status().as_u16())),
                Tried::Later { after, .. } => tokio::time::sleep(after.unwrap_or(wait).min(LONGEST_WAIT)).await,
            }
            wait *= 2;
        }
        Err("GitHub does not answer".to_owned())
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// What the daemon says is wrong, made harmless.
fn in_words(answer: &Response<Bytes>) -> String {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let problem = serde_json::from_slice::<Problem>(answer.body()).ok();
    problem.map(|problem| format!(": {}", harmless(&shortened(&problem.detail)))).unwrap_or_default()
}

fn read(answer: &Response<Bytes>, length: usize, url: &str) -> Result<Answer, Failure> {
    let (status, said) = (answer.status(), in_words(answer));
    let from_orchd = !said.is_empty();
    Err(match status {
        StatusCode::ACCEPTED => match serde_json::from_slice::<Answer>(answer.body()) {
            Ok(read) if uuid::Uuid::try_parse(&read.event_id).is_ok() => {
                return Ok(Answer { status: harmless(&shortened(&read.status)), ..read });
            }
            _ => Failure::setup(format!("{url} answered, and it is no orchd: check the input `url`")),
        },
        StatusCode::UNAUTHORIZED => Failure::setup(format!(
            "the daemon does not believe whose run this is{said}. The inputs `url` or `audience` must be its \
             `forward.audience` (or `server.public_url`); with `secret`: one of its `forward.secrets`"
        )),
        StatusCode::FORBIDDEN if from_orchd => Failure::setup(format!(
            "the daemon's config does not allow this{said}. Whoever runs it can allow the repository in \
             `forward.repositories` and the workflow in `forward.workflows`"
        )),
        StatusCode::NOT_FOUND => Failure::setup(format!(
            "nothing takes forwarded events at {url}{said}: check the input `url`, and that the daemon's config has a \
             section `forward`"
        )),
        StatusCode::PAYLOAD_TOO_LARGE => Failure::setup(format!(
            "what is forwarded has {length} bytes, which is more than the daemon takes{said}: shorten `summary`, `outputs` or \
             `needs`, or raise its `forward.max_body`"
        )),
        status if status.is_redirection() => {
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
            Failure::setup(format!("{url} leads to {}: write the final address as `url`", harmless(&shortened(to))))
        }
        status => Failure::failed(format!("{url} answered {}{said}", status.as_u16())),
    })
}
