//! `GET /login/callback`: back from GitHub.

use chrono::Utc;
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use warp::reply::Response;

use super::failures::{admit, note_failure};
use super::pages::ProblemPage;
use super::{Asked, LEAVING_COOKIE};
use crate::core::text;
use crate::engine::login::token::Token;
use crate::engine::login::{self, Return, SignInError, SignedIn, Terms};
use crate::github::oauth::OAuthError;
use crate::http::error::HttpError;
use crate::http::page;
use crate::http::session::{self, COOKIE_NAME};

/// Signs in, or says why not. Whatever it comes to, the browser is no longer on its way.
pub(super) async fn arrive(asked: Asked) -> Result<Response, HttpError> {
    admit(&asked)?;
    let now = Utc::now();
    let means = asked.app.means().map_err(|error| HttpError::NotYet(error.to_string()))?;
    let config = asked.app.config();
    let terms = Terms { session: config.login.session, cap: config.login.session_cap };
    let back = Return {
        state: asked.query.get("state").and_then(Token::parse),
        browser: session::cookie(&asked.headers, LEAVING_COOKIE),
        before: session::cookie(&asked.headers, COOKIE_NAME),
        answer: answer_of(&asked),
        address: asked.address.map(|address| address.to_string()),
        agent: asked.agent(),
    };
    let mut response = match login::finish(&asked.app.db, &means, back, terms, now).await {
        Ok(signed_in) => {
            asked.app.sights.forget(signed_in.user.github_id).await;
            welcome(&signed_in, now)?
        }
        Err(SignInError::Store(error)) => return Err(error.into()),
        Err(SignInError::Seal(error)) => return Err(HttpError::Internal { cause: error.to_string() }),
        Err(error) => {
            note_failure(&asked.app, asked.address, &error.to_string(), now).await?;
            explain(&error)?
        }
    };
    page::set_cookie(&mut response, LEAVING_COOKIE, "", 0);
    Ok(response)
}

/// The code, or GitHub's word for why there is none.
fn answer_of(asked: &Asked) -> Result<SecretString, String> {
    if let Some(word) = asked.query.get("error") {
        return Err(text::shortened(&text::harmless(word)));
    }
    let code = asked.query.get("code").filter(|code| !code.is_empty());
    code.map(SecretString::from).ok_or_else(|| "neither a code nor an error".to_owned())
}

fn welcome(signed_in: &SignedIn, now: chrono::DateTime<Utc>) -> Result<Response, HttpError> {
    tracing::info!(login = signed_in.user.login, "somebody signed in");
    let mut response = page::see_other(&signed_in.return_to)?;
    let seconds = (signed_in.ends_at - now).num_seconds();
    page::set_cookie(&mut response, COOKIE_NAME, signed_in.token.secret().expose_secret(), seconds);
    Ok(response)
}

/// What happened, and who can do what about it.
fn explain(error: &SignInError) -> Result<Response, HttpError> {
    const AGAIN: &str = "Start again from this page.";
    const OPERATOR: &str = "Whoever runs this orchd has to look at its config and at the GitHub App's settings.";
    let happened = error.to_string();
    let (status, title, happened, advice) = match error {
        SignInError::NotExpected => (
            StatusCode::BAD_REQUEST,
            "This sign-in is over",
            "It took longer than ten minutes, was used before, or did not begin here.",
            AGAIN,
        ),
        SignInError::AnotherBrowser => (
            StatusCode::BAD_REQUEST,
            "This sign-in began elsewhere",
            "It came back to another browser, or to one that keeps no cookies.",
            AGAIN,
        ),
        SignInError::Denied => (
            StatusCode::FORBIDDEN,
            "You are not signed in",
            "On GitHub you did not allow orchd to know who you are.",
            "If that was a mistake, start again from this page.",
        ),
        SignInError::GitHub(OAuthError::Unavailable(_)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "GitHub does not answer",
            "GitHub could not be asked who you are.",
            "Try again in a moment.",
        ),
        SignInError::GitHub(OAuthError::CodeRefused | OAuthError::RefreshRefused | OAuthError::TokenRefused) => {
            (StatusCode::BAD_REQUEST, "GitHub refused this sign-in", happened.as_str(), AGAIN)
        }
        _ => (StatusCode::BAD_GATEWAY, "GitHub refused this sign-in", happened.as_str(), OPERATOR),
    };
    page::html(status, &ProblemPage { title, happened, advice })
}
