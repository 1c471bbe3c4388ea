//! Deciding with facts that GitHub is asked for: in rounds, since one answer can make another question matter.

use std::future::Future;

use super::client::Reader;
use super::{GitHubError, facts};
use crate::core::decide::{Decision, Outcome, decide};
use crate::core::event::Event;
use crate::core::facts::{FactKind, FactKinds, Facts};
use crate::core::rule::Rule;

/// A round more than there are kinds of facts means that an answer left its fact unset: a bug, which must not become a loop.
const MAX_ROUNDS: usize = FactKind::ALL.len() + 1;

/// Who is asked for facts.
pub trait Asks {
    type Error;

    /// Fills `facts` with what is needed, be it to say why it cannot be had.
    fn ask(
        &self,
        event: &Event,
        needs: &FactKinds,
        facts: &mut Facts,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl Asks for Reader {
    type Error = GitHubError;

    async fn ask(&self, event: &Event, needs: &FactKinds, facts: &mut Facts) -> Result<(), GitHubError> {
        facts::fetch(self, event, needs, facts).await
    }
}

/// Decides rules from several places together: a fact that two need is asked for once. Gives the facts too; `None`: facts
/// were asked for again and again.
///
/// # Errors
/// As asking fails.
pub async fn decide_with<A: Asks>(
    rules: &[&[Rule]],
    event: &Event,
    asks: &A,
) -> Result<Option<(Vec<Decision>, Facts)>, A::Error> {
    let mut facts = Facts::from_event(event);
    for _ in 0..MAX_ROUNDS {
        let mut decided = Vec::new();
        let mut needed = FactKinds::new();
        for outcome in rules.iter().map(|rules| decide(rules, event, &facts)) {
            match outcome {
                Outcome::Decided(decisions) => decided.extend(decisions),
                Outcome::Needs(needs) => needed.extend(needs),
            }
        }
        if needed.is_empty() {
            return Ok(Some((decided, facts)));
        }
        asks.ask(event, &needed, &mut facts).await?;
    }
    Ok(None)
}
