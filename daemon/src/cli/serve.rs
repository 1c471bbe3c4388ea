//! `orchd serve`.

use std::path::Path;

use super::failure::Failure;
use crate::app;

pub(super) fn run(config: &Path) -> Result<(), Failure> {
    let runtime = app::runtime().map_err(|error| Failure::failed(format!("the runtime cannot be started: {error}")))?;
    runtime.block_on(app::serve(config)).map_err(|error| Failure::failed(format!("{error:#}")))
}
