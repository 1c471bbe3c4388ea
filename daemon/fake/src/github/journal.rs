//! What was asked of the fake and what changed on it.

use std::fmt;

use serde_json::Value;

use crate::model::Time;

/// An HTTP request that reached the fake.
#[derive(Clone, Debug)]
pub struct Request {
    /// Counts from 1.
    pub seq: u64,
    pub at: Time,
    pub method: String,
    /// With the query, as sent.
    pub path: String,
    /// The installation whose token came with it.
    pub installation: Option<i64>,
    /// `null` when there was none or it was no JSON.
    pub body: Value,
    /// The status sent back; `None` while it waits, hangs, or when the connection was closed instead.
    pub answered: Option<u16>,
}

impl Request {
    /// Whether it asks for a change of a repository. Asking for a token is none.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
            && self.method != "HEAD"
            && !self.path.contains("/access_tokens")
            && !self.path.contains("/app/hook/")
    }
}

/// What can change on an issue or pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Opened,
    LabelAdded(String),
    LabelRemoved(String),
    Assigned(String),
    Unassigned(String),
    Closed {
        reason: Option<String>,
    },
    Reopened,
    Merged,
    Retitled(String),
    Rewritten(Option<String>),
    Milestoned(Option<String>),
    Commented {
        id: i64,
        body: String,
    },
    CommentEdited {
        id: i64,
        body: String,
    },
    CommentDeleted {
        id: i64,
    },
    Pushed {
        sha: String,
        paths: Vec<String>,
    },
    /// `None` as commit: the head.
    Reviewed {
        state: String,
        body: String,
        commit: Option<String>,
    },
    ReviewDismissed {
        id: i64,
        message: String,
    },
    /// The head branch takes up the commits of the base that it lacks.
    Updated {
        sha: String,
    },
    /// Of a login, or of a team (`org/slug`).
    ReviewRequested(String),
    ReviewRequestRemoved(String),
    MarkedReady,
    MadeDraft,
    Locked {
        reason: Option<String>,
    },
    Unlocked,
    /// The head branch of a pull request.
    BranchDeleted,
    /// The head branch, made anew at this commit.
    BranchRestored {
        sha: String,
    },
}

impl Change {
    /// Whether `self` takes `other` back, so that `other` may rightly happen again.
    fn undoes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::LabelAdded(a), Self::LabelRemoved(b)) | (Self::LabelRemoved(a), Self::LabelAdded(b)) => same(a, b),
            (Self::Assigned(a), Self::Unassigned(b)) | (Self::Unassigned(a), Self::Assigned(b)) => same(a, b),
            (Self::Locked { .. }, Self::Unlocked)
            | (Self::Unlocked, Self::Locked { .. })
            | (Self::MarkedReady, Self::MadeDraft)
            | (Self::MadeDraft, Self::MarkedReady)
            | (Self::BranchDeleted, Self::BranchRestored { .. })
            | (Self::BranchRestored { .. }, Self::BranchDeleted)
            | (Self::ReviewDismissed { .. }, Self::Reviewed { .. }) => true,
            (Self::ReviewRequested(a), Self::ReviewRequestRemoved(b))
            | (Self::ReviewRequestRemoved(a), Self::ReviewRequested(b)) => same(a, b),
            (Self::Closed { .. }, Self::Reopened)
            | (Self::Reopened, Self::Closed { .. })
            | (Self::Retitled(_), Self::Retitled(_))
            | (Self::Rewritten(_), Self::Rewritten(_))
            | (Self::Milestoned(_), Self::Milestoned(_)) => self != other,
            (Self::CommentEdited { id: a, body: new }, Self::CommentEdited { id: b, body: old }) => {
                a == b && new != old
            }
            (Self::CommentDeleted { id: a }, Self::Commented { id: b, .. }) => a == b,
            _ => false,
        }
    }

    /// Whether `self` is `other` once more. Two comments are the same when their hidden marker, or their text, is.
    fn repeats(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::LabelAdded(a), Self::LabelAdded(b)) | (Self::LabelRemoved(a), Self::LabelRemoved(b)) => same(a, b),
            (Self::Commented { body: a, .. }, Self::Commented { body: b, .. }) => match (marker(a), marker(b)) {
                (Some(a), Some(b)) => a == b,
                _ => a == b,
            },
            _ => self == other,
        }
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// The first HTML comment of a text.
fn marker(body: &str) -> Option<&str> {
    let start = body.find("<!--")?;
    let length = body[start..].find("-->")?;
    Some(&body[start..start + length])
}

/// A change somebody made or tried to make.
#[derive(Clone, Debug)]
pub struct Effect {
    /// Counts from 1 over people and the App.
    pub seq: u64,
    pub at: Time,
    /// Login of who did it.
    pub by: String,
    /// Whether the App did it, through the API.
    pub by_app: bool,
    pub repository: String,
    pub number: u64,
    /// Title of the item at that time.
    pub title: String,
    pub is_pull: bool,
    pub change: Change,
    /// `false`: it was so already, and nothing changed.
    pub changed: bool,
    /// `seq` of the request that did it.
    pub request: Option<u64>,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, repository, number, title, .. } = self;
        let item = format!("{repository}#{number}");
        match &self.change {
            Change::Opened => write!(f, "{by} opens {item} '{title}'"),
            Change::LabelAdded(name) => write!(f, "{by} adds label {name} to {item}"),
            Change::LabelRemoved(name) => write!(f, "{by} removes label {name} from {item}"),
            Change::Assigned(login) => write!(f, "{by} assigns {login} to {item}"),
            Change::Unassigned(login) => write!(f, "{by} unassigns {login} from {item}"),
            Change::Closed { reason: Some(reason) } => write!(f, "{by} closes {item} as {}", reason.replace('_', " ")),
            Change::Closed { reason: None } => write!(f, "{by} closes {item}"),
            Change::Reopened => write!(f, "{by} reopens {item}"),
            Change::Merged => write!(f, "{by} merges {item}"),
            Change::Retitled(title) => write!(f, "{by} retitles {item} to '{title}'"),
            Change::Rewritten(_) => write!(f, "{by} edits the text of {item}"),
            Change::Milestoned(Some(title)) => write!(f, "{by} sets milestone {title} on {item}"),
            Change::Milestoned(None) => write!(f, "{by} clears the milestone of {item}"),
            Change::Commented { body, .. } => write!(f, "{by} comments on {item}: '{}'", first_line(body)),
            Change::CommentEdited { body, .. } => write!(f, "{by} edits a comment on {item}: '{}'", first_line(body)),
            Change::CommentDeleted { .. } => write!(f, "{by} deletes a comment on {item}"),
            Change::Pushed { sha, .. } => write!(f, "{by} pushes {sha:.7} to {item}"),
            Change::Reviewed { state, .. } => {
                write!(f, "{by} reviews {item}: {}", state.to_lowercase().replace('_', " "))
            }
            Change::ReviewDismissed { .. } => write!(f, "{by} dismisses a review of {item}"),
            Change::Updated { sha } => write!(f, "{by} updates the branch of {item} to {sha:.7}"),
            Change::ReviewRequested(login) => write!(f, "{by} asks {login} to review {item}"),
            Change::ReviewRequestRemoved(login) => write!(f, "{by} asks {login} no more to review {item}"),
            Change::MarkedReady => write!(f, "{by} marks {item} ready for review"),
            Change::MadeDraft => write!(f, "{by} makes {item} a draft"),
            Change::Locked { reason: Some(reason) } => write!(f, "{by} locks {item} as {reason}"),
            Change::Locked { reason: None } => write!(f, "{by} locks {item}"),
            Change::Unlocked => write!(f, "{by} unlocks {item}"),
            Change::BranchDeleted => write!(f, "{by} deletes the branch of {item}"),
            Change::BranchRestored { sha } => write!(f, "{by} restores the branch of {item} at {sha:.7}"),
        }?;
        if self.changed { Ok(()) } else { f.write_str(" (already so)") }
    }
}

fn first_line(body: &str) -> String {
    let visible = body.lines().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with("<!--"));
    let line = visible.unwrap_or("");
    let mut short: String = line.chars().take(60).collect();
    if line.chars().count() > 60 {
        short.push('…');
    }
    short
}

/// Effects of the App that repeat an earlier one of its own which nobody took back in between.
pub(crate) fn duplicates(effects: &[Effect]) -> Vec<Effect> {
    let repeated = |index: usize, effect: &Effect| {
        let earlier = effects[..index].iter().rev();
        let related = earlier.filter(|each| each.repository == effect.repository && each.number == effect.number);
        // Posted again, a comment that was deleted has another id.
        let mut deleted = Vec::new();
        for each in related {
            match &each.change {
                Change::CommentDeleted { id } => deleted.push(*id),
                Change::Commented { id, .. } if deleted.contains(id) => continue,
                _ => {}
            }
            if each.changed && each.change.undoes(&effect.change) {
                return false;
            }
            if each.by_app && each.change.repeats(&effect.change) {
                return true;
            }
        }
        false
    };
    let ours = effects.iter().enumerate().filter(|(_, effect)| effect.by_app);
    ours.filter(|(index, effect)| repeated(*index, effect)).map(|(_, effect)| effect.clone()).collect()
}
