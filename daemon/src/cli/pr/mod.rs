//! `orchd pr`: opens a pull request whose text is made from the branch and the repository's own template.
//!
//! `change` asks git what is in the branch, `body` fills in the template (pure). Refuses to talk to GitHub: that is `gh`'s work,
//! which is given the text on its standard input. Invariant: no text of a commit or a file becomes part of a command.

mod body;
mod change;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::json;

use self::body::Body;
use self::change::Change;
use super::failure::Failure;
use super::git::Checkout;
use super::{output, program};
use crate::core::text::harmless;

pub(super) const ABOUT: &str = "\
The text comes from the repository's template, with the commits, the issues they name and the folders they touch in it, and
with those points of the checklist ticked that the branch answers by itself. It is opened by `gh` where that is installed;
else it is printed, and you are told what to do with it.";

/// Largest template that is read: GitHub takes no longer text.
const MAX_TEMPLATE: u64 = 64 << 10;
/// Where a template may be, the likeliest place first.
const FOLDERS: [&str; 3] = [".github", "", "docs"];
const NAMES: [&str; 3] = ["pull_request_template.md", "pull_request_template.txt", "pull_request_template"];

#[derive(Debug, Args)]
pub(super) struct Pr {
    /// The title [default: that of the only commit, or the branch's name].
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    title: Option<String>,
    /// Open it as a draft.
    #[arg(long)]
    draft: bool,
    /// The branch it goes to [default: the default branch].
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,
    /// Open nothing; print title and text.
    #[arg(long)]
    print: bool,
    /// A directory of the checkout.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

impl Pr {
    pub(super) fn run(&self, json: bool) -> Result<(), Failure> {
        let checkout = Checkout::find(&self.dir)?;
        let change = Change::find(&checkout, self.base.as_deref())?;
        let title = match self.title.as_deref().map(str::trim) {
            Some("") => return Err(Failure::failed("--title is empty: a pull request needs a title")),
            Some(title) => title.to_owned(),
            None => change.title(),
        };
        let body = body::fill(template(&checkout.root)?.as_deref(), &change);
        if json {
            return output::print_json(&json!({
                "title": title, "body": body.text, "base": change.base, "head": change.branch, "draft": self.draft,
                "ticked": body.ticked, "left": body.left,
            }));
        }
        if self.print || !program::is_there("gh") {
            print(&title, &body)?;
            if !self.print {
                output::note(&format!(
                    "`gh` is not installed. `git push --set-upstream origin {}`, open a pull request against {} on GitHub, and put this there.",
                    change.branch, change.base
                ));
            }
            return Ok(());
        }
        pushed(&checkout, &change.branch)?;
        self.open(&checkout.root, &change, &title, &body)?;
        if !body.left.is_empty() {
            output::note(&format!("Left for you to tick: {}", body.left.join("; ")));
        }
        Ok(())
    }

    fn open(&self, root: &Path, change: &Change, title: &str, body: &Body) -> Result<(), Failure> {
        let mut command = Command::new("gh");
        command.args(["pr", "create", "--base", &change.base, "--title", title, "--body-file", "-"]);
        if self.draft {
            command.arg("--draft");
        }
        let failed = |error: std::io::Error| Failure::failed(format!("gh cannot be run: {error}"));
        let mut gh = command.current_dir(root).stdin(Stdio::piped()).spawn().map_err(failed)?;
        if let Some(mut stdin) = gh.stdin.take() {
            // One that ends without reading says itself why.
            let _ = stdin.write_all(body.text.as_bytes());
        }
        let status = gh.wait().map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::failed(format!("gh opened nothing ({status}). The text is not lost: `orchd pr --print`")))
    }
}

/// A branch that GitHub does not have cannot be asked to be merged.
fn pushed(checkout: &Checkout, branch: &str) -> Result<(), Failure> {
    let there = checkout.git(&["for-each-ref", "--format=%(objectname)", &format!("refs/remotes/*/{branch}")]);
    let there = there.unwrap_or_default();
    if there.is_empty() {
        return Err(Failure::failed(format!(
            "`{branch}` is not pushed: `git push --set-upstream origin {branch}`, then this again (or --print)"
        )));
    }
    let head = checkout.git(&["rev-parse", "HEAD"]).unwrap_or_default();
    if !there.lines().any(|commit| commit == head) {
        output::note(&format!(
            "Commits of `{branch}` are not pushed yet: `git push` brings them into the pull request."
        ));
    }
    Ok(())
}

/// The title on a line, then the text; both as they are but for what a terminal would obey.
fn print(title: &str, body: &Body) -> Result<(), Failure> {
    let text: String = body.text.lines().map(|line| harmless(line) + "\n").collect();
    output::print(&format!("{}\n\n{text}", harmless(title)))
}

/// The repository's template for pull requests.
fn template(root: &Path) -> Result<Option<String>, Failure> {
    for folder in FOLDERS {
        let Ok(entries) = fs::read_dir(root.join(folder)) else { continue };
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        let is_one = |path: &&PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
            NAMES.contains(&name.as_str()) && path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
        };
        let Some(path) = files.iter().find(is_one) else { continue };
        let failed = |why: String| Failure::failed(format!("{} {why}", harmless(&path.display().to_string())));
        if path.metadata().is_ok_and(|metadata| metadata.len() > MAX_TEMPLATE) {
            return Err(failed("is larger than 64 KiB, which GitHub takes as no text".to_owned()));
        }
        let bytes = fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| failed("is not text in UTF-8".to_owned()))?;
        return Ok(Some(text));
    }
    Ok(None)
}
