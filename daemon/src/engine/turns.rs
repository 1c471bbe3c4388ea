//! Effects that wait: for people, for GitHub, for their turn. Today that is `merge`.
//!
//! What is not ready holds neither its lane nor a worker, and no attempt counts: its effect says `waiting` and for what,
//! and has no job. It is looked at again when an event may have changed something for it, when it is its turn, and after
//! a while anyway. Each look starts from nothing: GitHub is asked, the action plans, as if for the first time.

use std::time::Duration;

use serde_json::Value;

use super::process::event_from;
use super::{Engine, JobError, story};
use crate::actions::{self, Bound, Plan};
use crate::config::Config;
use crate::core::event::{Event, EventKind};
use crate::core::hand::HandChange;
use crate::core::intent::Intent;
use crate::core::merge::{self, Line, Wait};
use crate::core::rule::Rule;
use crate::github::GitHubError;
use crate::github::client::Reader;
use crate::store::StoreError;
use crate::store::effects::{EffectOutcome, EffectRow, EffectState};
use crate::store::jobs::JobId;
use crate::store::merge_queue::Waiting;

/// How often it is seen whether something has waited for long enough to be looked at.
const LOOK: Duration = Duration::from_secs(2);

/// GitHub's words when a branch moved between its own look and its merge: the next try may succeed.
/// <https://docs.github.com/en/rest/pulls/pulls#merge-a-pull-request>
const PASSES: &str = "was modified";

/// What an effect waits for, and where.
pub(super) struct Waits {
    pub(super) line: Line,
    pub(super) wait: Wait,
    /// Whether all it waits for is its turn.
    pub(super) is_ready: bool,
}

impl Waits {
    pub(super) fn new(action: &Bound, now: &Value, wait: Wait) -> Result<Self, JobError> {
        let line = action.line(now).ok_or_else(|| JobError::Hopeless("what waits stands in no line".to_owned()))?;
        Ok(Self { line, wait, is_ready: false })
    }
}

/// Whether an event of this kind may change something for effects that wait. Which there are is not known where
/// deliveries arrive: that rules ask for such effects is.
pub(super) fn may_matter(config: &Config, kind: &EventKind) -> bool {
    let own = &config.repository_config;
    let mut asked_for = config.rules.iter().flat_map(|rule| &rule.then).map(|spec| &spec.name);
    merge::may_tell(kind)
        && (config.commands.enabled
            || asked_for.any(|name| actions::may_wait(name))
            || own.enabled && own.terms.actions.iter().any(|name| actions::may_wait(name)))
}

/// Has those looked at that an event tells something new about. May be done again.
pub(super) async fn hear(engine: &Engine, config: &Config, event: &Event) -> Result<(), StoreError> {
    if !may_matter(config, &event.kind) {
        return Ok(());
    }
    let (Some(repository), Some(news)) = (&event.repository, merge::news(event)) else { return Ok(()) };
    engine.db.hear_of_merges(repository, &news, (engine.clock)()).await?;
    Ok(())
}

/// Why an effect is given up that its action would go on with: what asked for it is no longer so.
pub(super) async fn given_up(
    engine: &Engine,
    effect: &EffectRow,
    rule: Option<&Rule>,
    hands: &[HandChange],
) -> Result<Option<String>, JobError> {
    let intent = &effect.intent;
    if !actions::may_wait(&intent.action) {
        return Ok(None);
    }
    let Some(rule) = rule else { return Ok(None) };
    let asks = || rule.then.iter().any(|spec| spec.name == intent.action && spec.params == intent.params);
    if effect.state == EffectState::Waiting && !rule.name.is_of_command() && !asks() {
        return Ok(Some("the rule was changed since: its next event asks anew".to_owned()));
    }
    let Some(row) = engine.db.events_by_id(&[intent.event]).await?.into_iter().next() else { return Ok(None) };
    let Some((_, payload)) = engine.db.payloads(&[intent.event]).await?.into_iter().next() else { return Ok(None) };
    let asked = event_from(&row, Some(payload))?;
    Ok(merge::taken_back(&asked, rule, hands).map(|stop| stop.to_string()))
}

/// What an effect that could go on waits for, when others go first.
pub(super) async fn turn(
    engine: &Engine,
    action: &Bound,
    intent: &Intent,
    now: &Value,
) -> Result<Option<Waits>, JobError> {
    let Some(line) = action.line(now) else { return Ok(None) };
    let first = engine.db.goes_first(intent, &line.base, (engine.clock)()).await?;
    Ok(first.map(|number| Waits { wait: Wait::for_turn(&line.base, number), line, is_ready: true }))
}

/// What becomes of an effect whose change GitHub refused, and of which nothing shows: it is judged anew.
pub(super) async fn judge_anew(
    action: &Bound,
    reader: &Reader,
    hands: &[HandChange],
    tried: &Value,
    refusal: &GitHubError,
) -> Result<Result<Waits, (EffectState, Value, String)>, JobError> {
    let now = action.read(reader).await?;
    let refusal = refusal.to_string();
    let wait = match action.plan(&now, hands) {
        Plan::Nothing(note) => return Ok(Err((EffectState::Unchanged, now, note))),
        Plan::Held(note) => return Ok(Err((EffectState::Held, now, note))),
        Plan::Wait(wait) => wait,
        Plan::Change(change) | Plan::Part(change, _) if change != *tried => Wait::for_nothing(refusal),
        Plan::Change(_) | Plan::Part(..) if refusal.contains(PASSES) => Wait::for_retry(&refusal),
        Plan::Change(_) | Plan::Part(..) => return Ok(Err((EffectState::Held, now, refusal))),
    };
    Waits::new(action, &now, wait).map(Ok)
}

/// Stores that an effect waits; its job is done. One whose rule waits on the same pull request already has nothing to
/// wait for: then this is what it came to.
pub(super) async fn wait(
    engine: &Engine,
    job: JobId,
    effect: &EffectRow,
    waits: &Waits,
) -> Result<Option<EffectOutcome>, JobError> {
    let (intent, now) = (&effect.intent, (engine.clock)());
    if let Some(twin) = engine.db.twin_in_queue(intent).await? {
        let note = Some(format!("effect {twin} of an earlier event waits for the same"));
        return Ok(Some(EffectOutcome { state: EffectState::Unchanged, before: None, after: None, note }));
    }
    let Waits { line, wait, is_ready } = waits;
    let waiting = Waiting { owner: &engine.owner, job, intent, line, wait, is_ready: *is_ready };
    engine.db.enter_queue(&waiting, now).await?;
    story::ended("waiting");
    let (told, reason) = (story::in_words(intent, EffectState::Waiting, Some(&wait.reason)), &wait.reason);
    // It is looked at again and again, and mostly waits for the same as before.
    if effect.state == EffectState::Waiting && effect.note.as_ref() == Some(reason) {
        tracing::debug!(outcome = "waiting", note = reason, "{told}");
    } else {
        tracing::info!(outcome = "waiting", note = reason, "{told}");
    }
    if wait.again.is_zero() {
        engine.db.look_at_due_merges(now).await?;
    }
    engine.wake.notify_one();
    Ok(None)
}

/// Has those looked at that waited for long enough without an event, and tidies up after whatever was interrupted.
pub async fn keep(engine: Engine) {
    loop {
        match engine.db.look_at_due_merges((engine.clock)()).await {
            Ok(0) => {}
            Ok(_) => engine.wake.notify_one(),
            Err(error) => tracing::warn!(%error, "what waits could not be looked through"),
        }
        tokio::time::sleep(LOOK).await;
    }
}
