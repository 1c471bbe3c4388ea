//! The stylesheet and the icon, in the binary. Their URLs hold a hash of what is in them, so browsers keep them for ever.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use warp::reply::Response;

use super::page;
use crate::http::error::HttpError;

const STYLESHEET: &str = include_str!("../../../assets/orchd.css");
const ICON: &str = include_str!("../../../assets/orchd.svg");

pub(super) static STYLESHEET_URL: LazyLock<String> = LazyLock::new(|| url("css", STYLESHEET));
pub(super) static ICON_URL: LazyLock<String> = LazyLock::new(|| url("svg", ICON));

fn url(ending: &str, content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    let hash = digest.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!("/assets/orchd-{hash}.{ending}")
}

/// The file of that name below `/assets/`.
pub(super) fn show(name: &str) -> Result<Response, HttpError> {
    let is = |url: &str| url.strip_prefix("/assets/") == Some(name);
    if is(&STYLESHEET_URL) {
        Ok(page::asset("text/css; charset=utf-8", STYLESHEET))
    } else if is(&ICON_URL) {
        Ok(page::asset("image/svg+xml", ICON))
    } else {
        Err(HttpError::NotFound("there is no such file".to_owned()))
    }
}
