//! `/api/recover`: look for what never arrived, now.

use chrono::Utc;
use serde_json::json;

use super::call::Call;
use super::params::{Param, ParamKind, param};
use crate::core::audit::{Entry, Kind};
pub(super) use crate::engine::recover::Report;
use crate::engine::recover::{NotTaken, Order};
use crate::http::error::HttpError;

pub(super) const QUERY: &[Param] = &[
    param("since", ParamKind::Time, "How far back; as far as GitHub keeps deliveries unless it is said."),
    param("dry_run", ParamKind::Flag, "Only tell what is missing."),
];

/// Answers when the run has ended. It goes on when whoever asked has hung up.
pub(super) async fn recover(call: Call) -> Result<Report, HttpError> {
    let by = call.by();
    let Call { app, mut query, .. } = call;
    let order =
        Order { since: query.parsed("since")?, dry_run: query.parsed("dry_run")?.unwrap_or(false), ..Order::default() };
    query.finish()?;
    let asked = json!({"since": order.since, "dry_run": order.dry_run});
    app.db.audit(vec![Entry::new(Kind::RecoveryAsked, by, Utc::now()).states(None, Some(asked))]).await?;
    let report = tokio::select! {
        report = app.recovery.look(order) => report?,
        () = app.stopping.cancelled() => return Err(NotTaken::Stopping.into()),
    };
    Ok(report)
}

impl From<NotTaken> for HttpError {
    fn from(error: NotTaken) -> Self {
        Self::NotYet(error.to_string())
    }
}
