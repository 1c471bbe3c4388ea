//! `/api/github/metrics`: figures as JSON. The detailed ones are those of `GET /metrics`.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::call::Call;
use super::params::{Param, ParamKind, param};
use crate::http::error::HttpError;
use crate::http::health::{GitHubHealth, Queue};
use crate::http::metrics;
use crate::store::Among;
use crate::store::audit::AuditSummary;
use crate::store::installations::InstallationCount;

/// The window when nobody says since when.
const USUAL_WINDOW: TimeDelta = TimeDelta::days(1);

pub(super) const SUMMARY: &[Param] =
    &[param("since", ParamKind::Time, "Counts from then on; a day ago unless it is said.")];

/// How much was done, and what waits.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "MetricsSummary")]
pub(in crate::http) struct Summary {
    pub(in crate::http) since: DateTime<Utc>,
    /// What the audit chain tells of that time, by kind.
    pub(in crate::http) done: BTreeMap<String, u64>,
    pub(in crate::http) queue: Queue,
    pub(in crate::http) installations: InstallationCount,
    pub(in crate::http) github: GitHubHealth,
    /// Breakers that are tripped.
    pub(in crate::http) tripped: u64,
}

/// One number.
#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Sample {
    pub(in crate::http) name: String,
    pub(in crate::http) labels: BTreeMap<String, String>,
    /// `null`: not a number, or not finite.
    pub(in crate::http) value: Option<f64>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "MetricsDetailed")]
pub(in crate::http) struct Detailed {
    pub(in crate::http) at: DateTime<Utc>,
    pub(in crate::http) samples: Vec<Sample>,
}

pub(super) async fn summary(mut call: Call) -> Result<Summary, HttpError> {
    let now = Utc::now();
    let since = call.query.parsed("since")?.unwrap_or(now - USUAL_WINDOW);
    call.no_query()?;
    let db = &call.app.db;
    let AuditSummary { kinds, since, .. } = db.audit_summary(since, &Among::All).await?;
    Ok(Summary {
        since,
        done: kinds,
        queue: Queue::of(db.queue_depth().await?),
        installations: db.count_installations().await?,
        github: GitHubHealth::of(&call.app),
        tripped: db.count_tripped(now).await?,
    })
}

pub(super) async fn detailed(mut call: Call) -> Result<Detailed, HttpError> {
    call.no_query()?;
    let text = metrics::render(&call.app).await;
    Ok(Detailed { at: Utc::now(), samples: text.lines().filter_map(sample).collect() })
}

/// A line of Prometheus' text format, as we write it: `name{label="value",…} number`.
fn sample(line: &str) -> Option<Sample> {
    let (head, number) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
    let (name, labels) = head.split_once('{').unwrap_or((head, ""));
    let value = number.parse::<f64>().ok().filter(|value| value.is_finite());
    Some(Sample { name: name.to_owned(), labels: labels_of(labels.trim_end_matches('}')), value })
}

fn labels_of(mut rest: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while let Some((name, after)) = rest.trim_start_matches(',').split_once("=\"") {
        let (mut value, mut escaped, mut end) = (String::new(), false, after.len());
        for (at, c) in after.char_indices() {
            if c == '"' && !escaped {
                end = at + 1;
                break;
            }
            if c == '\\' && !escaped {
                escaped = true;
                continue;
            }
            value.push(if escaped && c == 'n' { '\n' } else { c });
            escaped = false;
        }
        labels.insert(name.to_owned(), value);
        rest = &after[end..];
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_samples() {
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let told = |name: &str, pairs: &[(&str, &str)], value| {
            Some(Sample { name: name.to_owned(), labels: labels(pairs), value })
        };
        assert_eq!(sample("orchd_store_up 1"), told("orchd_store_up", &[], Some(1.0)));
        assert_eq!(sample(r#"a{b="x,\"y\"}",c="\\n"} 2.5"#), told("a", &[("b", "x,\"y\"}"), ("c", "\\n")], Some(2.5)));
        assert_eq!(sample("a NaN"), told("a", &[], None));
        assert_eq!(sample("# HELP a An a"), None);
    }
}
