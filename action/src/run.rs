//! `mode: run`: the repository's rules on the event of this run, without a server. The same core decides, the same actions
//! act, through the same write gate; what takes state is told to need the daemon.

mod effect;
mod report;
mod rules;
mod token;

use orchd::core::decide::{Decision, Verdict};
use orchd::core::event::{Event, EventId};
use orchd::core::event_names::SCHEDULE;
use orchd::core::rule::Rule;
use orchd::github::rounds::decide_with;
use uuid::Builder;

use self::effect::{Carrier, Effect};
use self::rules::Rules;
use crate::annotation::Annotation;
use crate::client::{self, GITHUB_ACTIONS};
use crate::context::Context;
use crate::failure::Failure;
use crate::inputs::{CONFIG, Input, TOKEN, Values, quoted};
use crate::mode::{Mode, Outcome, Output, Running};
use crate::workflow::Workflow;

const DRY_RUN: Input = Input {
    name: "dry_run",
    about: "Decide and tell what would be done, and change nothing",
    default: "false",
    values: Values::Flag,
};
const APP_SLUG: Input = Input {
    name: "app_slug",
    about: "The slug of the App whose token `token` is, when it is an App's own: what it wrote before is known by it",
    default: GITHUB_ACTIONS,
    values: Values::Text,
};

const DECISIONS: Output = Output {
    name: "decisions",
    about: "What the rules decided and why, as a JSON list: `rule`, `mode`, `verdict`, `explanation`, `intents`",
};
const EFFECTS: Output = Output {
    name: "effects",
    about: "What came of what they wanted, as a JSON list: `intent`, `state`, `note`, `change`, `before`, `after`",
};
const APPLIED: Output = Output { name: "applied", about: "How many effects changed something on GitHub" };

pub(crate) const MODE: Mode = Mode {
    name: "run",
    about: "Applies the repository's rules to the event of this run, without a server",
    inputs: &[&TOKEN, &CONFIG, &DRY_RUN, &APP_SLUG],
    outputs: &[&DECISIONS, &EFFECTS, &APPLIED],
    run: |context| -> Running<'_> { Box::pin(run(context)) },
};

async fn run(context: &mut Context<'_>) -> Result<Outcome, Failure> {
    let dry_run = context.inputs.flag(&DRY_RUN)?;
    let token = context.inputs.required_secret(&TOKEN)?;
    let slug = context.inputs.required(&APP_SLUG)?.trim_end_matches("[bot]").to_owned();
    let config = rules::path(context.inputs.required(&CONFIG)?)?;
    let event = event_of(context)?;
    let github = client::github(&context.workflow, token, &slug, context.now)?;
    let reader = github.reader(None);
    let rules = rules::read(&context.workflow, &event, &config, &reader).await?;
    context.log.say(&rules.told(&config));
    if event.kind.name == SCHEDULE {
        let told = "rules `on: schedule` look at every open issue and pull request once a day, which needs the daemon: \
                    here they see a run that is about none";
        context.log.annotate(&Annotation::notice(told));
    }

    let decided = decide_with(&[&rules.rules], &event, &reader).await;
    let decided = decided.map_err(|error| client::explained("what the rules look at", &error))?;
    let again = || Failure::failed("facts were asked for again and again: this is a mistake in orchd");
    let (decisions, _) = decided.ok_or_else(again)?;
    context.output(&DECISIONS, &json(&decisions)?)?;

    let own = format!("{slug}[bot]");
    let by_us = event.actor.as_ref().is_some_and(|actor| actor.is_bot && actor.login.eq_ignore_ascii_case(&own));
    let mut carrier = Carrier::new(&github, &event, dry_run, by_us);
    for (decision, rule) in matched(&decisions, &rules) {
        for intent in &decision.intents {
            carrier.carry(rule, intent).await;
        }
    }
    let effects = carrier.effects;
    context.output(&EFFECTS, &json(&effects)?)?;
    context.output(&APPLIED, &effects.iter().filter(|effect| effect.is_applied()).count().to_string())?;
    let story =
        report::Story { event: &event, config: &config, rules: &rules, decisions: &decisions, effects: &effects };
    context.log.say(&story.text());
    context.summarise(&story.summary(dry_run))?;
    outcome(context, &story)
}

/// How the step ends, with what is to be mended.
fn outcome(context: &mut Context<'_>, story: &report::Story<'_>) -> Result<Outcome, Failure> {
    for told in story.hints() {
        context.log.annotate(&told);
    }
    let mut told = story.undecided();
    let bad: Vec<&Effect> = story.effects.iter().filter(|effect| effect.is_failure()).collect();
    let refused = !told.is_empty() || bad.iter().any(|effect| effect.is_refused());
    told.extend(bad.iter().map(|effect| effect.annotation()));
    if refused {
        told.push(Annotation::error(token::advice(story.event, &context.workflow, &story.triggered())));
    }
    match (told.is_empty(), refused) {
        (true, _) => Ok(Outcome::Fine),
        (false, true) => Err(Failure::Setup(told)),
        (false, false) => Err(Failure::Failed(told)),
    }
}

fn matched<'a>(decisions: &'a [Decision], rules: &'a Rules) -> impl Iterator<Item = (&'a Decision, &'a Rule)> {
    let is_matched = |decision: &&Decision| decision.verdict == Verdict::Matched;
    let with_rule = |decision: &'a Decision| Some((decision, rules.named(&decision.rule)?));
    decisions.iter().filter(is_matched).filter_map(with_rule)
}

/// The event of the run. `pull_request_target` is `pull_request` that ran elsewhere: rules know one name for it.
fn event_of(context: &Context<'_>) -> Result<Event, Failure> {
    let run = &context.workflow;
    let payload = context.payload()?;
    let name = match run.event_name.as_str() {
        "pull_request_target" => "pull_request",
        name => name,
    };
    let mut event = Event::from_payload(id_of(run), name, (context.now)(), payload);
    // A schedule's payload may name none.
    let named = event.repository.get_or_insert_with(|| run.repository.clone());
    if !named.as_str().eq_ignore_ascii_case(run.repository.as_str()) {
        return Err(Failure::setup(format!(
            "the event is about {}, and the run is one of {}: rules act on the repository of the run only",
            quoted(named.as_str()),
            quoted(run.repository.as_str())
        )));
    }
    Ok(event)
}

/// The same for every attempt of a run, so that a run that is repeated knows what it did.
fn id_of(run: &Workflow) -> EventId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&run.run_id.to_be_bytes());
    bytes[8..].copy_from_slice(&run.repository_id.unwrap_or_default().to_be_bytes());
    EventId(Builder::from_custom_bytes(bytes).into_uuid())
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::failed(format!("the outputs cannot be written as JSON: {error}")))
}
