//! What orchd decides, and why.
//!
//! Owns the words every other folder speaks (event, facts, rule, condition, decision, intent) and the one
//! evaluator. Refuses to know the network, the disk, the database, the clock and async: whoever calls passes in what
//! is known and gets back what follows from it.
//!
//! Invariant 3: the same rules and facts give the same decisions, byte for byte.

pub mod access;
pub mod audit;
pub mod backtest;
pub mod case;
pub mod codeowners;
pub mod command;
pub mod condition;
pub mod decide;
pub mod event;
pub mod event_names;
pub mod explain;
pub mod facts;
pub mod hand;
pub mod installation;
pub mod intent;
pub mod manifest;
pub mod marked;
pub mod merge;
pub mod pattern;
pub mod payload;
pub mod permission;
pub mod reviewer;
pub mod role;
pub mod rule;
pub mod shadow;
pub mod subject;
pub mod text;
pub mod vocabulary;
