//! The one way anything changes: for people and for the App alike. A change alters the item, writes its timeline, is
//! recorded as an effect, and yields the deliveries GitHub would send.

use chrono::Utc;
use serde_json::{Value, json};

use super::journal::{Change, Effect};
use super::merging;
use super::reviewing;
use super::world::World;
use crate::model::{Comment, File, Item, Label, Moment, Repository, Review, User, UserKind};
use crate::payload::events::{Envelope, Push};
use crate::payload::objects;

/// Who changes something, and by which request.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) user: User,
    pub(crate) request: Option<u64>,
}

/// What a delivery of the change says.
pub(super) enum News {
    Silent,
    /// `issues.*` or `pull_request.*` with fields of its own.
    Item(&'static str, Value),
    Comment(&'static str, Comment),
    /// `submitted` or `dismissed`.
    Review(&'static str, Review),
    /// Its head is on the base branch now.
    Merged,
    Push {
        before: String,
        paths: Vec<String>,
    },
    /// `create` or `delete` of the head branch.
    Branch(&'static str),
}

impl World {
    /// Makes the change. `None`: there is no such item; `Some(false)`: it was so already.
    pub(crate) fn change(&mut self, actor: &Actor, full_name: &str, number: u64, change: Change) -> Option<bool> {
        let subject = match &change {
            Change::Assigned(login) | Change::Unassigned(login) => Some(self.user(login, UserKind::User)),
            _ => None,
        };
        let id = self.seed.id();
        let reviewer = self.reviewer_of(&change);
        let repository = self.repository_mut(full_name)?;
        let mut item = repository.items.remove(&number)?;
        let news = match &change {
            Change::ReviewRequested(_)
            | Change::ReviewRequestRemoved(_)
            | Change::Reviewed { .. }
            | Change::ReviewDismissed { .. } => reviewing::alter(&mut item, actor, &change, reviewer, id),
            _ => alter(repository, &mut item, actor, &change, subject, id),
        };
        let changed = !matches!(news, News::Silent);
        if changed {
            item.updated_at = self.now();
            let at = item.updated_at;
            item.timeline.extend(moment(&change, actor, id).map(|moment| Moment { at, ..moment }));
            if let (Change::Commented { .. }, Some(comment)) = (&change, item.comments.last_mut()) {
                (comment.created_at, comment.updated_at) = (at, at);
            }
        }
        let effect = Effect {
            seq: self.effects.len() as u64 + 1,
            at: Utc::now(),
            by: actor.user.login.clone(),
            by_app: actor.request.is_some(),
            repository: self.repository(full_name)?.full_name(),
            number,
            title: item.title.clone(),
            is_pull: item.is_pull(),
            change,
            changed,
            request: actor.request,
        };
        self.effects.push(effect);
        self.repository_mut(full_name)?.items.insert(number, item);
        self.tell(actor, full_name, number, news);
        Some(changed)
    }

    /// Adds a new item, tells of it, and gives its number.
    pub(crate) fn open(&mut self, actor: &Actor, full_name: &str, item: Item) -> Option<u64> {
        let number = item.number;
        self.repository_mut(full_name)?.items.insert(number, item);
        self.change(actor, full_name, number, Change::Opened)?;
        Some(number)
    }

    fn tell(&mut self, actor: &Actor, full_name: &str, number: u64, news: News) {
        let Some(installation) = self.installation_of(full_name) else { return };
        let Some(repository) = self.repository(full_name) else { return };
        let Some(item) = repository.items.get(&number) else { return };
        let end = Envelope { repository, sender: &actor.user, installation: Some(installation) };
        let mut told = Vec::new();
        match news {
            News::Silent => {}
            News::Item(action, extra) => told.push(end.item(action, item, extra)),
            News::Comment(action, comment) => told.push(end.comment(action, item, &comment)),
            News::Review(action, review) => told.extend(end.review(action, item, &review)),
            News::Branch(name) => told.extend(item.pull.as_ref().map(|pull| end.reference(name, &pull.head_ref))),
            News::Merged => told.extend(merging::told(&end, item)),
            News::Push { before, paths } => {
                let Some(pull) = &item.pull else { return };
                let after = pull.head_sha.clone();
                let push = Push {
                    branch: &pull.head_ref,
                    before: &before,
                    shas: vec![after.clone()],
                    messages: vec![item.title.clone()],
                    paths: &paths,
                    at: item.updated_at,
                };
                // A push to a fork is told to the fork's Apps only.
                if pull.fork_owner.is_none() {
                    told.push(end.push(&push));
                }
                told.push(end.item("synchronize", item, json!({"before": before, "after": after})));
            }
        }
        for (event, payload) in told {
            self.deliver(event, &payload);
        }
    }
}

fn alter(
    repo: &mut Repository,
    item: &mut Item,
    actor: &Actor,
    change: &Change,
    subject: Option<User>,
    id: i64,
) -> News {
    match change {
        Change::Opened => News::Item("opened", json!({})),
        Change::LabelAdded(name) => add_label(repo, item, name, id),
        Change::LabelRemoved(name) => {
            let Some(place) = item.labels.iter().position(|each| same(&each.name, name)) else { return News::Silent };
            let label = item.labels.remove(place);
            News::Item("unlabeled", json!({"label": objects::label(repo, &label)}))
        }
        Change::Assigned(_) | Change::Unassigned(_) => {
            subject.map_or(News::Silent, |user| alter_people(item, change, user))
        }
        Change::Closed { .. } | Change::Reopened => alter_state(item, change),
        Change::Merged => merging::merge(repo, item, actor, id),
        Change::Updated { sha } => merging::update(repo, item, sha),
        Change::Retitled(title) if *title == item.title => News::Silent,
        Change::Retitled(title) => {
            let from = std::mem::replace(&mut item.title, title.clone());
            News::Item("edited", json!({"changes": {"title": {"from": from}}}))
        }
        Change::Rewritten(body) if *body == item.body => News::Silent,
        Change::Rewritten(body) => {
            let from = std::mem::replace(&mut item.body, body.clone());
            News::Item("edited", json!({"changes": {"body": {"from": from}}}))
        }
        Change::Milestoned(title) => {
            let found = title.as_ref().and_then(|title| repo.milestones.iter().find(|each| each.title == *title));
            if found == item.milestone.as_ref() {
                return News::Silent;
            }
            let shown = found.or(item.milestone.as_ref()).map(|each| objects::milestone(repo, each));
            item.milestone = found.cloned();
            let action = if item.milestone.is_some() { "milestoned" } else { "demilestoned" };
            News::Item(action, json!({"milestone": shown}))
        }
        Change::Commented { .. } | Change::CommentEdited { .. } | Change::CommentDeleted { .. } => {
            alter_comments(item, actor, change)
        }
        Change::Locked { .. } | Change::Unlocked => alter_lock(item, change),
        Change::BranchDeleted | Change::BranchRestored { .. } => alter_branch(repo, item, change),
        Change::Pushed { .. } => {
            let news = alter_pull(item, change);
            repo.note_head(item);
            news
        }
        _ => alter_pull(item, change),
    }
}

fn alter_lock(item: &mut Item, change: &Change) -> News {
    let (locked, reason) = match change {
        Change::Locked { reason } => (true, reason.clone()),
        _ => (false, None),
    };
    if item.locked == locked {
        return News::Silent;
    }
    item.locked = locked;
    item.lock_reason = reason;
    News::Item(if locked { "locked" } else { "unlocked" }, json!({}))
}

fn alter_branch(repo: &mut Repository, item: &Item, change: &Change) -> News {
    let Some(pull) = &item.pull else { return News::Silent };
    let (was, name) = match change {
        Change::BranchRestored { sha } => (repo.branches.insert(pull.head_ref.clone(), sha.clone()), "create"),
        _ => (repo.branches.remove(&pull.head_ref), "delete"),
    };
    if was.is_some() == (name == "delete") { News::Branch(name) } else { News::Silent }
}

fn add_label(repo: &mut Repository, item: &mut Item, name: &str, id: i64) -> News {
    if item.labels.iter().any(|each| same(&each.name, name)) {
        return News::Silent;
    }
    // GitHub makes a label that the repository does not have.
    let made = || Label { id, name: name.to_owned(), color: "ededed".to_owned(), description: None };
    let label = repo.labels.entry(name.to_lowercase()).or_insert_with(made).clone();
    item.labels.push(label.clone());
    News::Item("labeled", json!({"label": objects::label(repo, &label)}))
}

fn alter_people(item: &mut Item, change: &Change, user: User) -> News {
    let shown = objects::user(&user);
    let assigned = item.assignees.iter().position(|each| each.login == user.login);
    match (change, assigned) {
        (Change::Assigned(_), None) => {
            item.assignees.push(user);
            News::Item("assigned", json!({"assignee": shown}))
        }
        (Change::Unassigned(_), Some(place)) => {
            item.assignees.remove(place);
            News::Item("unassigned", json!({"assignee": shown}))
        }
        _ => News::Silent,
    }
}

fn alter_state(item: &mut Item, change: &Change) -> News {
    match change {
        Change::Reopened if !item.open && item.pull.as_ref().is_none_or(|pull| pull.merged_at.is_none()) => {
            item.open = true;
            item.closed_at = None;
            item.state_reason = (!item.is_pull()).then(|| "reopened".to_owned());
            News::Item("reopened", json!({}))
        }
        Change::Closed { reason } if item.open => {
            item.open = false;
            item.closed_at = Some(Utc::now());
            if !item.is_pull() {
                item.state_reason = Some(reason.clone().unwrap_or_else(|| "completed".to_owned()));
            }
            News::Item("closed", json!({}))
        }
        _ => News::Silent,
    }
}

fn alter_comments(item: &mut Item, actor: &Actor, change: &Change) -> News {
    let place = |item: &Item, wanted: i64| item.comments.iter().position(|each| each.id == wanted);
    match change {
        Change::Commented { id, body } => {
            let now = Utc::now();
            let comment =
                Comment { id: *id, author: actor.user.clone(), body: body.clone(), created_at: now, updated_at: now };
            item.comments.push(comment.clone());
            News::Comment("created", comment)
        }
        Change::CommentEdited { id, body } => {
            let Some(place) = place(item, *id) else { return News::Silent };
            let comment = &mut item.comments[place];
            if comment.body == *body {
                return News::Silent;
            }
            comment.body.clone_from(body);
            comment.updated_at = Utc::now();
            News::Comment("edited", comment.clone())
        }
        Change::CommentDeleted { id } => match place(item, *id) {
            Some(place) => News::Comment("deleted", item.comments.remove(place)),
            None => News::Silent,
        },
        _ => News::Silent,
    }
}

fn alter_pull(item: &mut Item, change: &Change) -> News {
    let Some(pull) = &mut item.pull else { return News::Silent };
    match change {
        Change::Pushed { sha, paths } => {
            let before = std::mem::replace(&mut pull.head_sha, sha.clone());
            pull.commits += 1;
            for path in paths {
                if !pull.files.iter().any(|file| file.path == *path) {
                    pull.files.push(File::modified(path));
                }
            }
            News::Push { before, paths: paths.clone() }
        }
        Change::MarkedReady if pull.draft => {
            pull.draft = false;
            News::Item("ready_for_review", json!({}))
        }
        Change::MadeDraft if !pull.draft => {
            pull.draft = true;
            News::Item("converted_to_draft", json!({}))
        }
        _ => News::Silent,
    }
}

fn moment(change: &Change, actor: &Actor, id: i64) -> Option<Moment> {
    let (event, subject) = match change {
        Change::LabelAdded(name) => ("labeled", Some(name.clone())),
        Change::LabelRemoved(name) => ("unlabeled", Some(name.clone())),
        Change::Assigned(login) => ("assigned", Some(login.clone())),
        Change::Unassigned(login) => ("unassigned", Some(login.clone())),
        Change::Closed { reason } => ("closed", reason.clone()),
        Change::Reopened => ("reopened", None),
        Change::Merged => ("merged", None),
        Change::Retitled(title) => ("renamed", Some(title.clone())),
        Change::Milestoned(Some(title)) => ("milestoned", Some(title.clone())),
        Change::Milestoned(None) => ("demilestoned", None),
        Change::Commented { id, .. } => ("commented", Some(id.to_string())),
        Change::Pushed { sha, .. } => ("committed", Some(sha.clone())),
        Change::Reviewed { state, .. } => ("reviewed", Some(state.clone())),
        Change::ReviewDismissed { id, .. } => ("review_dismissed", Some(id.to_string())),
        Change::Updated { sha } => ("committed", Some(sha.clone())),
        Change::ReviewRequested(login) => ("review_requested", Some(login.clone())),
        Change::ReviewRequestRemoved(login) => ("review_request_removed", Some(login.clone())),
        Change::MarkedReady => ("ready_for_review", None),
        Change::MadeDraft => ("convert_to_draft", None),
        Change::Locked { reason } => ("locked", reason.clone()),
        Change::Unlocked => ("unlocked", None),
        Change::BranchDeleted => ("head_ref_deleted", None),
        Change::BranchRestored { .. } => ("head_ref_restored", None),
        Change::Opened | Change::Rewritten(_) | Change::CommentEdited { .. } | Change::CommentDeleted { .. } => {
            return None;
        }
    };
    Some(Moment { id, event: event.to_owned(), actor: actor.user.clone(), subject, at: Utc::now() })
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}
