//! Wires everything; start and stop order.

use std::path::Path;

/// Runs the daemon until it is told to stop.
pub async fn serve(_config: &Path) -> anyhow::Result<()> {
    unimplemented!()
}
