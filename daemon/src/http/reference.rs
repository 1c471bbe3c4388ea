//! The API's description, to read: `GET /api`, and the table of `docs/api.md`.

use std::fmt::Write as _;

use askama::Template;
use http::StatusCode;
use warp::Filter;
use warp::reply::Response;

use super::api::{Param, parameters};
use super::assets::{icon, script, stylesheet};
use super::error::{HttpError, answer};
use super::page;
use super::routes::Routes;
use crate::core::access::{Needs, OPERATIONS, Operation, Scope};

#[derive(Template)]
#[template(path = "api.html")]
struct ReferencePage {
    areas: Vec<Area>,
    scopes: &'static [Scope],
}

/// Operations about one kind of thing.
struct Area {
    name: &'static str,
    operations: Vec<Line>,
}

struct Line {
    operation: &'static Operation,
    /// As in the description: without the mark of a parameter that takes the rest of the path.
    path: String,
    needs: String,
    query: &'static [Param],
}

pub(super) fn routes() -> Routes {
    warp::path!("api").and(warp::get()).map(|| answer(show())).boxed()
}

fn show() -> Result<Response, HttpError> {
    let mut areas: Vec<Area> = Vec::new();
    for operation in OPERATIONS {
        let name = operation.name.split('.').next().unwrap_or(operation.name);
        let line = Line {
            operation,
            path: operation.path.replace("*}", "}"),
            needs: needs(operation.needs),
            query: parameters(operation.op),
        };
        match areas.iter_mut().find(|area| area.name == name) {
            Some(area) => area.operations.push(line),
            None => areas.push(Area { name, operations: vec![line] }),
        }
    }
    page::html(StatusCode::OK, &ReferencePage { areas, scopes: Scope::ALL })
}

/// The table of operations for `docs/api.md`.
pub fn markdown() -> String {
    let mut table = String::from("| Operation | Request | For | Scope | What |\n|---|---|---|---|---|\n");
    for operation in OPERATIONS {
        let Operation { name, method, help, .. } = operation;
        let (path, needs) = (operation.path.replace("*}", "}"), needs(operation.needs));
        let scope = operation.scope.map_or_else(String::new, |scope| format!("`{scope}`"));
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| `{name}` | `{method} {path}` | {needs} | {scope} | {help} |");
        let query: Vec<_> = parameters(operation.op).iter().map(|param| format!("`{}`", param.name)).collect();
        if !query.is_empty() {
            let _ = writeln!(table, "| | `?` {} | | | |", query.join(" "));
        }
    }
    table
}

fn needs(needs: Needs) -> String {
    match needs {
        Needs::Nothing => "anybody".to_owned(),
        Needs::Oneself => "whoever signed in".to_owned(),
        Needs::Repository(level) => format!("{level} in the repository"),
        Needs::Site(level) => format!("{level} of orchd"),
    }
}
