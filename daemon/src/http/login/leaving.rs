//! `GET /login`, `POST /login`: off to GitHub.

use chrono::Utc;
use secrecy::ExposeSecret as _;
use warp::reply::Response;

use super::failures::depart;
use super::pages::LoginPage;
use super::return_to::ReturnTo;
use super::{Asked, Form, LEAVING_COOKIE};
use crate::engine::login::{self, LOGIN_WITHIN, NoMeans, SignInError};
use crate::http::error::HttpError;
use crate::http::page;
use crate::http::person;
use crate::http::session;

/// The button; or what the config lacks; or on, for whoever is signed in with a token that can be asked with.
pub(super) async fn show(asked: Asked) -> Result<Response, HttpError> {
    let return_to = ReturnTo::read(asked.query.get("return_to"));
    if let Some(session) = session::of(&asked.app, &asked.headers, Utc::now()).await?
        && person::can_ask(&asked.app, &session.user).await?
    {
        return page::see_other(return_to.as_str());
    }
    let shown = LoginPage {
        return_to: return_to.as_str(),
        missing: &[],
        broken: None,
        signed_out: asked.query.get("signed_out").is_some(),
    };
    match asked.app.means() {
        Ok(means) => page::html_leading_to(means.oauth.web_origin(), &shown),
        Err(NoMeans::Missing(missing)) => {
            page::html(http::StatusCode::SERVICE_UNAVAILABLE, &LoginPage { missing: &missing, ..shown })
        }
        Err(NoMeans::Broken(why)) => {
            page::html(http::StatusCode::SERVICE_UNAVAILABLE, &LoginPage { broken: Some(&why), ..shown })
        }
    }
}

/// Sends the browser to GitHub.
pub(super) async fn leave(asked: Asked, form: Form) -> Result<Response, HttpError> {
    session::check_origin(&asked.headers, &asked.app.config())?;
    depart(&asked)?;
    let means = asked.app.means().map_err(|error| HttpError::NotYet(error.to_string()))?;
    let return_to = ReturnTo::read(form.get("return_to"));
    let begun = login::begin(&asked.app.db, &means, return_to.as_str(), Utc::now()).await;
    let begun = begun.map_err(|error| match error {
        SignInError::Store(error) => error.into(),
        other => HttpError::Internal { cause: other.to_string() },
    })?;
    let mut response = page::see_other(&begun.url)?;
    let browser = begun.browser.secret().expose_secret();
    page::set_cookie(&mut response, LEAVING_COOKIE, browser, LOGIN_WITHIN.num_seconds());
    Ok(response)
}
