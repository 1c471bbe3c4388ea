//! The dashboard's pages, told with a browser that runs no script.

mod event;
mod item;
mod repositories;
