//! orchd: a signed webhook becomes a durable, explained effect on GitHub.
//!
//! ```text
//! GitHub ──POST /webhooks/github──▶ http::webhook    verify HMAC on raw bytes → envelope
//!                                        ▼
//!                                   engine::ingest    group commit: event, payload, job in one transaction → 202
//!                                        ▼
//!                                   engine::work      claims a job: one running job a lane (a repository)
//!                                        ▼
//!                                   engine::process   core::decide → needs facts? github::facts → decisions + intents stored
//!                                        ▼
//!                                   engine::apply     actions: read → plan → (before-state stored) → write → read back → receipt
//!
//! GitHub's list of deliveries ────▶ engine::recover   what never arrived is pulled, and goes in by engine::ingest
//! ```
//!
//! All state is in `store`; memory holds caches and a wake-up. Imports point one way:
//! `core` ← `checkout, config, store, github` ← `actions` ← `engine` ← `http` ← `app` ← `cli`.
//!
//! The feature `server` (on by default) holds the daemon and its CLI. Without it the crate is what the Action links: how
//! to decide, how to act and how to check a repository, with nothing stored and nothing listening.

pub mod actions;
pub mod checkout;
pub mod config;
pub mod core;
pub mod github;

#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod engine;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "server")]
pub mod telemetry;
