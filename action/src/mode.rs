//! What a mode is.

use std::future::Future;
use std::pin::Pin;

use crate::context::Context;
use crate::failure::Failure;
use crate::inputs::Input;

/// One way to run: a file with a `MODE`, and a word in the list of `lib.rs`.
pub struct Mode {
    /// What the input `mode` says.
    pub name: &'static str,
    /// What it does, in a sentence without an end.
    pub about: &'static str,
    /// What it reads, beside `mode`. Another input that is set is told to have no meaning.
    pub inputs: &'static [&'static Input],
    /// What it gives.
    pub outputs: &'static [&'static Output],
    pub run: for<'a> fn(&'a mut Context<'_>) -> Running<'a>,
}

/// A mode at work.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + 'a>>;

/// How a mode ended that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The step succeeds.
    Fine,
    /// The step fails, by what the mode found and has told already.
    Found,
}

/// A value for later steps.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    pub name: &'static str,
    pub about: &'static str,
}
