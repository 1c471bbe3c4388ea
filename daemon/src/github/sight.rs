//! What a person sees on GitHub of what the App is installed on, told to their own token.
//! <https://docs.github.com/en/rest/apps/installations#list-repositories-accessible-to-the-user-access-token>

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::Reader;
use super::{GitHubError, path, roles};
use crate::core::event::RepoName;
use crate::core::role::Role;

/// Of 100 installations each: the accounts that one person belongs to and that have the App are few.
const MOST_INSTALLATION_PAGES: u32 = 3;

/// Of 100 repositories each, of all installations together: 10,000 repositories, and 100 requests of the person's 5,000.
const MOST_REPOSITORY_PAGES: u32 = 100;

/// What GitHub shows of one person's repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// With the role in each.
    pub repositories: Vec<(RepoName, Role)>,
    /// Whose installations they are of, also those without a repository.
    pub owners: Vec<String>,
    /// What was left out, when there is more than is read: a sentence for the log.
    pub left_out: Option<String>,
}

#[derive(Deserialize)]
struct Installation {
    id: i64,
    account: Option<Account>,
    /// It can do nothing, and GitHub shows nothing of it.
    suspended_at: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    /// An enterprise has none.
    login: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    #[serde(default)]
    permissions: BTreeMap<String, bool>,
}

/// The repositories of the App's installations that `person` may see: one request, and one for each installation and 100
/// repositories of it.
///
/// # Errors
/// As the requests fail; `Refused` with status 401 when the token is not good any more. Nothing is given by halves.
pub async fn shown_to(person: &Reader) -> Result<Shown, GitHubError> {
    let listed =
        person.get_all::<Installation>("/user/installations", Some("installations"), MOST_INSTALLATION_PAGES).await?;
    let mut shown = Shown::default();
    if !listed.complete {
        shown.left_out = Some(format!("only the first {} installations are looked at", listed.items.len()));
    }
    let mut pages = MOST_REPOSITORY_PAGES;
    for installation in listed.items {
        shown.owners.extend(installation.account.and_then(|account| account.login));
        if installation.suspended_at.is_some() {
            continue;
        }
        if pages == 0 {
            shown.left_out = Some(format!("only the first {} repositories are looked at", shown.repositories.len()));
            break;
        }
        let path = format!("/user/installations/{}/repositories", installation.id);
        let found = match person.get_all::<Repository>(&path, Some("repositories"), pages).await {
            Ok(found) => found,
            // It was taken off meanwhile.
            Err(GitHubError::NotFound(_)) => continue,
            Err(error) => return Err(error),
        };
        pages -= u32::try_from(found.items.len().div_ceil(100)).unwrap_or(pages).clamp(1, pages);
        if !found.complete {
            shown.left_out = Some(format!("only {} repositories of one installation are looked at", found.items.len()));
        }
        let named = found.items.into_iter().filter_map(|repository| {
            Some((RepoName::parse(&repository.full_name).ok()?, roles::granted(&repository.permissions)))
        });
        shown.repositories.extend(named);
    }
    Ok(shown)
}

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Whose {
    pub id: i64,
    /// Theirs now: people rename themselves, and others may take the name.
    pub login: String,
}

/// Whose token the person reads with.
/// <https://docs.github.com/en/rest/users/users#get-the-authenticated-user>
///
/// # Errors
/// As the request fails; `Refused` with status 401 when the token is not good any more.
pub async fn whose(person: &Reader) -> Result<Whose, GitHubError> {
    person.get("/user").await
}

/// What GitHub says of somebody in a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    Member,
    /// Also: there is no such team, or the person may not see it.
    NoMember,
    /// The App lacks the permission `members: read` in that organisation, or is not installed there.
    Untold,
}

/// Whether a person is in a team. The token of a person and one of an installation are allowed alike; both need the App's
/// permission `members: read` for the organisation.
/// <https://docs.github.com/en/rest/teams/members#get-team-membership-for-a-user>
///
/// # Errors
/// As the request fails. "Not found" and "not allowed" are answers.
pub async fn membership(
    person: &Reader,
    organisation: &str,
    team: &str,
    login: &str,
) -> Result<Membership, GitHubError> {
    #[derive(Deserialize)]
    struct Told {
        /// `active`, or `pending`: invited.
        state: String,
    }
    let (organisation, team, login) = (path::segment(organisation), path::segment(team), path::segment(login));
    match person.get::<Told>(&format!("/orgs/{organisation}/teams/{team}/memberships/{login}")).await {
        Ok(told) if told.state == "active" => Ok(Membership::Member),
        Ok(_) | Err(GitHubError::NotFound(_)) => Ok(Membership::NoMember),
        Err(GitHubError::Refused { status: 403, .. }) => Ok(Membership::Untold),
        Err(error) => Err(error),
    }
}
