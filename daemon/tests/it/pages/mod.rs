//! The dashboard's pages, as browsers see them.

mod checkout;
mod config;
mod rules;
