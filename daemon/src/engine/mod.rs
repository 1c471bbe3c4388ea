//! Turns what is stored into effects.

pub mod ingest;
