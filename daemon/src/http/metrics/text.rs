//! Prometheus' text for what is true at this moment only: a recorder would go on telling the last numbers.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::github::limits::{PartyState, Trouble};
use crate::http::App;
use crate::store::installations::InstallationCount;
use crate::store::jobs::QueueDepth;

/// The text of `/metrics` as it grows.
pub(super) struct Text(pub(super) String);

impl Text {
    /// One metric without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, "gauge", help);
        self.sample(name, "", value);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, "counter", help);
        self.sample(name, "", value);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn labelled(&mut self, name: &str, label: &str, word: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name}{{{label}=\"{word}\"}} {value}");
    }

    pub(super) fn queue(&mut self, depth: &QueueDepth, now: DateTime<Utc>) {
        let states = [
            ("queued", depth.queued, depth.oldest_queued),
            ("running", depth.running, depth.oldest_running),
            ("dead", depth.dead, depth.oldest_dead),
        ];
        self.head("orchd_queue_jobs", "gauge", "Jobs by state");
        for (state, jobs, _) in states {
            self.labelled("orchd_queue_jobs", "state", state, jobs);
        }
        self.head("orchd_queue_oldest_seconds", "gauge", "Age of the oldest job by state; 0 when there is none");
        for (state, _, oldest) in states {
            let age = oldest.map_or(0.0, |oldest| super::age_seconds(oldest, now));
            self.labelled("orchd_queue_oldest_seconds", "state", state, age);
        }
    }

    pub(super) fn installations(&mut self, count: InstallationCount) {
        self.head("orchd_installations", "gauge", "Installations of the App by state");
        for (state, number) in [("active", count.active), ("suspended", count.suspended), ("deleted", count.deleted)] {
            self.labelled("orchd_installations", "state", state, number);
        }
    }

    /// How many identities may not ask GitHub now, each word always there.
    pub(super) fn troubles(&mut self, troubles: &[PartyState]) {
        let help = "Identities (installations, the App) that may not ask GitHub now; open: it does not answer, \
                    exhausted: the quota is used up, refused: it refused for a limit";
        self.head("orchd_github_stopped", "gauge", help);
        for (word, trouble) in
            [("open", Trouble::Open), ("exhausted", Trouble::Exhausted), ("refused", Trouble::Refused)]
        {
            let count = troubles.iter().filter(|state| state.trouble == trouble).count();
            self.labelled("orchd_github_stopped", "trouble", word, count);
        }
    }

    pub(super) fn info(&mut self, app: &App, store_is_up: bool) {
        let live = app.config.status();
        let (version, revision) = (env!("CARGO_PKG_VERSION"), &live.revision.hash);
        self.head("orchd_info", "gauge", "The running version and config revision");
        self.sample("orchd_info", &format!("{{version=\"{version}\",config_revision=\"{revision}\"}}"), 1);
        let refused = u8::from(live.refused.is_some());
        self.gauge("orchd_config_error", "1 while the config on disk is refused and an older one runs", refused);
        let held = u8::from(live.held.is_some());
        self.gauge("orchd_config_held", "1 while the config on disk waits for a person and an older one runs", held);
        let loaded = live.revision.loaded_at.timestamp();
        self.gauge("orchd_config_loaded_timestamp_seconds", "When the running config was loaded", loaded);
        self.gauge("orchd_store_up", "1 when the store answers", u8::from(store_is_up));
    }
}
