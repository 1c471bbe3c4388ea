//! The dashboard's pages, told with a browser that runs no script.

mod checkout;
mod config;
mod event;
mod item;
mod repositories;
mod rules;
