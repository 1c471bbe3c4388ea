//! `mode: run`: the repository's rules on the event of this run, without a server.

use crate::context::Context;
use crate::failure::Failure;
use crate::inputs::{CONFIG, Input, TOKEN, Values};
use crate::mode::{Mode, Outcome, Output, Running};

const DRY_RUN: Input = Input {
    name: "dry_run",
    about: "Decide and tell what would be done, and change nothing",
    default: "false",
    values: Values::Flag,
};

const DECISIONS: Output =
    Output { name: "decisions", about: "What the rules decided and why, as JSON: a list of decisions" };
const EFFECTS: Output = Output { name: "effects", about: "What was done on GitHub, as JSON: a list of effects" };

pub(crate) const MODE: Mode = Mode {
    name: "run",
    about: "Applies the repository's rules to the event of this run, without a server",
    inputs: &[&TOKEN, &CONFIG, &DRY_RUN],
    outputs: &[&DECISIONS, &EFFECTS],
    run: |context| -> Running<'_> { Box::pin(run(context)) },
};

async fn run(context: &mut Context<'_>) -> Result<Outcome, Failure> {
    let _dry_run = context.inputs.flag(&DRY_RUN)?;
    context.output(&DECISIONS, "[]")?;
    context.output(&EFFECTS, "[]")?;
    Ok(Outcome::Fine)
}
