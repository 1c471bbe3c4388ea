//! `mode: forward`: tells a daemon what this run is at, proved by the run's own OIDC token, or signed with a secret where
//! there is none. What the daemon believes of it is in docs/forward.md.

mod post;
mod proof;
mod told;

use http::Uri;
use orchd::core::forward::{Body, Name, Status};

use self::post::{Answer, Post};
use self::proof::{NoToken, Proof};
use crate::annotation::Annotation;
use crate::context::Context;
use crate::failure::Failure;
use crate::inputs::{Input, Values};
use crate::mode::{Mode, Outcome, Output, Running};
use crate::summary::Summary;

const URL: Input =
    Input { name: "url", about: "The daemon: its `server.public_url`", default: "", values: Values::Text };
const NAME: Input = Input {
    name: "name",
    about: "What this delivery is called within its run: a retry has the same name, another step another",
    default: "${{ github.job }}-${{ strategy.job-index }}",
    values: Values::Text,
};
const STATUS: Input = Input {
    name: "status",
    about: "How the job stands: the action of the event `workflow_context`",
    default: "${{ job.status }}",
    values: Values::OneOf(&["success", "failure", "cancelled"]),
};
const NEEDS: Input = Input {
    name: "needs",
    about: "Results and outputs of the jobs before, as JSON: what the expression `toJSON(needs)` gives",
    default: "",
    values: Values::Text,
};
const OUTPUTS: Input =
    Input { name: "outputs", about: "More that rules may look at: a JSON object", default: "", values: Values::Text };
const SUMMARY: Input = Input { name: "summary", about: "What happened, in words", default: "", values: Values::Text };
const TESTS: Input = Input {
    name: "tests",
    about: "How many tests there were: `passed=40 failed=1 skipped=2`",
    default: "",
    values: Values::Text,
};
const AUDIENCE: Input = Input {
    name: "audience",
    about: "To whom the token is made out: the daemon's `forward.audience`. The `url` when it is not set",
    default: "",
    values: Values::Text,
};
const SECRET: Input = Input {
    name: "secret",
    about: "Signs in the place of a token: one of the daemon's `forward.secrets`",
    default: "",
    values: Values::Secret,
};
const FORKS: Input = Input {
    name: "forks",
    about: "What to do in a run that GitHub gives no token because it is of a fork's pull request, or of Dependabot's",
    default: "skip",
    values: Values::OneOf(&["skip", "fail"]),
};

const EVENT_ID: Output =
    Output { name: "event_id", about: "The daemon's id of the event; empty when nothing was sent" };
const FORWARDED: Output =
    Output { name: "forwarded", about: "What came of it: `accepted`, `duplicate` (it had it already) or `skipped`" };

pub(crate) const MODE: Mode = Mode {
    name: "forward",
    about: "Tells a daemon what this run is at, so that its rules can act on it",
    inputs: &[&URL, &NAME, &STATUS, &NEEDS, &OUTPUTS, &SUMMARY, &TESTS, &AUDIENCE, &SECRET, &FORKS],
    outputs: &[&EVENT_ID, &FORWARDED],
    run: |context| -> Running<'_> { Box::pin(forward(context)) },
};

async fn forward(context: &mut Context<'_>) -> Result<Outcome, Failure> {
    let url = url(context.inputs.required(&URL)?)?;
    let skips = context.inputs.choice(&FORKS)? == "skip";
    let body = body(context)?;
    if url.scheme_str() == Some("http") && !is_here(&url) {
        let told = "input `url` is not https: whoever listens on the way can use the token until it ends";
        context.log.annotate(&Annotation::warning(told));
    }
    let post = Post::new(&url)?;
    let audience = context.inputs.text(&AUDIENCE).map_or_else(|| written(&url), str::to_owned);
    let proof = match context.inputs.secret(&SECRET) {
        Some(secret) => Proof::Secret(secret),
        None => match proof::token(&context.workflow, &context.payload()?, &audience, &post).await {
            Ok(token) => {
                // Before anything is said of it.
                context.log.mask(&token);
                Proof::Token(token)
            }
            Err(NoToken::ByDesign(why)) if skips => return skipped(context, &why),
            Err(NoToken::ByDesign(why)) => return Err(Failure::setup(why)),
            Err(NoToken::Failed(failure)) => return Err(failure),
        },
    };
    let answer = post.deliver(&proof, &body, context).await?;
    tell(context, &url, &answer)?;
    Ok(Outcome::Fine)
}

fn body(context: &mut Context<'_>) -> Result<Body, Failure> {
    let status = match context.inputs.choice(&STATUS)? {
        "success" => Status::Success,
        "failure" => Status::Failure,
        _ => Status::Cancelled,
    };
    let name = match context.inputs.text(&NAME) {
        Some(name) => Name::of(name),
        None => Name::of(context.workflow.job.as_deref().unwrap_or_default()),
    };
    let inputs = &context.inputs;
    let (told, cut) = told::told(context.workflow.job.as_deref(), |input| inputs.text(input))?;
    if cut {
        context.log.annotate(&Annotation::warning("input `summary` is too long and was cut"));
    }
    Ok(Body { name, status, told, context: None, sent_at: None })
}

fn skipped(context: &mut Context<'_>, why: &str) -> Result<Outcome, Failure> {
    context.log.annotate(&Annotation::notice(format!("nothing is forwarded: {why}")));
    context.output(&EVENT_ID, "")?;
    context.output(&FORWARDED, "skipped")?;
    Ok(Outcome::Fine)
}

fn tell(context: &mut Context<'_>, url: &Uri, answer: &Answer) -> Result<(), Failure> {
    context.output(&EVENT_ID, &answer.event_id)?;
    context.output(&FORWARDED, &answer.status)?;
    let told = format!("{} has the event `{}` ({})", written(url), answer.event_id, answer.status);
    context.log.say(&told);
    let mut summary = Summary::default();
    summary.heading("orchd");
    summary.paragraph(&told);
    context.summarise(&summary)
}

/// The daemon's address without a slash at the end.
fn url(text: &str) -> Result<Uri, Failure> {
    let bad = || {
        Failure::setup(
            "input `url` is no address of a daemon: write it as https://HOST, without query, user and password",
        )
    };
    let url: Uri = text.trim_end_matches('/').parse().map_err(|_| bad())?;
    let known = matches!(url.scheme_str(), Some("http" | "https")) && url.query().is_none();
    let plain = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if known && plain { Ok(url) } else { Err(bad()) }
}

fn is_here(url: &Uri) -> bool {
    matches!(url.host(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// As somebody would write it.
fn written(url: &Uri) -> String {
    url.to_string().trim_end_matches('/').to_owned()
}
