//! What people tell orchd in comments. A command is a rule of orchd's own, made of the comment: its condition is the role of
//! whoever wrote it, its actions are what was asked for. So it is decided, explained and carried out as any other.

use serde_json::{Value, json};

use crate::actions;
use crate::config::Config;
use crate::core::command::{Asked, Command, HELP, Said, said};
use crate::core::condition::Condition;
use crate::core::decide::Decision;
use crate::core::event::{Event, EventKind, RepoName};
use crate::core::hand::{HandChange, Move, changed_at};
use crate::core::intent::ActionSpec;
use crate::core::pattern::{Case, Globs};
use crate::core::role::Role;
use crate::core::rule::{Limits, Mode, Repositories, Rule, RuleName, Trigger};
use crate::core::subject::SubjectKind;

const TRIGGER: &str = "issue_comment.created";

/// Whether an event of this kind may hold a command.
pub(super) fn may_tell(config: &Config, kind: &EventKind, repository: Option<&RepoName>) -> bool {
    kind.name == "issue_comment"
        && kind.action.as_deref() == Some("created")
        && repository.is_some_and(|repository| config.commands.cover(repository))
}

/// The rules that a comment is. An App's comment is none: two of them could talk to each other for ever.
pub(super) fn rules_of(config: &Config, event: &Event) -> Vec<Rule> {
    let Some(actor) = event.actor.as_ref().filter(|actor| !actor.is_bot) else { return Vec::new() };
    let comment = event.payload.pointer("/comment/id").and_then(Value::as_u64);
    let text = event.payload.pointer("/comment/body").and_then(Value::as_str);
    let (Some(repository), Some(comment), Some(text)) = (&event.repository, comment, text) else { return Vec::new() };
    if !may_tell(config, &event.kind, Some(repository)) {
        return Vec::new();
    }
    let mut heard = Heard { repository, comment, by: &actor.login, rules: Vec::new(), wrong: Vec::new() };
    for each in said(text) {
        heard.listen(each);
    }
    heard.finish()
}

/// The rule of a command that was decided on, for as long as commands are listened to there.
pub(super) fn standing(config: &Config, name: &RuleName, repository: &RepoName) -> Option<Rule> {
    let stands = name.is_of_command() && config.commands.cover(repository);
    stands.then(|| rule(name.clone(), repository, Role::None, Vec::new())).flatten()
}

/// What a person asked for counts as what that person did.
pub(super) fn hands_of(event: &Event, decisions: &[Decision]) -> Vec<HandChange> {
    let Some(actor) = &event.actor else { return Vec::new() };
    let asked = decisions.iter().filter(|decision| decision.rule.is_of_command());
    let touched = asked.flat_map(|decision| &decision.intents).flat_map(|intent| {
        let target = &intent.target;
        actions::asks_for(&intent.action, &intent.params).into_iter().map(|Move { thing, hand }| HandChange {
            repository: target.repository.clone(),
            number: target.number,
            thing,
            hand,
            by: actor.login.clone(),
            at: changed_at(event),
        })
    });
    touched.collect()
}

struct Heard<'a> {
    repository: &'a RepoName,
    comment: u64,
    by: &'a str,
    rules: Vec<(RuleName, Role, Vec<ActionSpec>)>,
    /// What is to be answered.
    wrong: Vec<String>,
}

impl Heard<'_> {
    fn listen(&mut self, said: Said<'_>) {
        if said.word == HELP.word {
            self.wrong.push(help());
            return;
        }
        let found = actions::kinds().iter().find_map(|kind| {
            let command = kind.commands.iter().find(|command| command.word == said.word)?;
            Some((kind, command))
        });
        // Many a path begins with a slash.
        let Some((kind, command)) = found else { return };
        let params = (command.read)(Asked { arguments: said.arguments, by: self.by });
        match params.and_then(|params| (kind.check)(&params).map(|()| params)) {
            Ok(params) => self.want(command, ActionSpec { name: kind.name.to_owned(), params, acts_on: kind.acts_on }),
            Err(why) => self.wrong.push(format!("`/{}`: {why}. Write it like `{}`.", said.word, command.usage)),
        }
    }

    fn want(&mut self, command: &Command, spec: ActionSpec) {
        let name = RuleName::command(command.word);
        match self.rules.iter_mut().find(|(known, _, _)| *known == name) {
            Some((_, _, specs)) => specs.push(spec),
            None => self.rules.push((name, command.least, vec![spec])),
        }
    }

    fn react(&self, content: &str) -> ActionSpec {
        on_item("react", json!({"comment": self.comment, "content": content}))
    }

    fn finish(mut self) -> Vec<Rule> {
        let heard = self.react("+1");
        for (_, _, specs) in &mut self.rules {
            specs.push(heard.clone());
        }
        if !self.wrong.is_empty() {
            let spec = on_item("comment", json!({"body": self.wrong.join("\n\n")}));
            self.rules.push((RuleName::answer(self.comment), Role::Triage, vec![spec]));
        }
        let highest = self.rules.iter().map(|(_, least, _)| *least).max();
        let refusal = highest.and_then(|least| {
            let mut refusal = rule(RuleName::refusal(), self.repository, least, vec![self.react("confused")])?;
            refusal.when = refusal.when.map(|allowed| Condition::Not(Box::new(allowed)));
            Some(refusal)
        });
        let rules = self.rules.into_iter();
        let rules = rules.filter_map(|(name, least, specs)| rule(name, self.repository, least, specs));
        rules.chain(refusal).collect()
    }
}

/// `None` cannot be: the repository is a glob, and the trigger and the role are words of their own lists.
fn rule(name: RuleName, repository: &RepoName, least: Role, then: Vec<ActionSpec>) -> Option<Rule> {
    Some(Rule {
        name,
        repositories: Repositories(Globs::parse(&[repository.as_str()], Case::Insensitive).ok()?),
        on: vec![Trigger::parse(TRIGGER).ok()?],
        when: match least {
            Role::None => None,
            least => Some(Condition::parse(&json!({"role": least})).ok()?),
        },
        then,
        mode: Mode::Active,
        limits: Limits::default(),
    })
}

fn on_item(name: &str, params: Value) -> ActionSpec {
    ActionSpec { name: name.to_owned(), params, acts_on: SubjectKind::Item }
}

fn help() -> String {
    let offered = actions::kinds().iter().flat_map(|kind| kind.commands).chain([&HELP]);
    let line = |command: &Command| format!("- `{}` {} (from the role {})", command.usage, command.help, command.least);
    format!("Commands stand on a line of their own:\n\n{}", offered.map(line).collect::<Vec<_>>().join("\n"))
}
