//! What the pages of the first run look like.

use askama::Template;

use crate::core::manifest::Need;
use crate::engine::setup::{Line, Standing};
use crate::http::assets::{icon, script, stylesheet};

/// What will happen, and the button.
#[derive(Template)]
#[template(path = "setup.html")]
pub(super) struct ButtonPage<'a> {
    pub(super) name: &'a str,
    /// An organisation.
    pub(super) owner: Option<&'a str>,
    pub(super) action: &'a str,
    pub(super) manifest: &'a str,
    pub(super) permissions: &'a [PermissionLine<'a>],
    /// Each with what needs it.
    pub(super) events: &'a [(&'a str, String)],
    pub(super) unasked: &'a [(&'a str, String)],
    pub(super) webhook_url: &'a str,
    pub(super) credentials: &'a str,
    pub(super) config: &'a str,
    /// Whether the config is written, and not only looked at.
    pub(super) writes_config: bool,
}

/// A permission with what needs it.
pub(super) struct PermissionLine<'a> {
    pub(super) name: &'a str,
    pub(super) level: &'static str,
    pub(super) by: String,
}

impl<'a> PermissionLine<'a> {
    pub(super) fn of(name: &'a str, need: &Need) -> Self {
        Self { name, level: need.level(), by: need.whose() }
    }
}

/// How far it is.
#[derive(Template)]
#[template(path = "setup_list.html")]
pub(super) struct ListPage<'a> {
    pub(super) lines: &'a [ListLine],
    pub(super) done: bool,
    /// `None`: it is installed.
    pub(super) install_url: Option<&'a str>,
    /// How the daemon is started.
    pub(super) start: &'a str,
}

/// One thing that has to be so.
pub(super) struct ListLine {
    pub(super) what: &'static str,
    pub(super) detail: String,
    /// Of the stylesheet.
    pub(super) class: &'static str,
    /// What stands there for who sees no colours.
    pub(super) word: &'static str,
}

impl From<Line> for ListLine {
    fn from(line: Line) -> Self {
        let (class, word) = match line.standing {
            Standing::Done => ("done", "done"),
            Standing::Waits => ("waits", "waiting"),
            Standing::Wrong => ("wrong", "to do"),
        };
        Self { what: line.what, detail: line.detail, class, word }
    }
}

/// Why the App was not taken over, and what to do.
#[derive(Template)]
#[template(path = "setup_problem.html")]
pub(super) struct ProblemPage<'a> {
    pub(super) happened: &'a str,
    pub(super) advice: &'a str,
}
