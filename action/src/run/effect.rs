//! Carries an intent out: read → plan → write → read back, as the daemon does, with what one run knows. Nothing is kept, so
//! what has to wait or to be counted over time is told to need the daemon.

use std::time::Duration;

use orchd::actions::{self, Bound, Origin, Plan, Settled};
use orchd::core::event::Event;
use orchd::core::hand::{HandChange, hand_change};
use orchd::core::intent::{Intent, written};
use orchd::core::merge;
use orchd::core::rule::{Mode, Rule};
use orchd::github::client::{GitHub, Reader, WriteTerms, Writer};
use orchd::github::{GateClosed, GitHubError, timeline};
use serde::Serialize;
use serde_json::Value;

use super::token;
use crate::annotation::Annotation;

/// As a server's config has it unless it says otherwise.
const STICKY: &str = "orchd:sticky";
/// GitHub ends a request after ten seconds: a write that does not show by then never will.
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#timeouts>
const GRACE: Duration = Duration::from_secs(11);
/// For limits that pass: as long as all effects of a run wait together.
const PATIENCE: Duration = Duration::from_secs(120);

/// What an intent came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Applied,
    /// It was so already.
    Unchanged,
    /// A person changed it by hand, or the target cannot take it.
    Held,
    /// A dry run.
    Gated,
    /// The rule is in shadow mode.
    Shadow,
    /// It takes what only a daemon has.
    NeedsDaemon,
    /// The token may not.
    Refused,
    Failed,
    /// The answer to a write was lost, and GitHub does not show what became of it.
    Unknown,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Effect {
    pub(super) intent: Intent,
    pub(super) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// What was written, or would have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

impl Effect {
    pub(super) fn is_applied(&self) -> bool {
        self.state == State::Applied
    }

    pub(super) fn is_refused(&self) -> bool {
        self.state == State::Refused
    }

    pub(super) fn is_failure(&self) -> bool {
        matches!(self.state, State::Refused | State::Failed | State::Unknown)
    }

    /// `→ label {add: [documentation]}: applied`
    pub(super) fn line(&self) -> String {
        let note = self.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        format!("→ {}: {}{note}", written(&self.intent.action, &self.intent.params), self.state_in_words())
    }

    fn state_in_words(&self) -> &'static str {
        match self.state {
            State::Applied => "applied",
            State::Unchanged => "unchanged",
            State::Held => "held",
            State::Gated => "not written",
            State::Shadow => "shadow",
            State::NeedsDaemon => "needs the daemon",
            State::Refused => "refused",
            State::Failed => "failed",
            State::Unknown => "unknown",
        }
    }

    pub(super) fn annotation(&self) -> Annotation {
        let note = self.note.as_deref().unwrap_or("no reason given");
        let what = written(&self.intent.action, &self.intent.params);
        Annotation::error(format!("rule `{}`: {what} on {}: {note}", self.intent.rule, self.intent.target))
    }
}

/// Why an attempt gave no effect.
enum Stop {
    /// GitHub said no, or nothing, before anything was written.
    Before(GitHubError),
    Ended(Ended),
}

impl From<GitHubError> for Stop {
    fn from(error: GitHubError) -> Self {
        Self::Before(error)
    }
}

#[derive(Default)]
struct Ended {
    state: Option<State>,
    note: Option<String>,
    change: Option<Value>,
    before: Option<Value>,
    after: Option<Value>,
}

impl Ended {
    fn new(state: State, note: impl Into<String>) -> Self {
        Self { state: Some(state), note: Some(note.into()), ..Self::default() }
    }
}

/// Carries intents out one after the other.
pub(super) struct Carrier<'a> {
    github: &'a GitHub,
    reader: Reader,
    event: &'a Event,
    dry_run: bool,
    /// Whether the event is one of our own doing.
    by_us: bool,
    waited: Duration,
    pub(super) effects: Vec<Effect>,
}

impl<'a> Carrier<'a> {
    pub(super) fn new(github: &'a GitHub, event: &'a Event, dry_run: bool, by_us: bool) -> Self {
        let (reader, effects) = (github.reader(None), Vec::new());
        Self { github, reader, event, dry_run, by_us, waited: Duration::ZERO, effects }
    }

    /// Carries it out and keeps what came of it.
    pub(super) async fn carry(&mut self, rule: &Rule, intent: &Intent) {
        let ended = loop {
            match self.attempt(rule, intent).await {
                Ok(ended) | Err(Stop::Ended(ended)) => break ended,
                Err(Stop::Before(error)) => match self.may_wait(&error) {
                    Some(wait) => {
                        self.waited += wait;
                        tokio::time::sleep(wait).await;
                    }
                    None => break failed(&error),
                },
            }
        };
        let Ended { state, note, change, before, after } = ended;
        let state = state.unwrap_or(State::Failed);
        self.effects.push(Effect { intent: intent.clone(), state, note, change, before, after });
    }

    fn may_wait(&self, error: &GitHubError) -> Option<Duration> {
        match error {
            GitHubError::Limited { retry_after, .. } | GitHubError::Down { retry_after, .. } => {
                (self.waited + *retry_after <= PATIENCE).then_some(*retry_after)
            }
            _ => None,
        }
    }

    async fn attempt(&self, rule: &Rule, intent: &Intent) -> Result<Ended, Stop> {
        if rule.mode == Mode::Shadow {
            return Ok(Ended::new(State::Shadow, "the rule is in shadow mode: told, and not done"));
        }
        if self.by_us {
            let told =
                "the token's own App caused the event: rules that set each other off are followed by the daemon only";
            return Ok(Ended::new(State::NeedsDaemon, told));
        }
        let origin = Origin { rule: intent.rule.clone(), intent: intent.id, at: self.event.received_at };
        let bound = Bound::new(&intent.action, &intent.params, intent.target.clone(), origin);
        let action = bound.map_err(|error| Stop::Ended(Ended::new(State::Failed, error.to_string())))?;
        let now = action.read(&self.reader).await?;
        if let Some(note) = action.vouches_for(&now).and_then(|head| self.event.pushed_since(&head)) {
            return Ok(Ended { before: Some(now), ..Ended::new(State::Held, note) });
        }
        let (change, note) = match self.plan(rule, intent, &action, &now).await? {
            Ok(wanted) => wanted,
            Err(ended) => return Ok(Ended { before: Some(now), ..ended }),
        };
        let seen = |ended: Ended| Ended { change: Some(change.clone()), before: Some(now.clone()), ..ended };
        let terms = WriteTerms { dry_run: self.dry_run, ..WriteTerms::of(rule.mode) };
        let writer = match self.github.open_gate(None, terms) {
            Ok(writer) => writer,
            Err(GateClosed::DryRun) => return Ok(seen(Ended::new(State::Gated, "dry run: input `dry_run` is `true`"))),
            Err(closed) => return Ok(seen(Ended::new(State::Gated, closed.to_string()))),
        };
        if let Some(ended) = self.guarded(rule, intent, (&action, &now, &change)).await? {
            return Ok(seen(ended));
        }
        match write(&action, &writer, &now, &change).await? {
            Written::Yes(told) => {
                let after = Some(action.read(&self.reader).await?);
                let note = told.map(str::to_owned).or(note);
                Ok(seen(Ended { state: Some(State::Applied), note, after, ..Ended::default() }))
            }
            Written::Lost(ended) => Ok(seen(ended)),
        }
    }

    /// What is to be written, given what people did; else how it ends.
    async fn plan(
        &self,
        rule: &Rule,
        intent: &Intent,
        action: &Bound,
        now: &Value,
    ) -> Result<Result<(Value, Option<String>), Ended>, GitHubError> {
        let mut hands: Vec<HandChange> = Vec::new();
        if intent.target.subject.is_item() {
            hands.extend(hand_change(self.event));
        }
        let mut wanted = action.plan(now, &hands);
        if intent.target.subject.is_item() && matches!(wanted, Plan::Change(_) | Plan::Part(..)) {
            hands.extend(self.by_hand(intent).await?);
            wanted = action.plan(now, &hands);
        }
        if actions::may_wait(&intent.action)
            && let Some(stop) = merge::taken_back(self.event, rule, &hands)
        {
            return Ok(Err(Ended::new(State::Held, stop.to_string())));
        }
        Ok(match wanted {
            Plan::Nothing(note) => Err(Ended::new(State::Unchanged, note)),
            Plan::Held(note) => Err(Ended::new(State::Held, note)),
            Plan::Wait(wait) => Err(needs_daemon(&wait.reason)),
            Plan::Change(change) => going_on(action, &change).map_or(Ok((change, None)), Err),
            Plan::Part(change, held) => {
                let note = Some(format!("held back: {held}"));
                going_on(action, &change).map_or(Ok((change, note)), Err)
            }
        })
    }

    /// What people did to the item, from its beginning: what they changed, no rule changes back.
    async fn by_hand(&self, intent: &Intent) -> Result<Vec<HandChange>, GitHubError> {
        match timeline::hands(&self.reader, &intent.target.repository, intent.target.number).await {
            Ok(listed) => Ok(listed.items),
            // A server that has no timelines: what the event tells is all there is. A token that may not see it must not
            // make a rule blind to people.
            Err(GitHubError::NotFound(_) | GitHubError::Unreadable(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Why it may not be written, beside the gate.
    async fn guarded(
        &self,
        rule: &Rule,
        intent: &Intent,
        (action, now, change): (&Bound, &Value, &Value),
    ) -> Result<Option<Ended>, GitHubError> {
        let of_rule =
            self.effects.iter().filter(|effect| effect.intent.rule == rule.name && effect.is_applied()).count();
        if let Some(most) = rule.limits.actions_per_hour.filter(|most| of_rule >= *most as usize) {
            let note = format!("the rule's `limits.actions_per_hour` of {most} is used up in this run alone");
            return Ok(Some(Ended::new(State::Held, note)));
        }
        if !intent.target.subject.is_item() {
            return Ok(None);
        }
        let moves = action.moves(now, change);
        let held = actions::left_alone(STICKY, (action, now), &moves, &self.reader).await?;
        Ok(held.map(|note| Ended::new(State::Held, note)))
    }
}

/// A change that is only a step on the way is not made: nobody would go on.
fn going_on(action: &Bound, change: &Value) -> Option<Ended> {
    action.goes_on(change).map(|wait| needs_daemon(&wait.reason))
}

fn needs_daemon(reason: &str) -> Ended {
    Ended::new(State::NeedsDaemon, format!("{reason}: waiting for that needs the daemon; a later run looks anew"))
}

fn failed(error: &GitHubError) -> Ended {
    let refused = token::is_refusal_of(error);
    Ended::new(if refused { State::Refused } else { State::Failed }, error.to_string())
}

enum Written {
    /// The note is there when the answer was lost.
    Yes(Option<&'static str>),
    Lost(Ended),
}

/// Writes once. Where the answer was lost, GitHub is looked at until it must show.
async fn write(action: &Bound, writer: &Writer, before: &Value, change: &Value) -> Result<Written, Stop> {
    let Err(error) = action.write(writer, change).await else { return Ok(Written::Yes(None)) };
    let definite = matches!(
        error,
        GitHubError::Refused { .. }
            | GitHubError::NotFound(_)
            | GitHubError::Limited { .. }
            | GitHubError::Credentials(_)
    );
    // Of several requests the first may have been carried out.
    if definite && action.is_one_request() {
        return Err(error.into());
    }
    for wait in [Duration::ZERO, if definite { Duration::ZERO } else { GRACE }] {
        tokio::time::sleep(wait).await;
        let ended = match action.read(writer).await {
            Ok(now) => match action.settle(before, change, &now) {
                Settled::Happened => {
                    return Ok(Written::Yes(Some("the answer was lost; read back, it had happened")));
                }
                Settled::DidNot => continue,
                Settled::CannotTell(why) => Ended { after: Some(now), ..Ended::new(State::Unknown, why) },
            },
            Err(unread) => Ended::new(State::Unknown, format!("{error}; and afterwards: {unread}")),
        };
        return Ok(Written::Lost(ended));
    }
    Ok(Written::Lost(failed(&error)))
}
