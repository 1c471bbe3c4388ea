//! Every integration test in one binary: one link, one PostgreSQL cluster.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod postgres;
mod store;
