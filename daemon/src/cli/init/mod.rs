//! `orchd init`: installs files into a repository, and brings them up to date later.
//!
//! Owns the templates, what is remembered of them, and the three-way merge. Refuses to overwrite: what a person wrote or
//! took away stays so, and what could not be merged is told. Invariant: a second run changes nothing, not even a time.

mod answers;
mod disk;
mod lock;
mod merge;
mod plan;
mod shape;
mod templates;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use self::answers::{Answers, Said};
use self::lock::{Installed, Lock};
use self::plan::{State, Step, step};
use self::templates::{TEMPLATES, Template, named};
use super::failure::Failure;
use super::git::Checkout;
use super::output::{self, Rows};
use crate::core::text::harmless;

pub(super) const ABOUT: &str = "\
What it installed is remembered in .github/orchd.lock. Later runs bring in what is new in the templates: a file that
nobody changed is replaced, in one that somebody changed the new lines are merged, and where both changed the same lines
the person's stay and the new ones are printed. A file that was there before, or was taken away, is left alone.

Exit codes: 0 it worked; 1 something could not be merged, or nothing was written for the reason that is told (--check:
an update would change something).";

#[derive(Debug, Args)]
pub(super) struct Init {
    /// A directory of the checkout.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// These only; what you took away comes back.
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = names())]
    only: Vec<String>,
    /// Change nothing; say how the files stand, and fail when an update would change something.
    #[arg(long, conflicts_with_all = ["dry_run", "show"])]
    check: bool,
    /// Change nothing; say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Print a template as it would be installed.
    #[arg(long, value_name = "NAME", value_parser = names())]
    show: Option<String>,
    /// Your text is the answer to what could not be merged: it is not told again.
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = names())]
    resolved: Vec<String>,
    #[command(flatten)]
    said: Said,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(TEMPLATES.iter().map(|template| template.name))
}

/// A template, what is done about it, and whether that is more than nothing.
struct Planned {
    template: &'static Template,
    step: Step,
    /// What to remember differs from what is remembered.
    unrecorded: bool,
}

impl Planned {
    fn changes(&self) -> bool {
        self.step.text.is_some() || self.unrecorded
    }
}

impl Init {
    pub(super) fn run(&self, json: bool) -> Result<(), Failure> {
        let checkout = Checkout::find(&self.dir)?;
        let kept = disk::read(&checkout.root, lock::PATH).map_err(Failure::failed)?;
        let before = kept.as_deref().map(Lock::read).transpose().map_err(Failure::failed)?;
        let answers = Answers::find(&self.said, before.as_ref().map(|lock| &lock.answers), &checkout)?;
        if let Some(template) = self.show.as_deref().and_then(named) {
            return output::print(&template.render(&answers));
        }
        let installed = before.map(|lock| lock.installed).unwrap_or_default();
        let planned = self.plan(&checkout, &answers, &installed)?;
        let lock = remembered(&planned, installed, &answers);
        let written = if lock.installed.is_empty() { None } else { Some(lock.write().map_err(Failure::failed)?) };
        let writes = !self.check && !self.dry_run;
        if writes {
            let mut texts: Vec<(&str, &str)> =
                planned.iter().filter_map(|it| Some((it.template.path, it.step.text.as_deref()?))).collect();
            // Last: what is written and not remembered is found to be the template's own text the next time.
            texts.extend(
                written.as_deref().filter(|text| Some(*text) != kept.as_deref()).map(|text| (lock::PATH, text)),
            );
            disk::write(&checkout.root, &texts).map_err(Failure::failed)?;
        }
        if json {
            output::print_json(&document(&planned))?
        } else {
            self.tell(&planned, writes)?
        };
        let names_the_action = |it: &Planned| it.template.name == "orchd-workflow" && it.step.text.is_some();
        if answers.has_no_action() && planned.iter().any(names_the_action) {
            output::note(
                "This orchd is of no release, so the workflow names no commit of the Action that exists: give --action COMMIT.",
            );
        }
        self.outcome(&planned)
    }

    fn plan(
        &self,
        checkout: &Checkout,
        answers: &Answers,
        installed: &BTreeMap<String, Installed>,
    ) -> Result<Vec<Planned>, Failure> {
        let (mut planned, mut wrong) = (Vec::new(), Vec::new());
        let chosen = |template: &&Template| self.only.is_empty() || self.only.iter().any(|name| name == template.name);
        for template in TEMPLATES.iter().filter(chosen) {
            let found = match disk::look(&checkout.root, template) {
                Ok(found) => found,
                Err(why) => {
                    wrong.push(why);
                    continue;
                }
            };
            let new = template.render(answers);
            let base = installed.get(template.name).map(|installed| installed.text.as_str());
            let mut step = step(&new, base, &found, !self.only.is_empty());
            if step.state == State::Conflict && self.resolved.iter().any(|name| name == template.name) {
                step = Step { state: State::Edited, base: Some(new), conflicts: Vec::new(), ..step };
            }
            let unrecorded = step.base.is_some() && step.base.as_deref() != base;
            planned.push(Planned { template, step, unrecorded });
        }
        match wrong.as_slice() {
            [] => Ok(planned),
            [one] => Err(Failure::failed(format!("{one}. Nothing was written."))),
            many => Err(Failure::failed(format!("nothing was written:\n{}", many.join("\n")))),
        }
    }

    fn tell(&self, planned: &[Planned], writes: bool) -> Result<(), Failure> {
        let mut rows = Rows::new(["name", "file", "state", ""]);
        for it in planned {
            let (template, state) = (it.template, it.step.state.word().to_owned());
            rows.push([template.name.to_owned(), template.path.to_owned(), state, note(it, writes)]);
        }
        rows.print()?;
        for it in planned {
            output::print(&conflicts(it))?;
        }
        let installed = planned.iter().any(|it| it.step.text.is_some());
        if writes && installed {
            output::note(&format!("Look through what was written, and commit it together with {}.", lock::PATH));
        }
        Ok(())
    }

    fn outcome(&self, planned: &[Planned]) -> Result<(), Failure> {
        let counted = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let changes = planned.iter().filter(|it| it.changes()).count();
        let conflicts: usize = planned.iter().map(|it| it.step.conflicts.len()).sum();
        match (self.check, changes, conflicts) {
            (true, 0, _) | (false, _, 0) => Ok(()),
            (true, ..) => Err(Failure::failed(format!("`orchd init` would update {}", counted(changes, "file")))),
            (false, ..) => Err(Failure::failed(format!(
                "{} could not be merged: take in what you want by hand, then `orchd init --resolved NAME`",
                counted(conflicts, "change")
            ))),
        }
    }
}

/// What is installed once that is done.
fn remembered(planned: &[Planned], mut installed: BTreeMap<String, Installed>, answers: &Answers) -> Lock {
    for it in planned.iter().filter(|it| it.unrecorded) {
        if let Some(text) = it.step.base.clone() {
            let version = env!("CARGO_PKG_VERSION").to_owned();
            installed.insert(it.template.name.to_owned(), Installed { version, text });
        }
    }
    Lock { answers: answers.clone(), installed }
}

/// What was done about a file, or would be.
fn note(it: &Planned, writes: bool) -> String {
    let done = |was: &str| if writes { was.to_owned() } else { format!("would be {was}") };
    match &it.step.state {
        State::Current if it.unrecorded => done("remembered as installed"),
        State::Current => String::new(),
        State::Edited => "changed by you, nothing new for it".to_owned(),
        State::Missing => format!("{}: {}", done("installed"), it.template.about),
        State::Removed => format!("taken away by you: `--only {}` brings it back", it.template.name),
        State::Own(path) if path.is_empty() => {
            format!("yours: left alone (`--show {}` prints the template)", it.template.name)
        }
        State::Own(path) => format!("you have {path}: left alone"),
        State::Outdated => done("updated"),
        State::Mergeable => format!("{}, with your changes kept", done("updated")),
        State::Conflict => {
            let rest = it.step.text.as_ref().map(|_| format!(", the rest {}", done("updated"))).unwrap_or_default();
            format!("{} kept as you have it{rest}", it.step.conflicts.len())
        }
    }
}

/// What could not be merged, place by place.
fn conflicts(it: &Planned) -> String {
    let Template { name, path, .. } = it.template;
    let mut told = String::new();
    for conflict in &it.step.conflicts {
        told += &format!("\n{path}:{}: not merged, yours is kept\n", conflict.line);
        let mut lines = |mark: &str, lines: &[String]| {
            lines.iter().for_each(|line| told += &format!("  {mark} {}\n", harmless(line.trim_end_matches('\n'))));
        };
        lines("was  ", &conflict.base);
        lines("yours", &conflict.ours);
        lines("new  ", &conflict.theirs);
    }
    if !told.is_empty() {
        told += &format!("The whole new text: orchd init --show {name}\n");
    }
    told
}

fn document(planned: &[Planned]) -> Value {
    let file = |it: &Planned| {
        let conflicts = it.step.conflicts.iter().map(|conflict| {
            json!({"line": conflict.line, "base": conflict.base.concat(), "yours": conflict.ours.concat(), "new": conflict.theirs.concat()})
        });
        json!({
            "name": it.template.name, "path": it.template.path, "state": it.step.state.word(),
            "changes": it.changes(), "conflicts": conflicts.collect::<Value>(),
        })
    };
    json!({"changes": planned.iter().any(Planned::changes), "files": planned.iter().map(file).collect::<Value>()})
}
