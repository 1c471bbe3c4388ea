//! orchd as a step of a GitHub workflow: `INPUT_*` and `GITHUB_*` in; annotations, outputs, a summary and an exit code out.
//!
//! ```text
//! variables ──▶ masks ──▶ workflow (where and for what it runs) ──▶ inputs ──▶ a mode (one file each) ──▶ outcome
//!                 │                                                              │
//!                 └─ nothing is printed before them                              └─ log, outputs, summary
//! ```
//!
//! Owns what is the runner's: how it hands things over and what it takes back. Refuses to decide or to write to GitHub:
//! that is `orchd`'s, through its write gate. Invariants: no secret is printed, and no text of a stranger becomes a
//! workflow command; nothing is written below the workspace.

pub mod annotation;
pub mod client;
pub mod context;
pub mod failure;
pub mod files;
pub mod inputs;
pub mod log;
pub mod manifest;
pub mod mode;
pub mod step;
pub mod summary;
pub mod workflow;

pub use context::Context;
pub use failure::Failure;
pub use mode::{Mode, Outcome, Output, Running};
pub use step::Step;

/// Declares the modes: each is a file of this folder with a `MODE`.
macro_rules! modes {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*
        /// Every mode, in the order in which they are told.
        pub const MODES: &[&Mode] = &[$(&$name::MODE),*];
    };
}

modes! { check, run, forward }
