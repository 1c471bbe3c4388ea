//! The one table of what can be asked of the daemon over HTTP: its URL, and what it takes to be allowed to.

use super::{Level, Scope};

/// What it takes to be allowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Anybody may: it tells nothing that is not public.
    Nothing,
    /// Somebody who has proved who they are: about oneself.
    Oneself,
    /// The level, in the repository that it is about. A list shows what is of the repositories where the level is held.
    Repository(Level),
    /// The level on the site as a whole.
    Site(Level),
}

/// One thing that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    pub op: Op,
    /// As it is called in the API's description and in the config's limits: `events.list`.
    pub name: &'static str,
    pub method: &'static str,
    /// With parameters in braces; one that ends in `*` takes the rest of the path.
    pub path: &'static str,
    pub needs: Needs,
    /// What a key must be for; `None`: any key will do.
    pub scope: Option<Scope>,
    /// What it does, in one sentence.
    pub help: &'static str,
}

impl Operation {
    /// Whether it changes something.
    pub fn writes(&self) -> bool {
        self.method != "GET"
    }

    /// As [`fits`] of its path.
    pub fn fits<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        fits(self.path, path)
    }

    /// The names of the path's parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        let names = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        names.map(|name| name.trim_end_matches('*'))
    }
}

/// The parameters of a path in order, each still percent-encoded, when it is one of `pattern`: `/events/{id}`, where one
/// that ends in `*` takes the rest.
pub fn fits<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
    if pattern == "/" {
        return (path == "/").then(Vec::new);
    }
    let mut found = Vec::new();
    let mut rest = path;
    for part in pattern[1..].split('/') {
        rest = rest.strip_prefix('/')?;
        if part.ends_with("*}") {
            found.push(rest);
            return (!rest.is_empty()).then_some(found);
        }
        let (segment, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        rest = after;
        if part.starts_with('{') {
            found.push(segment);
        } else if part != segment {
            return None;
        }
        if segment.is_empty() {
            return None;
        }
    }
    rest.is_empty().then_some(found)
}

macro_rules! operations {
    ($($op:ident = $name:literal $method:literal $path:literal, $needs:expr, $scope:expr, $help:literal;)*) => {
        /// What is asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Op {
            $(#[doc = $help] $op,)*
        }

        /// In the order in which paths are compared: the first that fits is meant, whatever the method.
        pub static OPERATIONS: &[Operation] = &[
            $(Operation {
                op: Op::$op,
                name: $name,
                method: $method,
                path: $path,
                needs: $needs,
                scope: $scope,
                help: $help,
            },)*
        ];
    };
}

impl Op {
    pub fn operation(self) -> &'static Operation {
        &OPERATIONS[self as usize]
    }
}

use Level::{Admin, Operator, Viewer};
use Needs::{Nothing, Oneself, Repository, Site};

operations! {
    StatusShow = "status.show" "GET" "/api/status", Site(Viewer), Some(Scope::StatusRead), "The daemon at a glance.";
    EventsTail = "events.tail" "GET" "/api/events/tail", Repository(Viewer), Some(Scope::EventsRead), "New events as they are stored, by long poll.";
    EventsList = "events.list" "GET" "/api/events", Repository(Viewer), Some(Scope::EventsRead), "What arrived from GitHub, newest first.";
    EventsShow = "events.show" "GET" "/api/events/{id}", Repository(Viewer), Some(Scope::EventsRead), "An event, its decisions and effects.";
    EventsReplay = "events.replay" "POST" "/api/events/{id}/replay", Repository(Operator), Some(Scope::EventsWrite), "Lets the rules look at an event again.";
    JobsList = "jobs.list" "GET" "/api/jobs", Repository(Viewer), Some(Scope::JobsRead), "Work that is queued, running, or given up, newest first.";
    JobsShow = "jobs.show" "GET" "/api/jobs/{id}", Repository(Viewer), Some(Scope::JobsRead), "A job.";
    JobsRetry = "jobs.retry" "POST" "/api/jobs/{id}/retry", Repository(Operator), Some(Scope::JobsWrite), "Tries a dead letter again.";
    JobsDiscard = "jobs.discard" "POST" "/api/jobs/{id}/discard", Repository(Operator), Some(Scope::JobsWrite), "Gives a dead letter up for good.";
    EffectsList = "effects.list" "GET" "/api/effects", Repository(Viewer), Some(Scope::EffectsRead), "What was done to GitHub or would have been, newest first.";
    EffectsShow = "effects.show" "GET" "/api/effects/{id}", Repository(Viewer), Some(Scope::EffectsRead), "An effect: before, after, and why.";
    InstallationsList = "installations.list" "GET" "/api/installations", Repository(Viewer), Some(Scope::RepositoriesRead), "Where the App is installed.";
    InstallationsRefresh = "installations.refresh" "POST" "/api/installations/refresh", Site(Operator), Some(Scope::RepositoriesWrite), "Asks GitHub for the installations anew.";
    InstallationsShow = "installations.show" "GET" "/api/installations/{id}", Repository(Viewer), Some(Scope::RepositoriesRead), "An installation, what it covers and what it lacks.";
    AuditList = "audit.list" "GET" "/api/audit", Repository(Viewer), Some(Scope::AuditRead), "Who did what, newest first.";
    AuditVerify = "audit.verify" "GET" "/api/audit/verify", Site(Viewer), Some(Scope::AuditRead), "Proves that the audit chain is whole, a line for each step.";
    AuditShow = "audit.show" "GET" "/api/audit/{seq}", Repository(Viewer), Some(Scope::AuditRead), "A row of the audit chain.";
    ConfigShow = "config.show" "GET" "/api/config", Site(Viewer), Some(Scope::ConfigRead), "The config in use, secrets masked.";
    ConfigRevisions = "config.revisions" "GET" "/api/config/revisions", Site(Viewer), Some(Scope::ConfigRead), "Configs that ran, newest first, and what each changed.";
    ConfigFile = "config.file" "GET" "/api/config/file", Site(Admin), Some(Scope::ConfigRead), "The config's file as it lies on disk.";
    ConfigConfirm = "config.confirm" "POST" "/api/config/{revision}/confirm", Site(Admin), Some(Scope::ConfigWrite), "Lets a held config in.";
    ConfigRollBack = "config.rollback" "POST" "/api/config/{revision}/rollback", Site(Admin), Some(Scope::ConfigWrite), "Puts an earlier config back.";
    BacktestsRun = "backtests.run" "POST" "/api/backtests", Repository(Operator), Some(Scope::AutomationRun), "What other rules would have done about what is recorded, a line for each difference.";
    GuardsList = "guards.list" "GET" "/api/guards", Repository(Viewer), Some(Scope::EffectsRead), "Breakers that are tripped, the latest first.";
    GuardsResetAll = "guards.reset_all" "POST" "/api/guards/reset", Site(Operator), Some(Scope::GuardsWrite), "Resets every tripped breaker.";
    GuardsReset = "guards.reset" "POST" "/api/guards/{id}/reset", Repository(Operator), Some(Scope::GuardsWrite), "Resets a tripped breaker.";
    Recover = "recover.run" "POST" "/api/recover", Site(Operator), Some(Scope::AutomationRun), "Looks for what GitHub could not deliver.";
    RollbacksPlan = "rollbacks.plan" "POST" "/api/rollbacks", Repository(Operator), Some(Scope::RollbackExecute), "Plans to take effects back.";
    RollbacksList = "rollbacks.list" "GET" "/api/rollbacks", Repository(Viewer), Some(Scope::RollbackRead), "Rollbacks, newest first.";
    RollbacksShow = "rollbacks.show" "GET" "/api/rollbacks/{id}", Repository(Viewer), Some(Scope::RollbackRead), "A rollback and how far it is.";
    RollbacksItems = "rollbacks.items" "GET" "/api/rollbacks/{id}/items", Repository(Viewer), Some(Scope::RollbackRead), "What a rollback takes back, effect by effect.";
    RollbacksExecute = "rollbacks.execute" "POST" "/api/rollbacks/{id}/execute", Repository(Operator), Some(Scope::RollbackExecute), "Carries a planned rollback out.";
    ShadowShow = "shadow.show" "GET" "/api/shadow/{rule*}", Site(Viewer), Some(Scope::DecisionsRead), "What a rule in shadow would have done, and what people did.";
    Why = "why.show" "GET" "/api/why", Repository(Viewer), Some(Scope::DecisionsRead), "What was decided on an event or item, and why.";
    DecisionsList = "decisions.list" "GET" "/api/decisions", Repository(Viewer), Some(Scope::DecisionsRead), "What rules decided, newest first.";
    DecisionsShow = "decisions.show" "GET" "/api/decisions/{id}", Repository(Viewer), Some(Scope::DecisionsRead), "A decision: each condition with the value seen.";
    RulesList = "rules.list" "GET" "/api/rules", Repository(Viewer), Some(Scope::DecisionsRead), "The rules in use that cover a repository one sees.";
    RepositoriesList = "repositories.list" "GET" "/api/repositories", Repository(Viewer), Some(Scope::RepositoriesRead), "Repositories of which something is stored.";
    RepositoriesShow = "repositories.show" "GET" "/api/repositories/{owner}/{name}", Repository(Viewer), Some(Scope::RepositoriesRead), "A repository, the rules that cover it, and its own config file.";
    Me = "me.show" "GET" "/api/me", Oneself, None, "Who one is, and what one may.";
    SessionsList = "sessions.list" "GET" "/api/sessions", Oneself, Some(Scope::KeysRead), "One's own sessions, the latest used first.";
    SessionsEndAll = "sessions.end_all" "DELETE" "/api/sessions", Oneself, Some(Scope::KeysWrite), "Signs one out everywhere.";
    SessionsEnd = "sessions.end" "DELETE" "/api/sessions/{id}", Oneself, Some(Scope::KeysWrite), "Ends one of one's own sessions.";
    PeopleList = "people.list" "GET" "/api/people", Site(Admin), Some(Scope::KeysRead), "People who signed in with GitHub, the last that came first.";
    PeopleSignOut = "people.sign_out" "DELETE" "/api/people/{id}/sessions", Site(Admin), Some(Scope::KeysWrite), "Signs somebody out everywhere.";
    KeysList = "keys.list" "GET" "/api/keys", Oneself, Some(Scope::KeysRead), "One's own keys; an admin's list has everybody's.";
    KeysCreate = "keys.create" "POST" "/api/keys", Oneself, Some(Scope::KeysWrite), "Makes a key. Its text is told this once.";
    KeysRotate = "keys.rotate" "POST" "/api/keys/rotate", Site(Admin), Some(Scope::ConfigWrite), "Encrypts people's GitHub tokens anew, with the first of `login.keys`.";
    KeysRevoke = "keys.revoke" "DELETE" "/api/keys/{id}", Oneself, Some(Scope::KeysWrite), "Revokes a key.";
    TokensCreate = "auth.token" "POST" "/api/auth/token", Oneself, None, "Makes a short-lived token, which may do what the key may that asks, or less.";
    OpenApi = "openapi.show" "GET" "/api/openapi.json", Nothing, None, "This description.";
    AutomationRun = "automation.run" "POST" "/api/github/automation/run", Site(Operator), Some(Scope::AutomationRun), "Looks for what never arrived and sweeps, so that the rules see it.";
    AutomationConfig = "automation.config" "PUT" "/api/github/automation/config", Site(Admin), Some(Scope::ConfigWrite), "Checks a config file, tells what it changes, and writes it.";
    AutomationStatus = "automation.status" "GET" "/api/github/automation/status", Site(Viewer), Some(Scope::StatusRead), "Whether orchd works, and on what.";
    IssuesList = "issues.list" "GET" "/api/github/issues", Repository(Viewer), Some(Scope::EventsRead), "Issues and pull requests that events were about, the latest first.";
    IssuesActions = "issues.actions" "GET" "/api/github/issues/{issue}/actions", Repository(Viewer), Some(Scope::EffectsRead), "What was done to an item, newest first.";
    IssuesAnalyze = "issues.analyze" "POST" "/api/github/issues/{issue}/analyze", Repository(Operator), Some(Scope::AutomationRun), "Lets the rules look again at the last event about an item.";
    RollbackCreate = "rollback.create" "POST" "/api/github/rollback/create", Repository(Operator), Some(Scope::RollbackExecute), "Plans to take effects back.";
    RollbackStatus = "rollback.status" "GET" "/api/github/rollback/{id}/status", Repository(Viewer), Some(Scope::RollbackRead), "A rollback and how far it is.";
    RollbackExecute = "rollback.execute" "POST" "/api/github/rollback/{id}/execute", Repository(Operator), Some(Scope::RollbackExecute), "Carries a planned rollback out.";
    MetricsSummary = "metrics.summary" "GET" "/api/github/metrics/summary", Site(Viewer), Some(Scope::StatusRead), "The figures that matter, as JSON.";
    MetricsDetailed = "metrics.detailed" "GET" "/api/github/metrics/detailed", Site(Viewer), Some(Scope::StatusRead), "Every metric, as JSON.";
    HealthShow = "health.show" "GET" "/api/github/health", Nothing, None, "Whether orchd is well, as `/health` tells it.";
    AuditSummary = "audit.summary" "GET" "/api/github/audit/summary", Site(Viewer), Some(Scope::AuditRead), "How much of what was done by whom, and whether the chain is whole.";
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_operation_stands_in_its_place_and_once() {
        let (mut names, mut urls) = (HashSet::new(), HashSet::new());
        for (at, operation) in OPERATIONS.iter().enumerate() {
            assert_eq!(operation.op as usize, at, "{}", operation.name);
            assert!(
                names.insert(operation.name) && urls.insert((operation.method, operation.path)),
                "{}",
                operation.name
            );
        }
    }

    /// `/api/events/tail` before `/api/events/{id}`: else it is an id.
    #[test]
    fn no_path_hides_behind_an_earlier_one() {
        for operation in OPERATIONS {
            let path = operation.path.replace(['{', '}', '*'], "");
            let first = OPERATIONS.iter().find(|other| other.fits(&path).is_some()).map(|other| other.path);
            assert_eq!(first, Some(operation.path), "{}", operation.name);
        }
    }

    #[test]
    fn a_path_fits_as_a_whole() {
        let fits = |op: Op, path| op.operation().fits(path);
        assert_eq!(fits(Op::EventsReplay, "/api/events/7/replay"), Some(vec!["7"]));
        for path in [
            "/api/events/7",
            "/api/events//replay",
            "/api/events/7/replay/",
            "/api/events/7/replays",
            "api/events/7/replay",
        ] {
            assert_eq!(fits(Op::EventsReplay, path), None, "{path}");
        }
        assert_eq!(fits(Op::ShadowShow, "/api/shadow/acme/web/triage"), Some(vec!["acme/web/triage"]));
        assert_eq!(fits(Op::ShadowShow, "/api/shadow/"), None);
        assert_eq!(Op::ShadowShow.operation().parameters().collect::<Vec<_>>(), ["rule"]);
    }

    /// Whoever may not see may not write.
    #[test]
    fn what_writes_takes_more_than_looking() {
        for operation in OPERATIONS.iter().filter(|operation| operation.writes()) {
            let refused = matches!(operation.needs, Nothing | Repository(Viewer) | Site(Viewer));
            assert!(!refused, "{} writes and takes only {:?}", operation.name, operation.needs);
        }
    }
}
