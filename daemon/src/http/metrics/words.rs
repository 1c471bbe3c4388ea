//! What is measured, in words, for `# HELP`. Where one module alone records a metric and says so itself (recovery, the
//! audit chain), it is not repeated here.

use ::metrics::{describe_counter, describe_gauge, describe_histogram};

const COUNTERS: &[(&str, &str)] = &[
    ("orchd_decisions_total", "What rules said to events, by verdict"),
    ("orchd_deliveries_total", "Deliveries by what became of them"),
    ("orchd_effects_total", "Effects whose turn came, by action and by what they came to"),
    ("orchd_events_total", "Deliveries by event and by what became of them"),
    ("orchd_github_cache_total", "Reads of GitHub by whether they were answered from memory"),
    ("orchd_github_errors_total", "Requests to GitHub that failed, by kind"),
    (
        "orchd_github_postponed_total",
        "Requests to GitHub that wait longer than five seconds, by the limit they wait for",
    ),
    ("orchd_github_refused_for_limits_total", "Requests that GitHub refused for a limit: there should be none"),
    ("orchd_github_requests_total", "Requests sent to GitHub, by endpoint and status; status none: no answer came"),
    ("orchd_guards_tripped_total", "Breakers that tripped, by what tripped them"),
    ("orchd_jobs_total", "Attempts of jobs by kind and by how they ended; dead: the job went to the dead letters"),
    ("orchd_oidc_key_fetches_total", "Times that the keys of workflows' tokens were asked for, by outcome"),
    ("orchd_retention_dropped_total", "Rows dropped because they were over their age, by what they are"),
    ("orchd_sign_in_failures_total", "People who came back from GitHub and were not signed in"),
];

const GAUGES: &[(&str, &str)] = &[
    ("orchd_github_cache_bytes", "Memory that remembered answers of GitHub take"),
    ("orchd_github_quota_limit", "Requests that GitHub allows in its window, as it last told"),
    ("orchd_github_quota_remaining", "Requests left in GitHub's window, as it last told"),
    (
        "orchd_github_quota_reset_timestamp_seconds",
        "When GitHub's window ends; once that has passed, the other two tell of a window that is over",
    ),
    ("orchd_retention_last_run_timestamp_seconds", "When rows over their age were last looked for"),
];

const HISTOGRAMS: &[(&str, &str)] = &[
    ("orchd_github_budget_step_seconds", "Time that counting a request before it is sent takes"),
    ("orchd_github_request_seconds", "Time from a request to GitHub to the head of its answer"),
    ("orchd_github_wait_seconds", "Waits of at most five seconds before a request to GitHub, by the limit waited for"),
    ("orchd_ingest_batch_size", "Deliveries that were stored with one commit"),
    ("orchd_ingest_seconds", "From a delivery's headers to its answer"),
];

pub(super) fn describe() {
    COUNTERS.iter().for_each(|(name, meaning)| describe_counter!(*name, *meaning));
    GAUGES.iter().for_each(|(name, meaning)| describe_gauge!(*name, *meaning));
    HISTOGRAMS.iter().for_each(|(name, meaning)| describe_histogram!(*name, *meaning));
}
