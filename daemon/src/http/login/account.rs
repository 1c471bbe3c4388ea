//! `GET /account` and what it offers: one's own sessions, and ways to end them.

use chrono::Utc;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use uuid::Uuid;
use warp::reply::Response;

use super::pages::{AccountPage, SessionLine};
use super::{Asked, Form};
use crate::core::audit::Actor;
use crate::http::error::HttpError;
use crate::http::page;
use crate::http::person;
use crate::http::session::{self, COOKIE_NAME, Session};

const ACCOUNT: &str = "/account";
const SIGN_IN: &str = "/login";
const SIGNED_OUT: &str = "/login?signed_out=1";

pub(super) async fn show(asked: Asked) -> Result<Response, HttpError> {
    let now = Utc::now();
    let Some(session) = session::of(&asked.app, &asked.headers, now).await? else { return page::see_other(SIGN_IN) };
    let rows = asked.app.db.sessions_of(session.user.id, now).await?;
    let sessions: Vec<_> = rows.iter().map(|row| SessionLine::of(row, row.id == session.row.id)).collect();
    let csrf = session.csrf.expose_secret();
    let can_ask = person::can_ask(&asked.app, &session.user).await?;
    page::html(StatusCode::OK, &AccountPage { login: &session.user.login, csrf, can_ask, sessions: &sessions })
}

pub(super) async fn sign_out(asked: Asked, form: Form) -> Result<Response, HttpError> {
    let Some(session) = allowed(&asked, &form).await? else { return page::see_other(SIGN_IN) };
    asked.app.db.end_session(session.user.id, session.row.id, person(&session), Utc::now()).await?;
    signed_out()
}

pub(super) async fn sign_out_everywhere(asked: Asked, form: Form) -> Result<Response, HttpError> {
    let Some(session) = allowed(&asked, &form).await? else { return page::see_other(SIGN_IN) };
    asked.app.db.end_sessions(session.user.id, person(&session), Utc::now()).await?;
    signed_out()
}

/// Ends one of one's own sessions. One that is gone, or somebody else's, is not there.
pub(super) async fn end(asked: Asked, form: Form, id: Uuid) -> Result<Response, HttpError> {
    let Some(session) = allowed(&asked, &form).await? else { return page::see_other(SIGN_IN) };
    if !asked.app.db.end_session(session.user.id, id, person(&session), Utc::now()).await? {
        return Err(HttpError::NotFound("you have no such session".to_owned()));
    }
    if id == session.row.id { signed_out() } else { page::see_other(ACCOUNT) }
}

/// Whose form it is, if it is one of ours; `None`: they are not signed in.
async fn allowed(asked: &Asked, form: &Form) -> Result<Option<Session>, HttpError> {
    let Some(session) = session::of(&asked.app, &asked.headers, Utc::now()).await? else { return Ok(None) };
    session::check_csrf(&asked.headers, form.get("csrf"), &session, &asked.app.config())?;
    Ok(Some(session))
}

fn person(session: &Session) -> Actor {
    Actor::Person(session.user.login.clone())
}

fn signed_out() -> Result<Response, HttpError> {
    let mut response = page::see_other(SIGNED_OUT)?;
    page::set_cookie(&mut response, COOKIE_NAME, "", 0);
    Ok(response)
}
