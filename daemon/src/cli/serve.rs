//! `orchd serve`.

use std::path::Path;

use super::failure::Failure;

pub(super) fn run(config: &Path) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime cannot be started: {error}")))?;
    runtime.block_on(crate::app::serve(config)).map_err(|error| Failure::failed(format!("{error:#}")))
}
