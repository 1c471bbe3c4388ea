//! What a person may, who signed in or whose key it is: GitHub is asked with their own token.

use std::sync::Arc;

use chrono::Utc;

use super::App;
use super::error::HttpError;
use crate::core::access::Sight;
use crate::engine::login::{TokenError, fresh_token};
use crate::engine::sight::SightError;
use crate::store::users::UserRow;

/// What they see now.
///
/// # Errors
/// 401 when they have to sign in again, 503 when GitHub does not answer. Never "nothing" instead of an error.
pub(super) async fn sight_of(app: &App, user: &UserRow) -> Result<Sight, HttpError> {
    let means = app.means();
    let means = means.map_err(|lacking| HttpError::Unauthorised(lacking.to_string()))?;
    let token = async {
        let token = fresh_token(&app.db, &means.keyring, &means.oauth, user.id, Utc::now()).await;
        token.map_err(Arc::new)
    };
    match app.sights.of(&user.login, user.github_id, token).await {
        Ok(sighted) => Ok(sighted.sight),
        Err(SightError::SignedOut) => Err(again()),
        Err(SightError::Token(error)) => Err(match &*error {
            TokenError::SignInAgain => again(),
            TokenError::Unavailable(cause) => unavailable(cause),
            other => HttpError::Internal { cause: other.to_string() },
        }),
        Err(error @ (SightError::GitHub(_) | SightError::Unsettled)) => Err(unavailable(&error.to_string())),
    }
}

fn again() -> HttpError {
    HttpError::Unauthorised("GitHub does not accept the sign-in any more: sign in again at /login".to_owned())
}

fn unavailable(cause: &str) -> HttpError {
    let detail = "GitHub does not tell now what you may see".to_owned();
    HttpError::Unavailable { detail, cause: Some(cause.to_owned()) }
}
