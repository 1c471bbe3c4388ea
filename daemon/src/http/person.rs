//! What a person may, who signed in or whose key it is: GitHub is asked with their own token.

use std::sync::Arc;

use chrono::Utc;
use secrecy::SecretString;

use super::App;
use super::error::HttpError;
use crate::engine::login::{self, Means, TokenError, fresh_token};
use crate::engine::sight::{SightError, Sighted};
use crate::store::StoreError;
use crate::store::users::UserRow;

/// Tokens that are tried: one that GitHub refuses may just have been renewed, by another daemon too.
const TRIES: u32 = 3;

/// What they see now, and under which name.
///
/// # Errors
/// 401 when they have to sign in again, 503 when GitHub does not answer. Never "nothing" instead of an error.
pub(super) async fn sight_of(app: &App, user: &UserRow) -> Result<Sighted, HttpError> {
    let means = app.means();
    let means = means.map_err(|lacking| HttpError::Unauthorised(lacking.to_string()))?;
    for _ in 0..TRIES {
        let mut used = None;
        let token = async {
            let token = fresh_token(&app.db, &means, user.id, Utc::now()).await.map_err(Arc::new)?;
            used = Some(token.clone());
            Ok::<_, Arc<TokenError>>(token)
        };
        match app.sights.of(user.github_id, token).await {
            Ok(sighted) => {
                note_name(app, user, &sighted.login).await;
                return Ok(sighted);
            }
            Err(SightError::SignedOut) => give_up(app, &means, user, used).await?,
            Err(SightError::Token(error)) => return Err(explain(&error)),
            Err(error @ (SightError::GitHub(_) | SightError::Unsettled)) => {
                return Err(unavailable(&error.to_string()));
            }
        }
    }
    Err(unavailable("the person's token changes faster than GitHub can be asked"))
}

/// Whether GitHub can be asked as them, as far as it can be told without asking.
///
/// # Errors
/// When the store fails.
pub(super) async fn can_ask(app: &App, user: &UserRow) -> Result<bool, StoreError> {
    match app.means() {
        Ok(means) => login::can_ask(&app.db, &means.keyring, user.id, Utc::now()).await,
        Err(_lacking) => Ok(false),
    }
}

/// The token that GitHub refused goes. `None`: another request asked with it, and sees to that.
///
/// # Errors
/// 401, unless theirs is another by now: then it is worth a try.
async fn give_up(app: &App, means: &Means, user: &UserRow, refused: Option<SecretString>) -> Result<(), HttpError> {
    let Some(refused) = refused else { return Ok(()) };
    let given_up = login::give_up(&app.db, &means.keyring, user.id, &refused, Utc::now()).await;
    if given_up.map_err(|error| explain(&error))? { Err(again()) } else { Ok(()) }
}

/// What GitHub calls them now is what they go by. Not worth a request: it is told again with the next answer.
async fn note_name(app: &App, user: &UserRow, login: &str) {
    if user.login == login {
        return;
    }
    tracing::info!(from = user.login, to = login, "a person has another name on GitHub");
    if let Err(error) = app.db.rename_user(user.id, login).await {
        tracing::warn!(%error, "the new name of a person was not noted");
    }
}

fn explain(error: &TokenError) -> HttpError {
    match error {
        TokenError::SignInAgain => again(),
        TokenError::Unavailable(cause) => unavailable(cause),
        other => HttpError::Internal { cause: other.to_string() },
    }
}

fn again() -> HttpError {
    HttpError::Unauthorised("GitHub does not accept the sign-in any more: sign in again at /login".to_owned())
}

fn unavailable(cause: &str) -> HttpError {
    let detail = "GitHub does not tell now what you may see".to_owned();
    HttpError::Unavailable { detail, cause: Some(cause.to_owned()) }
}
