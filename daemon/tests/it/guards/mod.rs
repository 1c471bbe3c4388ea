//! Stories of what stops orchd before a person has to.

mod limits;
mod loops;
mod owner;
mod reload;
