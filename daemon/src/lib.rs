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
//! ```
//!
//! All state is in `store`; memory holds caches and a wake-up. Imports point one way:
//! `core` ← `config, store, github` ← `actions` ← `engine` ← `http, cli` ← `app`.

pub mod actions;
pub mod app;
pub mod cli;
pub mod config;
pub mod core;
pub mod engine;
pub mod github;
pub mod http;
pub mod store;
pub mod telemetry;
