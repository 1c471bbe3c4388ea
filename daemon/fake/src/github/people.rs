//! People who use GitHub: each verb changes the state and yields the deliveries that GitHub would send.

use chrono::Utc;

use super::GitHub;
use super::change::Actor;
use super::journal::Change;
use crate::model::{File, Item, Pull, UserKind};
use crate::payload::events::Envelope;

/// Somebody with a GitHub account, or a bot when the login ends with `[bot]`.
#[derive(Clone)]
pub struct Person {
    github: GitHub,
    login: String,
}

/// What somebody opens.
#[derive(Clone, Debug)]
pub struct NewItem {
    title: String,
    body: Option<String>,
    labels: Vec<String>,
    head: String,
    base: Option<String>,
    draft: bool,
    fork: bool,
    files: Vec<File>,
    /// Paths and texts at the head commit.
    texts: Vec<(String, String)>,
}

impl NewItem {
    pub fn titled(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            body: None,
            labels: Vec::new(),
            head: "patch-1".to_owned(),
            base: None,
            draft: false,
            fork: false,
            files: Vec::new(),
            texts: Vec::new(),
        }
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    pub fn label(mut self, name: &str) -> Self {
        self.labels.push(name.to_owned());
        self
    }

    /// Head branch; only of a pull request, as is what follows.
    pub fn head(mut self, branch: &str) -> Self {
        branch.clone_into(&mut self.head);
        self
    }

    /// Base branch; the default branch unless told.
    pub fn base(mut self, branch: &str) -> Self {
        self.base = Some(branch.to_owned());
        self
    }

    pub fn draft(mut self) -> Self {
        self.draft = true;
        self
    }

    /// The head branch lives in the author's fork.
    pub fn from_fork(mut self) -> Self {
        self.fork = true;
        self
    }

    /// Changes this file, to this text at the head commit.
    pub fn writes(mut self, path: &str, text: &str) -> Self {
        self.texts.push((path.to_owned(), text.to_owned()));
        self.file(path)
    }

    /// Changes this file.
    pub fn file(mut self, path: &str) -> Self {
        self.files.push(File::modified(path));
        self
    }
}

impl GitHub {
    pub fn person(&self, login: &str) -> Person {
        Person { github: self.clone(), login: login.to_owned() }
    }
}

/// All verbs panic when there is no such repository or item: a test that names one is wrong.
impl Person {
    pub fn opens_issue(&self, repository: &str, new: NewItem) -> u64 {
        self.opens(repository, new, false)
    }

    pub fn opens_pull(&self, repository: &str, new: NewItem) -> u64 {
        self.opens(repository, new, true)
    }

    pub fn labels(&self, repository: &str, number: u64, label: &str) -> &Self {
        self.does(repository, number, Change::LabelAdded(label.to_owned()))
    }

    pub fn unlabels(&self, repository: &str, number: u64, label: &str) -> &Self {
        self.does(repository, number, Change::LabelRemoved(label.to_owned()))
    }

    pub fn assigns(&self, repository: &str, number: u64, login: &str) -> &Self {
        self.does(repository, number, Change::Assigned(login.to_owned()))
    }

    pub fn unassigns(&self, repository: &str, number: u64, login: &str) -> &Self {
        self.does(repository, number, Change::Unassigned(login.to_owned()))
    }

    pub fn closes(&self, repository: &str, number: u64) -> &Self {
        self.does(repository, number, Change::Closed { reason: None })
    }

    pub fn reopens(&self, repository: &str, number: u64) -> &Self {
        self.does(repository, number, Change::Reopened)
    }

    pub fn merges(&self, repository: &str, number: u64) -> &Self {
        self.does(repository, number, Change::Merged)
    }

    pub fn retitles(&self, repository: &str, number: u64, title: &str) -> &Self {
        self.does(repository, number, Change::Retitled(title.to_owned()))
    }

    pub fn rewrites(&self, repository: &str, number: u64, body: &str) -> &Self {
        self.does(repository, number, Change::Rewritten(Some(body.to_owned())))
    }

    /// The milestone must be one of [`GitHub::add_milestone`]; `None` clears it.
    pub fn sets_milestone(&self, repository: &str, number: u64, title: Option<&str>) -> &Self {
        self.does(repository, number, Change::Milestoned(title.map(str::to_owned)))
    }

    /// Gives the comment's id.
    pub fn comments(&self, repository: &str, number: u64, body: &str) -> i64 {
        let id = self.github.inner.world().seed.id();
        self.does(repository, number, Change::Commented { id, body: body.to_owned() });
        id
    }

    pub fn edits_comment(&self, repository: &str, number: u64, id: i64, body: &str) -> &Self {
        self.does(repository, number, Change::CommentEdited { id, body: body.to_owned() })
    }

    pub fn deletes_comment(&self, repository: &str, number: u64, id: i64) -> &Self {
        self.does(repository, number, Change::CommentDeleted { id })
    }

    /// Pushes a commit that changes these files to the head branch of a pull request; gives the new head.
    pub fn pushes(&self, repository: &str, number: u64, paths: &[&str]) -> String {
        let sha = self.github.inner.world().seed.sha();
        self.pushes_as(repository, number, paths, &sha)
    }

    pub(super) fn pushes_as(&self, repository: &str, number: u64, paths: &[&str], sha: &str) -> String {
        let sha = sha.to_owned();
        let paths = paths.iter().map(|&path| path.to_owned()).collect();
        self.does(repository, number, Change::Pushed { sha: sha.clone(), paths });
        sha
    }

    pub fn approves(&self, repository: &str, number: u64) -> &Self {
        self.reviews(repository, number, "APPROVED", "Looks good to me.")
    }

    pub fn requests_changes(&self, repository: &str, number: u64, body: &str) -> &Self {
        self.reviews(repository, number, "CHANGES_REQUESTED", body)
    }

    /// `state` is `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED` or `DISMISSED`.
    pub fn reviews(&self, repository: &str, number: u64, state: &str, body: &str) -> &Self {
        self.does(repository, number, Change::Reviewed { state: state.to_owned(), body: body.to_owned(), commit: None })
    }

    pub fn marks_ready(&self, repository: &str, number: u64) -> &Self {
        self.does(repository, number, Change::MarkedReady)
    }

    pub fn locks(&self, repository: &str, number: u64, reason: Option<&str>) -> &Self {
        self.does(repository, number, Change::Locked { reason: reason.map(str::to_owned) })
    }

    pub fn unlocks(&self, repository: &str, number: u64) -> &Self {
        self.does(repository, number, Change::Unlocked)
    }

    pub fn makes_draft(&self, repository: &str, number: u64) -> &Self {
        self.does(repository, number, Change::MadeDraft)
    }

    /// Stars the repository. No effect is recorded: it is about no item.
    pub fn stars(&self, repository: &str) -> &Self {
        let actor = self.actor();
        self.github.inner.update(|world| {
            let installation = world.installation_of(repository);
            let Some(repo) = world.repository_mut(repository) else { panic!("the fake GitHub has no {repository}") };
            repo.stars += 1;
            let end = Envelope { repository: repo, sender: &actor.user, installation };
            let (event, payload) = end.star("created", Utc::now());
            if installation.is_some() {
                world.deliver(event, &payload);
            }
        });
        self
    }

    pub(super) fn github(&self) -> &GitHub {
        &self.github
    }

    pub(super) fn login(&self) -> &str {
        &self.login
    }

    fn actor(&self) -> Actor {
        let kind = if self.login.ends_with("[bot]") { UserKind::Bot } else { UserKind::User };
        Actor { user: self.github.inner.world().user(&self.login, kind), request: None }
    }

    pub(super) fn does(&self, repository: &str, number: u64, change: Change) -> &Self {
        let actor = self.actor();
        let done = self.github.inner.update(|world| world.change(&actor, repository, number, change));
        assert!(done.is_some(), "the fake GitHub has no {repository}#{number}");
        self
    }

    fn opens(&self, repository: &str, new: NewItem, is_pull: bool) -> u64 {
        let actor = self.actor();
        let number = self.github.inner.update(|world| {
            let id = world.seed.id();
            let base = new.base.clone().or_else(|| Some(world.repository(repository)?.default_branch.clone()))?;
            let (pull_id, base_sha, head_sha) = (world.seed.id(), world.tip(repository, &base)?, world.seed.sha());
            if !new.texts.is_empty() {
                world.repository_mut(repository)?.files.insert(head_sha.clone(), new.texts.into_iter().collect());
            }
            let repo = world.repository(repository)?;
            let author = actor.user.clone();
            let collaborator = repo.collaborators.contains(&author.login);
            let now = world.now();
            let labels = new.labels.iter().filter_map(|name| repo.labels.get(&name.to_lowercase()).cloned()).collect();
            let pull = is_pull.then(|| Pull {
                id: pull_id,
                draft: new.draft,
                base_ref: base,
                base_sha,
                head_ref: new.head,
                head_sha,
                fork_owner: new.fork.then(|| author.clone()),
                merged_at: None,
                merged_by: None,
                merge_sha: None,
                conflicts: false,
                unknown: 0,
                commits: 1,
                files: new.files,
                reviews: Vec::new(),
                requested_reviewers: Vec::new(),
                requested_teams: Vec::new(),
            });
            let item = Item {
                id,
                number: repo.next_number(),
                title: new.title,
                body: new.body,
                open: true,
                state_reason: None,
                author_association: if collaborator { "MEMBER" } else { "NONE" }.to_owned(),
                author,
                labels,
                assignees: Vec::new(),
                milestone: None,
                locked: false,
                lock_reason: None,
                comments: Vec::new(),
                timeline: Vec::new(),
                created_at: now,
                updated_at: now,
                closed_at: None,
                pull,
            };
            world.repository_mut(repository)?.note_head(&item);
            world.open(&actor, repository, item)
        });
        number.unwrap_or_else(|| panic!("the fake GitHub has no {repository}"))
    }
}
