//! The one integration binary: stories told against real parts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "nothing outside sees a test binary")]

mod actions;
mod audit;
mod backtest;
mod backup;
mod busy;
mod checkup;
mod cli;
mod commands;
mod config_put;
mod containers;
mod crash;
mod dashboard;
mod dependencies;
mod described;
mod doctor;
mod emulator;
mod examples;
mod forward;
mod generated;
mod guards;
mod imports;
mod installations;
mod keys;
mod kills;
mod lifecycle;
mod limits;
mod live;
mod login;
mod merge;
mod metrics;
mod npm;
mod packaging;
mod pages;
mod payload_fields;
mod port;
mod postgres;
mod proxies;
mod published;
mod python;
mod recover;
mod repository_config;
mod retention;
mod reviews;
mod road;
mod roles;
mod rollback;
mod setup;
mod shadow;
mod sight;
mod site;
mod stale;
mod step;
mod store;
mod story;
mod sweep;
mod targets;
mod telemetry;
mod tidying;
mod tls;
mod tools;
mod webhook;
mod why;
mod without_server;
mod workflows;
