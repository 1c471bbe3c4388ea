//! Where budgets are kept: in memory, or wherever a [`Ledger`] keeps text.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::Terms;
use super::budget::{Ask, Budget, Reply, Report};

/// One step of a budget: given what was kept (`None`: nothing yet) and the ledger's time, gives what to keep now (`None`:
/// as it was).
pub type Change = Box<dyn FnOnce(Option<String>, DateTime<Utc>) -> Result<(Option<String>, Reply), LedgerError> + Send>;

/// Keeps budgets outside this process: for a restart, or for several daemons that share them.
pub trait Ledger: Send + Sync {
    /// Takes one step of the budget of this name; two steps of one budget never overlap, whoever takes them. It is on disk
    /// when this returns.
    ///
    /// # Errors
    /// When it cannot be kept; then nothing has changed.
    fn step<'a>(
        &'a self,
        name: &'a str,
        change: Change,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, LedgerError>> + Send + 'a>>;
}

/// A budget could not be read or kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the budget of requests to GitHub cannot be kept: {0}")]
pub struct LedgerError(pub String);

/// Where the budgets of a client live. Cheap to clone; clones share them, also across a reload of the config.
#[derive(Clone)]
pub struct Budgets(Home);

type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

#[derive(Clone)]
enum Home {
    Memory { clock: Clock, budgets: Arc<Mutex<HashMap<String, Budget>>> },
    Kept(Arc<dyn Ledger>),
}

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_kept() { "kept" } else { "in memory" })
    }
}

impl Budgets {
    /// Gone with the process: for tests, and for an Action, which lives for minutes.
    pub fn in_memory(clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Home::Memory { clock: Arc::new(clock), budgets: Arc::default() })
    }

    pub fn kept(ledger: Arc<dyn Ledger>) -> Self {
        Self(Home::Kept(ledger))
    }

    /// Whether a step costs more than a function call.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.0, Home::Kept(_))
    }

    pub(super) async fn step(
        &self,
        name: &str,
        terms: &Terms,
        reports: Vec<Report>,
        ask: Option<Ask>,
    ) -> Result<Reply, LedgerError> {
        match &self.0 {
            Home::Memory { clock, budgets } => {
                let now = clock().timestamp_millis();
                let mut budgets = budgets.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(budgets.entry(name.to_owned()).or_default().step(now, terms, &reports, ask))
            }
            Home::Kept(ledger) => {
                let terms = terms.clone();
                let change: Change = Box::new(move |kept, now| {
                    // What cannot be read was written by another version: the first answer tells what matters of it.
                    let mut budget: Budget = kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
                    let reply = budget.step(now.timestamp_millis(), &terms, &reports, ask);
                    // Whoever waits looks again and again; that leaves nothing to write.
                    if reports.is_empty() && matches!(reply, Reply::Wait { .. }) {
                        return Ok((None, reply));
                    }
                    let text = serde_json::to_string(&budget).map_err(|error| LedgerError(error.to_string()))?;
                    Ok((Some(text), reply))
                });
                ledger.step(name, change).await
            }
        }
    }
}
