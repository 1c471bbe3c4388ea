//! The stylesheet, the script and the icon, in the binary. Their URLs hold a hash of what is in them, so browsers keep them for ever.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use warp::Filter;
use warp::reply::Response;

use super::error::{HttpError, answer};
use super::page;
use super::routes::Routes;

const STYLESHEET: &str = include_str!("../../assets/orchd.css");
const SCRIPT: &str = include_str!("../../assets/orchd.js");
const ICON: &str = include_str!("../../assets/orchd.svg");

static STYLESHEET_URL: LazyLock<String> = LazyLock::new(|| url("css", STYLESHEET));
static SCRIPT_URL: LazyLock<String> = LazyLock::new(|| url("js", SCRIPT));
static ICON_URL: LazyLock<String> = LazyLock::new(|| url("svg", ICON));

fn url(ending: &str, content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    let hash = digest.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!("/assets/orchd-{hash}.{ending}")
}

/// For templates: the URL of the stylesheet.
pub(super) fn stylesheet() -> &'static str {
    &STYLESHEET_URL
}

/// For templates: the URL of the script.
pub(super) fn script() -> &'static str {
    &SCRIPT_URL
}

/// For templates: the URL of the icon.
pub(super) fn icon() -> &'static str {
    &ICON_URL
}

pub(super) fn routes() -> Routes {
    warp::path!("assets" / String).and(warp::get()).map(|name: String| answer(show(&name))).boxed()
}

/// The file of that name below `/assets/`.
fn show(name: &str) -> Result<Response, HttpError> {
    let is = |url: &str| url.strip_prefix("/assets/") == Some(name);
    if is(&STYLESHEET_URL) {
        Ok(page::asset("text/css; charset=utf-8", STYLESHEET))
    } else if is(&SCRIPT_URL) {
        Ok(page::asset("text/javascript; charset=utf-8", SCRIPT))
    } else if is(&ICON_URL) {
        Ok(page::asset("image/svg+xml", ICON))
    } else {
        Err(HttpError::NotFound("there is no such file".to_owned()))
    }
}
