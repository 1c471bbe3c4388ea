//! The App's installations, and the repositories each covers.

use serde::de::{Deserialize, Deserializer};
use serde_json::Value;

use super::GitHubError;
use super::client::{Listed, Reader};
use crate::core::event::InstallationId;
use crate::core::installation::{CoveredRepository, Installation};

/// 10,000 installations, and as many repositories of one.
const MOST_PAGES: u32 = 100;

/// Every installation of the App, suspended ones too. `app` reads as the App itself.
///
/// # Errors
/// As the requests fail.
pub async fn all(app: &Reader) -> Result<Listed<Installation>, GitHubError> {
    Ok(readable(app.get_all("/app/installations", None, MOST_PAGES).await?))
}

/// One installation. `app` reads as the App itself.
///
/// # Errors
/// As the request fails; `NotFound` when the App is not, or no longer, installed under this id.
pub async fn one(app: &Reader, id: InstallationId) -> Result<Installation, GitHubError> {
    let path = format!("/app/installations/{id}");
    let shown: Value = app.get(&path).await?;
    Installation::read(&shown).ok_or_else(|| GitHubError::Unreadable(format!("{path}: no installation in it")))
}

/// The repositories of the installation that `reader` reads as.
///
/// # Errors
/// As the requests fail.
pub async fn repositories(reader: &Reader) -> Result<Listed<CoveredRepository>, GitHubError> {
    Ok(readable(reader.get_all("/installation/repositories", Some("repositories"), MOST_PAGES).await?))
}

/// An entry of a list; GitHub describes each at a length of which little is kept.
struct Entry<T>(Option<T>);

macro_rules! entry {
    ($($kind:ty),*) => {$(
        impl<'de> Deserialize<'de> for Entry<$kind> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self(<$kind>::read(&Value::deserialize(deserializer)?)))
            }
        }
    )*};
}
entry!(Installation, CoveredRepository);

/// An entry that cannot be read must not pass for one that GitHub left out: then these are not all.
fn readable<T>(listed: Listed<Entry<T>>) -> Listed<T> {
    let given = listed.items.len();
    let items: Vec<T> = listed.items.into_iter().filter_map(|entry| entry.0).collect();
    let complete = listed.complete && items.len() == given;
    Listed { items, complete }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::github::client::GitHub;
    use crate::github::stand_in::{StandIn, reply};

    #[tokio::test]
    async fn a_list_with_an_entry_that_cannot_be_read_is_not_all() {
        let server = StandIn::start(|_| reply(200, &json!([{"id": 1, "account": {"login": "acme"}}, {}]))).await;
        let reader = GitHub::new(server.settings()).unwrap().reader(None);
        let listed = all(&reader).await.unwrap();
        assert_eq!((listed.items.len(), listed.complete), (1, false));
        assert_eq!(server.seen(), ["GET /app/installations?per_page=100"]);
    }
}
