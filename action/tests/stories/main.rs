//! The Action as the runner runs it: the built program, its variables, its files.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "nothing outside sees a test binary")]

mod check;
mod forward;
mod generated;
mod run;
mod runner;
mod start;
