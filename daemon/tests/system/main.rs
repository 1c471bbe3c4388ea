//! Stories of a maintainer's life with the package, on a real systemd: `make test-system`.
//!
//! Each boots a fresh Debian 12 in a container and installs the .deb there. The simulated GitHub and whoever sends deliveries
//! are this process, which has the container's network namespace; `packaging/dev/test-system.sh` makes it, and everything
//! else that this needs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "nothing outside sees a test binary")]

mod backup;
mod first_run;
mod journal;
mod load;
mod machine;
mod newcomer;
mod quadlets;
mod removal;
mod restarts;
mod stage;
mod watchdog;

use std::time::{Duration, Instant};

/// How long a story waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until it is so; gives how long that took.
async fn until(what: &str, condition: impl AsyncFn() -> bool) -> Duration {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}
