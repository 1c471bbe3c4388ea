//! `orchd config show`: the effective config, and behind each value where it came from.

use std::path::Path;

use chrono::Utc;
use serde_json::json;

use super::super::failure::Failure;
use super::super::output;
use super::counted;
use crate::config::yaml;
use crate::{actions, config};

pub(super) fn run(file: &Path, json: bool) -> Result<(), Failure> {
    let (config, origins) = config::load_with_origins(file, actions::kinds(), Utc::now())
        .map_err(|problems| Failure::failed(format!("{problems}\n{}", counted(problems.0.len(), file))))?;
    if json {
        return output::print_json(&json!({"config": config.effective, "origins": origins}));
    }
    output::print(&yaml::write(&config.effective, &origins))
}
