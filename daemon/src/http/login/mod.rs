//! Signing in and out, and the page about oneself.
//!
//! | URL | what |
//! |---|---|
//! | `GET /login`, `POST /login` | the button, and off to GitHub |
//! | `GET /login/callback` | back from GitHub |
//! | `GET /account` | one's own sessions |
//! | `POST /account/sessions/ID/end` | ends one of them |
//! | `POST /logout`, `POST /logout/everywhere` | signs out |
//!
//! Owns cookies and pages; who people are is `engine::login`'s affair. Whatever changes something takes a token of the
//! session and an origin of ours; signing in, where there is no session yet, takes the origin, and a cookie on the way back.

mod account;
mod arriving;
mod failures;
mod leaving;
mod pages;
mod return_to;

use std::future::Future;

use uuid::Uuid;
use warp::Filter;
use warp::reply::Response;

pub(super) use self::pages::browser;
use super::App;
use super::asked::{Asked, Form, asked, done, read_form};
use super::error::{HttpError, answer};
use super::routes::Routes;

/// Cookie of a browser on its way to GitHub and back.
const LEAVING_COOKIE: &str = "__Host-orchd-login";

/// Bytes of a form: ours hold a path and a token.
const LARGEST_FORM: u64 = 8 * 1024;

pub(super) fn routes(app: &App) -> Routes {
    let show = warp::path!("login").and(warp::get()).and(asked(app)).then(|asked| done(leaving::show(asked)));
    let arrive = warp::path!("login" / "callback").and(warp::get()).and(asked(app));
    let arrive = arrive.then(|asked| done(arriving::arrive(asked)));
    let account = warp::path!("account").and(warp::get()).and(asked(app)).then(|asked| done(account::show(asked)));

    let leave = warp::path!("login").and(warp::post()).and(form(app)).then(|sent| taken(sent, leaving::leave));
    let out = warp::path!("logout").and(warp::post()).and(form(app)).then(|sent| taken(sent, account::sign_out));
    let everywhere = warp::path!("logout" / "everywhere").and(warp::post()).and(form(app));
    let everywhere = everywhere.then(|sent| taken(sent, account::sign_out_everywhere));
    let end = warp::path!("account" / "sessions" / Uuid / "end").and(warp::post()).and(form(app));
    let end = end.then(|id, sent| taken(sent, move |asked, form| account::end(asked, form, id)));

    let shown = show.or(arrive).unify().or(account).unify();
    shown.or(leave).unify().or(out).unify().or(everywhere).unify().or(end).unify().boxed()
}

type Sent = Result<(Asked, Form), HttpError>;

/// With a body.
fn form(app: &App) -> impl Filter<Extract = (Sent,), Error = warp::Rejection> + Clone + Send + Sync + 'static {
    asked(app).and(warp::body::stream()).then(|asked, body| read_form(asked, body, LARGEST_FORM))
}

async fn taken<F, R>(sent: Sent, handle: F) -> Response
where
    F: FnOnce(Asked, Form) -> R,
    R: Future<Output = Result<Response, HttpError>>,
{
    match sent {
        Ok((asked, form)) => answer(handle(asked, form).await),
        Err(error) => error.into_response(),
    }
}
