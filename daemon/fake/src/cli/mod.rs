//! One file a command.

pub(crate) mod github;
pub(crate) mod payloads;
mod play;
pub(crate) mod send;

use std::path::Path;

use anyhow::Context as _;

/// A secret from a file, without the line end that editors add.
fn secret_from(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
