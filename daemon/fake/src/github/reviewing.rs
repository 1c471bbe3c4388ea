//! Reviews of pull requests: who is asked, what was given, and the teams that can be asked.

use chrono::Utc;
use serde_json::json;

use super::GitHub;
use super::change::{Actor, News};
use super::journal::Change;
use super::people::Person;
use super::world::World;
use crate::model::{Item, Review, Team, User, UserKind};
use crate::payload::objects;

/// Whose review is requested.
pub(crate) enum Reviewer {
    Person(User),
    Team(Team),
}

impl World {
    /// Whom a change of review requests is about. A team that does not exist is nobody.
    pub(super) fn reviewer_of(&mut self, change: &Change) -> Option<Reviewer> {
        let (Change::ReviewRequested(name) | Change::ReviewRequestRemoved(name)) = change else { return None };
        if name.contains('/') {
            return self.teams.get(&name.to_lowercase()).cloned().map(Reviewer::Team);
        }
        Some(Reviewer::Person(self.user(name, UserKind::User)))
    }
}

pub(super) fn alter(item: &mut Item, actor: &Actor, change: &Change, reviewer: Option<Reviewer>, id: i64) -> News {
    match (change, reviewer) {
        (Change::ReviewRequested(_), Some(reviewer)) => request(item, reviewer),
        (Change::ReviewRequestRemoved(_), Some(reviewer)) => remove(item, reviewer),
        (Change::Reviewed { state, body, commit }, _) => {
            let Some(pull) = &mut item.pull else { return News::Silent };
            let review = Review {
                id,
                author: actor.user.clone(),
                state: state.clone(),
                body: body.clone(),
                commit: commit.clone().unwrap_or_else(|| pull.head_sha.clone()),
                submitted_at: Utc::now(),
            };
            // Who reviews is asked no more, and so is his team.
            pull.requested_reviewers.retain(|each| each.login != actor.user.login);
            pull.requested_teams.retain(|team| !team.members.contains(&actor.user.login));
            pull.reviews.push(review.clone());
            News::Review("submitted", review)
        }
        (Change::ReviewDismissed { id, .. }, _) => {
            let found = item.pull.as_mut().and_then(|pull| pull.reviews.iter_mut().find(|review| review.id == *id));
            match found {
                Some(review) if matches!(review.state.as_str(), "APPROVED" | "CHANGES_REQUESTED") => {
                    "DISMISSED".clone_into(&mut review.state);
                    News::Review("dismissed", review.clone())
                }
                _ => News::Silent,
            }
        }
        _ => News::Silent,
    }
}

fn request(item: &mut Item, reviewer: Reviewer) -> News {
    let Some(pull) = &mut item.pull else { return News::Silent };
    match reviewer {
        Reviewer::Person(user) if !pull.requested_reviewers.contains(&user) => {
            let shown = objects::user(&user);
            pull.requested_reviewers.push(user);
            News::Item("review_requested", json!({"requested_reviewer": shown}))
        }
        Reviewer::Team(team) if !pull.requested_teams.contains(&team) => {
            let shown = objects::team(&team);
            pull.requested_teams.push(team);
            News::Item("review_requested", json!({"requested_team": shown}))
        }
        _ => News::Silent,
    }
}

fn remove(item: &mut Item, reviewer: Reviewer) -> News {
    let Some(pull) = &mut item.pull else { return News::Silent };
    match reviewer {
        Reviewer::Person(user) => match pull.requested_reviewers.iter().position(|each| *each == user) {
            Some(place) => {
                let shown = objects::user(&pull.requested_reviewers.remove(place));
                News::Item("review_request_removed", json!({"requested_reviewer": shown}))
            }
            None => News::Silent,
        },
        Reviewer::Team(team) => match pull.requested_teams.iter().position(|each| *each == team) {
            Some(place) => {
                let shown = objects::team(&pull.requested_teams.remove(place));
                News::Item("review_request_removed", json!({"requested_team": shown}))
            }
            None => News::Silent,
        },
    }
}

impl GitHub {
    /// A team of an organisation, whose members thereby are collaborators of all its repositories.
    pub fn add_team(&self, organization: &str, slug: &str, members: &[&str]) {
        self.inner.update(|world| {
            let id = world.seed.id() >> 12;
            let members: Vec<String> = members.iter().map(|&login| login.to_owned()).collect();
            for login in &members {
                world.user(login, UserKind::User);
            }
            for repository in world.repositories.values_mut() {
                if repository.owner.login.eq_ignore_ascii_case(organization) {
                    repository.collaborators.extend(members.iter().cloned());
                }
            }
            let team = Team { id, organization: organization.to_owned(), slug: slug.to_owned(), members };
            world.teams.insert(team.full_name().to_lowercase(), team);
        });
    }
}

impl Person {
    /// Of a login, or of a team (`org/slug`).
    pub fn requests_review(&self, repository: &str, number: u64, reviewer: &str) -> &Self {
        self.does(repository, number, Change::ReviewRequested(reviewer.to_owned()))
    }

    pub fn removes_reviewer(&self, repository: &str, number: u64, reviewer: &str) -> &Self {
        self.does(repository, number, Change::ReviewRequestRemoved(reviewer.to_owned()))
    }

    pub fn dismisses(&self, repository: &str, number: u64, review: i64) -> &Self {
        self.does(repository, number, Change::ReviewDismissed { id: review, message: "Not yet.".to_owned() })
    }
}
