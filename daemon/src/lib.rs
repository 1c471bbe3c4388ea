pub mod actions;
pub mod config;
pub mod core;
pub mod github;
pub mod store;
