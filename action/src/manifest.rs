//! What `action.yml` and the tables of the documentation say, from the registry: written by `UPDATE=1`, compared by a test.

use std::fmt::Write as _;

use crate::inputs::{Input, Values, list};
use crate::mode::Output;
use crate::{MODES, Mode};

/// Which mode. Has no default: a step says what it is for.
pub const MODE: Input = Input { name: "mode", about: "What to do", default: "", values: Values::Text };

const IMAGE: &str = concat!("docker://ghcr.io/orchd/orchd-action:", env!("CARGO_PKG_VERSION"));
const HEAD: &str = "\
# Written from the registry of modes: UPDATE=1 cargo test --package orchd-action generated
name: orchd
description: The same rules without a server, a check of the repository's setup, and events for a daemon
author: The orchd authors
branding: {icon: git-pull-request, color: blue}
";
/// Why a published image, and why inputs have no hyphens.
const RUNS: &str = "\
# A published image: building one from a Dockerfile would take minutes of every run, and fails where a runner may reach
# nothing but a registry. Whoever pins this file by its commit pins the version; by digest: docs/action.md.
";

/// Every input that there is beside `mode`, each once, in the order of the modes.
pub fn inputs() -> Vec<&'static Input> {
    let mut all: Vec<&'static Input> = Vec::new();
    for input in MODES.iter().flat_map(|mode| mode.inputs) {
        if !all.iter().any(|known| known.name == input.name) {
            all.push(input);
        }
    }
    all
}

/// Every output, each once.
pub fn outputs() -> Vec<&'static Output> {
    let mut all: Vec<&'static Output> = Vec::new();
    for output in MODES.iter().flat_map(|mode| mode.outputs) {
        if !all.iter().any(|known| known.name == output.name) {
            all.push(output);
        }
    }
    all
}

/// `action.yml`.
pub fn action_yml() -> String {
    let mut yml = format!("{HEAD}\ninputs:\n");
    let modes: Vec<&str> = MODES.iter().map(|mode| mode.name).collect();
    let mode = format!("{}: {}", MODE.about, list(&modes));
    let _ = write!(yml, "  mode:\n    description: {}\n    required: true\n", text(&mode));
    for input in inputs() {
        let _ = write!(yml, "  {}:\n    description: {}\n", input.name, text(&described(input)));
        let _ = write!(yml, "    required: false\n    default: {}\n", text(input.default));
    }
    yml.push_str("\noutputs:\n");
    for output in outputs() {
        let about =
            format!("{} ({})", output.about, of_modes(|mode| mode.outputs.iter().any(|each| each.name == output.name)));
        let _ = write!(yml, "  {}:\n    description: {}\n", output.name, text(&about));
    }
    let _ = write!(yml, "\n{RUNS}runs:\n  using: docker\n  image: {IMAGE}\n");
    yml
}

/// The table of inputs, for the documentation.
pub fn inputs_table() -> String {
    let mut page = "| Input | Modes | What it is | Default |\n|---|---|---|---|\n".to_owned();
    let modes: Vec<String> = MODES.iter().map(|mode| format!("`{}`: {}", mode.name, lower(mode.about))).collect();
    let _ = writeln!(page, "| `mode` | | What to do. {} | none: it must be set |", modes.join("; "));
    for input in inputs() {
        let modes = of_modes(|mode| mode.inputs.iter().any(|each| each.name == input.name));
        let default = if input.default.is_empty() { "none".to_owned() } else { format!("`{}`", input.default) };
        let about = with_values(input).replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | {modes} | {about} | {default} |", input.name);
    }
    page
}

/// The table of outputs.
pub fn outputs_table() -> String {
    let mut page = "| Output | Modes | What it is |\n|---|---|---|\n".to_owned();
    for output in outputs() {
        let modes = of_modes(|mode| mode.outputs.iter().any(|each| each.name == output.name));
        let _ = writeln!(page, "| `{}` | {modes} | {} |", output.name, output.about.replace('|', "\\|"));
    }
    page
}

fn of_modes(has: impl Fn(&Mode) -> bool) -> String {
    let names: Vec<String> = MODES.iter().filter(|mode| has(mode)).map(|mode| format!("`{}`", mode.name)).collect();
    names.join(", ")
}

fn described(input: &Input) -> String {
    let modes = of_modes(|mode| mode.inputs.iter().any(|each| each.name == input.name));
    format!("{} ({modes})", with_values(input))
}

fn with_values(input: &Input) -> String {
    match input.values {
        Values::OneOf(words) => format!("{}: {}", input.about, list(words)),
        Values::Flag => format!("{}: `true` or `false`", input.about),
        Values::Text | Values::Secret => input.about.to_owned(),
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A YAML string in double quotes. What GitHub works out stays as it is.
fn text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
