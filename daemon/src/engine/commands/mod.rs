//! What people tell orchd in comments. A command is a rule of orchd's own, made of the comment: its condition is the role of
//! whoever wrote it, its actions are what was asked for. So it is decided, explained and carried out as any other.

mod undo;
mod why;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Engine;
use crate::actions;
use crate::config::Config;
use crate::core::command::{Asked, Command, DEQUEUE, HELP, OWN, Said, UNDO, WHY, said};
use crate::core::condition::Condition;
use crate::core::decide::{Decision, Verdict};
use crate::core::event::{Event, EventKind, RepoName};
use crate::core::hand::{HandChange, Move, changed_at};
use crate::core::intent::{ActionSpec, Intent, Target};
use crate::core::pattern::{Case, Globs};
use crate::core::role::Role;
use crate::core::rule::{Limits, Mode, Repositories, Rule, RuleName, Trigger};
use crate::core::subject::SubjectKind;
use crate::store::StoreError;

const TRIGGER: &str = "issue_comment.created";

/// Whether an event of this kind may hold a command.
pub(super) fn may_tell(config: &Config, kind: &EventKind, repository: Option<&RepoName>) -> bool {
    kind.name == "issue_comment"
        && kind.action.as_deref() == Some("created")
        && repository.is_some_and(|repository| config.commands.cover(repository))
}

/// What a comment tells orchd to do.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The rules that it is.
    pub(super) rules: Vec<Rule>,
    /// What whoever may undo takes back, newest first.
    undos: Vec<Intent>,
}

impl Told {
    /// What a decision on `/undo` leads to is known only now: a rule's actions cannot name effects.
    pub(super) fn complete(&self, decisions: &mut [Decision]) {
        let undo = RuleName::command(UNDO.word);
        for decision in decisions.iter_mut().filter(|each| each.rule == undo && each.verdict == Verdict::Matched) {
            decision.intents.splice(..0, self.undos.iter().cloned());
        }
    }
}

/// Hears what a comment tells orchd. An App's comment tells nothing: two of them could talk to each other for ever.
pub(super) async fn hear(engine: &Engine, config: &Config, event: &Event) -> Result<Told, StoreError> {
    let Some(actor) = event.actor.as_ref().filter(|actor| !actor.is_bot) else { return Ok(Told::default()) };
    let comment = event.payload.pointer("/comment/id").and_then(Value::as_u64);
    let text = event.payload.pointer("/comment/body").and_then(Value::as_str);
    let (Some(repository), Some(comment), Some(text)) = (&event.repository, comment, text) else {
        return Ok(Told::default());
    };
    if !may_tell(config, &event.kind, Some(repository)) {
        return Ok(Told::default());
    }
    let on_pull = event.payload.pointer("/issue/pull_request").is_some_and(Value::is_object);
    let mut heard = Heard { repository, comment, by: &actor.login, on_pull, rules: Vec::new(), answers: Vec::new() };
    let mut questions = Vec::new();
    for each in said(text) {
        questions.extend(heard.listen(each));
    }
    let mut undos: Vec<Intent> = Vec::new();
    for question in questions {
        match question {
            Question::Why(rule) => {
                let terms = (config, (engine.clock)());
                heard.answers.push(why::explain(&engine.db, terms, event, rule.as_deref()).await?);
            }
            Question::Undo(rule) => match undo::latest(&engine.db, event, rule.as_deref()).await? {
                Ok(found) => {
                    heard.want(&UNDO, None);
                    // The same may be asked for twice in one comment.
                    for intent in found {
                        if undos.iter().all(|known| known.id != intent.id) {
                            undos.push(intent);
                        }
                    }
                }
                Err(why) => heard.answers.push(why),
            },
        }
    }
    Ok(Told { rules: heard.finish(), undos })
}

/// Calls off the merges that waited on the item when somebody who may said so. May be done again.
pub(super) async fn call_off(engine: &Engine, event: &Event, decisions: &[Decision]) -> Result<(), StoreError> {
    let dequeue = RuleName::command(DEQUEUE.word);
    let is_told = decisions.iter().any(|each| each.rule == dequeue && each.verdict == Verdict::Matched);
    if let (true, Some(repository), Some(number), Some(actor)) = (is_told, &event.repository, event.item, &event.actor)
    {
        let note = format!("{} called it off", actor.login);
        engine.db.call_off_merges(repository, number, event.id, &note, (engine.clock)()).await?;
    }
    Ok(())
}

/// The rule of a command that was decided on, for as long as commands are listened to there.
pub(super) fn standing(config: &Config, name: &RuleName, repository: &RepoName) -> Option<Rule> {
    let stands = name.is_of_command() && config.commands.cover(repository);
    stands.then(|| rule(name.clone(), repository, Role::None, Vec::new())).flatten()
}

/// What a person asked for counts as what that person did. An undo does only once it is done: until then what others did
/// since keeps it away.
pub(super) fn hands_of(event: &Event, decisions: &[Decision]) -> Vec<HandChange> {
    let Some(actor) = &event.actor else { return Vec::new() };
    let asked = decisions.iter().filter(|decision| decision.rule.is_of_command());
    let done = asked.flat_map(|decision| &decision.intents).filter(|intent| intent.undoes.is_none());
    let moves = |intent: &Intent| actions::asks_for(&intent.action, &intent.params);
    done.flat_map(|intent| hands(intent, moves(intent), &actor.login, changed_at(event))).collect()
}

/// What was written because a person asked for it: that person did it. May be done again.
pub(super) async fn keep_hands(engine: &Engine, intent: &Intent, moves: Vec<Move>) -> Result<(), StoreError> {
    if !intent.rule.is_of_command() || !intent.target.subject.is_item() {
        return Ok(());
    }
    let asked = engine.db.event(intent.event).await?;
    let Some((by, at)) = asked.and_then(|event| Some((event.actor?, event.received_at))) else { return Ok(()) };
    engine.db.keep_hands(&hands(intent, moves, &by, at)).await
}

fn hands(intent: &Intent, moves: Vec<Move>, by: &str, at: DateTime<Utc>) -> Vec<HandChange> {
    let Target { repository, number, .. } = &intent.target;
    let change = |Move { thing, hand }| HandChange {
        repository: repository.clone(),
        number: *number,
        thing,
        hand,
        by: by.to_owned(),
        at,
    };
    moves.into_iter().map(change).collect()
}

/// What the store has to be asked before it is known what a command leads to. With the name of a rule, or none.
enum Question {
    Why(Option<String>),
    Undo(Option<String>),
}

struct Heard<'a> {
    repository: &'a RepoName,
    comment: u64,
    by: &'a str,
    on_pull: bool,
    rules: Vec<(RuleName, Role, Vec<ActionSpec>)>,
    answers: Vec<String>,
}

impl Heard<'_> {
    fn listen(&mut self, said: Said<'_>) -> Option<Question> {
        let of_actions =
            actions::kinds().iter().flat_map(|kind| kind.commands.iter().map(move |each| (each, Some(kind))));
        let found = of_actions.chain(OWN.map(|each| (each, None))).find(|(command, _)| command.word == said.word);
        // Many a path begins with a slash.
        let (command, kind) = found?;
        let read = || {
            if command.of_pulls && !self.on_pull {
                return Err("this is no pull request".to_owned());
            }
            let params = (command.read)(Asked { arguments: said.arguments, by: self.by })?;
            kind.map_or(Ok(()), |kind| (kind.check)(&params)).map(|()| params)
        };
        let params = match read() {
            Ok(params) => params,
            Err(why) => {
                self.answers.push(format!("`/{}`: {why}. Write it like `{}`.", said.word, command.usage));
                return None;
            }
        };
        match kind {
            Some(kind) => {
                self.want(command, Some(ActionSpec { name: kind.name.to_owned(), params, acts_on: kind.acts_on }));
            }
            None if command.word == HELP.word => self.answers.push(help()),
            None if command.word == DEQUEUE.word => self.want(command, None),
            None => {
                let rule = params.as_str().map(str::to_owned);
                return Some(if command.word == WHY.word { Question::Why(rule) } else { Question::Undo(rule) });
            }
        }
        None
    }

    fn want(&mut self, command: &Command, spec: Option<ActionSpec>) {
        let name = RuleName::command(command.word);
        match self.rules.iter_mut().find(|(known, _, _)| *known == name) {
            Some((_, _, specs)) => specs.extend(spec),
            None => self.rules.push((name, command.least, spec.into_iter().collect())),
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
        if !self.answers.is_empty() {
            let spec = on_item("comment", json!({"body": self.answers.join("\n\n")}));
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
    let offered = actions::kinds().iter().flat_map(|kind| kind.commands).chain(OWN);
    let line = |command: &Command| format!("- `{}` {} (from the role {})", command.usage, command.help, command.least);
    format!("Commands stand on a line of their own:\n\n{}", offered.map(line).collect::<Vec<_>>().join("\n"))
}
