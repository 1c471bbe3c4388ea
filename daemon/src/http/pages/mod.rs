//! The dashboard: pages drawn on the server, complete without a script.
//!
//! | what | where |
//! |---|---|
//! | which URL leads to which page or deed | the table below, one line each |
//! | what a page may know and do | [`Visit::ask`]: the API's own operations, for whoever visits |
//! | what is around a page | [`Layout`] and `templates/pages/layout.html` |
//!
//! Owns forms, links and looks. Refuses to know who may see or do what, and how things are stored: a page asks the API's
//! operations as a program would, so what the table of operations refuses is refused here, too (invariant 12).
//!
//! Invariant: whatever changes something is a form with the session's token, and leads on to a page that is asked for by GET.

mod audit;
mod audit_export;
mod audit_proof;
mod changes;
mod chart;
mod config;
mod config_edit;
mod event;
mod events;
mod form;
mod item;
mod jobs;
mod json;
mod keys;
mod layout;
mod overview;
mod parts;
mod people;
mod repositories;
mod repository;
mod rollback;
mod rollbacks;
mod rule;
mod rules;
mod settings;
mod shadow;
mod states;
mod story;
mod trial;
mod try_rule;
mod visit;

use std::future::Future;
use std::pin::{Pin, pin};

use bytes::Buf;
use futures_util::Stream;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

pub(super) use self::events::event_row;
use self::layout::Layout;
use self::visit::Visit;
use super::App;
use super::asked::{Asked, Form, asked, read_form};
use super::caller::Caller;
use super::error::{HttpError, answer};
use super::routes::Routes;
use super::{body, page, reply, session};
use crate::core::access::fits;

/// Bytes of a form: a config file of ten thousand lines fits in it.
const LARGEST_FORM: u64 = 1 << 20;

type Answer = Pin<Box<dyn Future<Output = Result<Response, HttpError>> + Send>>;

/// A URL of the dashboard.
struct Route {
    method: Method,
    /// With parameters in braces, as in the table of operations.
    path: &'static str,
    handle: fn(Visit) -> Answer,
}

macro_rules! pages {
    ($($method:ident $path:literal $handler:path;)*) => {
        static ROUTES: &[Route] = &[
            $(Route { method: Method::$method, path: $path, handle: |visit| Box::pin($handler(visit)) },)*
        ];
    };
}

// In the order in which paths are compared.
pages! {
    GET "/" overview::show;
    GET "/events" events::show;
    GET "/rules" rules::show;
    GET "/rules/{rule*}" rule::show;
    POST "/rules/{rule*}" try_rule::send;
    GET "/shadow/{rule*}" shadow::show;
    POST "/breakers/reset" rules::reset_all;
    POST "/breakers/{id}/reset" rules::reset;
    GET "/config" config::show;
    GET "/config/effective" config::effective;
    GET "/config/edit" config_edit::show;
    POST "/config/edit" config_edit::send;
    POST "/config/{revision}/confirm" config::confirm;
    POST "/config/{revision}/rollback" config::roll_back;
    GET "/events/{id}" event::show;
    GET "/events/{id}/payload" event::payload;
    POST "/events/{id}/replay" event::replay;
    GET "/items/{owner}/{name}/{number}" item::show;
    POST "/items/{owner}/{name}/{number}/analyze" item::analyze;
    GET "/repositories" repositories::show;
    POST "/repositories/refresh" repositories::refresh;
    GET "/repositories/{owner}/{name}" repository::show;
    GET "/jobs" jobs::list;
    GET "/jobs/{id}" jobs::show;
    POST "/jobs/{id}/retry" jobs::retry;
    POST "/jobs/{id}/discard" jobs::discard;
    GET "/rollbacks" rollbacks::list;
    POST "/rollbacks" rollbacks::plan;
    GET "/rollbacks/new" rollbacks::new;
    GET "/rollbacks/{id}" rollback::show;
    POST "/rollbacks/{id}/execute" rollback::execute;
    GET "/audit" audit::list;
    GET "/audit/export" audit_export::export;
    POST "/audit/verify" audit_proof::verify;
    GET "/audit/{seq}" audit::show;
    GET "/settings" settings::show;
    POST "/settings/sessions/{id}/end" settings::end_session;
    GET "/settings/keys" keys::list;
    POST "/settings/keys" keys::create;
    GET "/settings/keys/new" keys::new;
    POST "/settings/keys/{id}/revoke" keys::revoke;
    GET "/settings/people" people::list;
    POST "/settings/people/{id}/sign-out" people::sign_out;
}

pub(super) fn routes(app: &App) -> Routes {
    warp::path::full()
        .and(warp::method())
        .and_then(async |path: FullPath, method: Method| find(path.as_str(), &method))
        .and(asked(app))
        .and(warp::body::stream())
        .then(async |found, asked, body| answer(visited(found, asked, body).await))
        .boxed()
}

/// A page, its path as it was asked for, and the path's parameters.
type Found = (&'static Route, String, Vec<String>);

fn find(path: &str, method: &Method) -> Result<Found, Rejection> {
    let fitting = || ROUTES.iter().filter_map(|route| Some((route, fits(route.path, path)?)));
    let Some((route, parameters)) = fitting().find(|(route, _)| route.method == *method) else {
        return Err(warp::reject::not_found());
    };
    let decode = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
    let parameters: Result<_, _> = parameters.into_iter().map(decode).collect();
    Ok((route, path.to_owned(), parameters.map_err(|_| warp::reject::not_found())?))
}

/// Whoever is not signed in is sent to do so, and comes back.
async fn visited<S, B>(found: Found, asked: Asked, body: S) -> Result<Response, HttpError>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let (route, path, parameters) = found;
    let writes = route.method == Method::POST;
    let arrival = asked.arrival.as_ref();
    let arrival = arrival.ok_or_else(|| HttpError::Internal { cause: "a request came from nowhere".to_owned() })?;
    let caller = match Caller::of(&asked.app, arrival, &asked.headers).await {
        Ok(caller) if caller.session().is_some() => caller,
        refused => {
            // Nobody makes the daemon keep a form who may not send one.
            body::discard(pin!(body), &asked.headers).await;
            return match refused {
                Ok(_) | Err(HttpError::Unauthorised(_)) => to_sign_in(&path, &asked.query, writes, &asked.headers),
                Err(other) => Err(other),
            };
        }
    };
    let (asked, form) = match writes {
        true => read_form(asked, body, LARGEST_FORM).await?,
        false => (asked, Form::default()),
    };
    let Asked { app, headers, query, .. } = asked;
    if writes && let Some(session) = caller.session() {
        session::check_csrf(&headers, form.get("csrf"), session, &app.config())?;
    }
    (route.handle)(Visit { app, caller, parameters, query, form }).await
}

/// A program that looks at the front door is told what this is.
fn to_sign_in(path: &str, query: &Form, writes: bool, headers: &HeaderMap) -> Result<Response, HttpError> {
    if path == "/" && !super::arrival::wants_page(headers) {
        return Ok(reply::front());
    }
    let there = if writes { "/".to_owned() } else { visit::url(path, &query.filled()) };
    page::see_other(&visit::url("/login", &[("return_to".to_owned(), there)]))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_url_stands_once_and_is_reached() {
        let mut seen = HashSet::new();
        for route in ROUTES {
            assert!(seen.insert((&route.method, route.path)), "{} twice", route.path);
            let path = route.path.replace(['{', '}', '*'], "");
            let found = find(&path, &route.method).map(|(found, ..)| found.path);
            assert_eq!(found.ok(), Some(route.path), "another path stands before it");
        }
    }

    #[test]
    fn what_is_no_page_is_nothing() {
        for path in ["", "/nothing", "/events/", "//", "/%ff"] {
            assert!(find(path, &Method::GET).is_err(), "{path}");
        }
        assert!(find("/", &Method::DELETE).is_err());
    }
}
