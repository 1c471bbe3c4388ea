//! Stories of what stops orchd before a person has to.

mod loops;
mod reload;
