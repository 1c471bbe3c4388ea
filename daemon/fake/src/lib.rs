//! The other side of orchd, for tests, demos and benchmarks: a stateful GitHub and a generator of payloads.
//!
//! Owns [`GitHub`], an HTTP server that behaves as GitHub does where orchd looks, with people who act on it, faults on
//! demand and a journal of everything that was asked and changed; and [`payload`], realistic webhook payloads from a
//! seed. Refuses to know orchd: it is met only over HTTP, as the real one is. Invariant: the same seed and the same
//! calls in the same order give the same ids, GUIDs and tokens.

pub mod github;
pub mod issuer;
pub mod key;
pub mod model;
pub mod payload;
pub mod seed;

pub use github::CLIENT_SECRET;
pub use github::GitHub;
pub use github::MadeCheck;
pub use github::SetStatus;
pub use github::config::Config;
pub use github::deliveries::Delivery;
pub use github::faults::Fault;
pub use github::journal::{Change, Effect, Request};
pub use github::limits::{Meter, Rules, Verdict};
pub use github::people::{NewItem, Person};
pub use github::views::ItemView;
pub use issuer::Issuer;
pub use key::{AppKey, sign_webhook};
pub use model::BranchRules;
