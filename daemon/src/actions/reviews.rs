//! A pull request and its reviews, as `request_review` and `review` read them.

use serde::{Deserialize, Serialize};

use crate::core::intent::Target;
use crate::core::reviewer::Reviewer;
use crate::github::client::Reader;
use crate::github::{GitHubError, path};

/// 1,000 reviews.
const MOST_PAGES: u32 = 10;

/// Said of an issue, and of what the App may not see.
pub(super) const NO_PULL: &str = "it is no pull request, or the App may not see it";
pub(super) const CLOSED: &str = "the pull request is not open any more";

/// Whether there is something to review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stand {
    NoPull,
    Closed,
    Open,
}

impl Stand {
    /// Why nothing is reviewed here.
    pub(super) fn hindrance(self) -> Option<&'static str> {
        match self {
            Self::NoPull => Some(NO_PULL),
            Self::Closed => Some(CLOSED),
            Self::Open => None,
        }
    }
}

pub(super) struct Pull {
    pub stand: Stand,
    /// `None`: the account is gone.
    pub author: Option<String>,
    /// Commit.
    pub head: String,
    /// Branch.
    pub base: String,
    /// People and teams whose review is requested.
    pub requested: Vec<Reviewer>,
}

/// A review that was given. <https://docs.github.com/en/rest/pulls/reviews#list-reviews-for-a-pull-request>
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub id: u64,
    pub author: String,
    /// GitHub's word: `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `DISMISSED`.
    pub state: String,
    /// `None`: the commit is gone.
    pub commit: Option<String>,
    pub body: String,
}

/// The answer for a pull request.
#[derive(Deserialize)]
struct Shown {
    state: String,
    user: Option<User>,
    head: Side,
    base: Side,
    requested_reviewers: Vec<User>,
    requested_teams: Vec<Team>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
}

/// The people and teams of a list. Names that are none cannot be told from others, and GitHub gives none.
fn reviewers(owner: &str, users: Vec<User>, teams: Vec<Team>) -> Vec<Reviewer> {
    let users = users.into_iter().map(|user| user.login);
    let teams = teams.into_iter().map(|team| format!("{owner}/{}", team.slug));
    users.chain(teams).filter_map(|name| Reviewer::parse(&name).ok()).collect()
}

pub(super) fn below(target: &Target, rest: impl std::fmt::Display) -> String {
    path::repository(&target.repository, format_args!("/pulls/{}{rest}", target.number))
}

/// `None`: an issue, or nothing that the App may see. One request.
pub(super) async fn pull(target: &Target, reader: &Reader) -> Result<Option<Pull>, GitHubError> {
    let shown = match reader.get::<Shown>(&below(target, "")).await {
        Err(GitHubError::NotFound(_)) => return Ok(None),
        shown => shown?,
    };
    let owner = target.repository.owner();
    Ok(Some(Pull {
        stand: if shown.state == "open" { Stand::Open } else { Stand::Closed },
        author: shown.user.map(|user| user.login),
        head: shown.head.sha,
        base: shown.base.branch,
        requested: reviewers(owner, shown.requested_reviewers, shown.requested_teams),
    }))
}

/// The submitted reviews, oldest first, without those of accounts that are gone. One request for each 100.
pub(super) async fn given(target: &Target, reader: &Reader) -> Result<Vec<Given>, GitHubError> {
    #[derive(Deserialize)]
    struct Shown {
        id: u64,
        user: Option<User>,
        state: String,
        commit_id: Option<String>,
        body: Option<String>,
    }
    let listed = reader.get_all::<Shown>(&below(target, "/reviews"), None, MOST_PAGES).await?;
    let given = listed.whole("reviews")?.into_iter().filter(|review| review.state != "PENDING");
    let known = given.filter_map(|review| {
        let (author, body) = (review.user?.login, review.body.unwrap_or_default());
        Some(Given { id: review.id, author, state: review.state, commit: review.commit_id, body })
    });
    Ok(known.collect())
}

/// How many open pull requests wait for the review of each person: of the newest 1,000. One request for each 100.
pub(super) async fn open_requests(target: &Target, reader: &Reader) -> Result<Vec<Reviewer>, GitHubError> {
    #[derive(Deserialize)]
    struct Shown {
        requested_reviewers: Vec<User>,
    }
    let open = path::repository(&target.repository, "/pulls?state=open");
    let listed = reader.get_all::<Shown>(&open, None, MOST_PAGES).await?;
    let waiting = listed.items.into_iter().flat_map(|pull| pull.requested_reviewers);
    Ok(waiting.filter_map(|user| Reviewer::parse(&user.login).ok()).collect())
}

/// The members of a team, those of its child teams included; `None`: the App may not read them. One request for each 100,
/// 500 at most. <https://docs.github.com/en/rest/teams/members#list-team-members>
pub(super) async fn members(
    organisation: &str,
    slug: &str,
    reader: &Reader,
) -> Result<Option<Vec<Reviewer>>, GitHubError> {
    const MOST_MEMBER_PAGES: u32 = 5;
    let path = format!("/orgs/{}/teams/{}/members", path::segment(organisation), path::segment(slug));
    match reader.get_all::<User>(&path, None, MOST_MEMBER_PAGES).await {
        Ok(listed) => Ok(Some(reviewers("", listed.items, Vec::new()))),
        Err(GitHubError::NotFound(_) | GitHubError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether GitHub would refuse a request for this person's review. One request.
/// <https://docs.github.com/en/rest/collaborators/collaborators#check-if-a-user-is-a-repository-collaborator>
pub(super) async fn is_stranger(target: &Target, login: &str, reader: &Reader) -> Result<bool, GitHubError> {
    let path = path::repository(&target.repository, format_args!("/collaborators/{}", path::segment(login)));
    match reader.get::<serde_json::Value>(&path).await {
        Ok(_) => Ok(false),
        Err(GitHubError::NotFound(_)) => Ok(true),
        // Not allowed to ask: then GitHub's answer to the request itself will tell.
        Err(GitHubError::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
