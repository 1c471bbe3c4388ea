//! Who answers each operation, and what may stand in its query.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::StatusCode;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::call::Call;
use super::params::Param;
use super::{
    audit, automation, backtests, config, config_file, decisions, effects, events, guards, installations, issues, jobs,
    keys, me, metrics, openapi, people, recover, repositories, rollbacks, rules, sessions, shadow, status, tail, token,
    why,
};
use crate::core::access::Op;
use crate::engine::audit::Step;
use crate::http::error::HttpError;
use crate::http::health::{ConfigHealth, Health};
use crate::http::reply::{self, Lines, Reply};
use crate::store::Page;
use crate::store::api_keys::KeyRow;
use crate::store::audit::AuditRow;
use crate::store::decided::{DecidedRow, DecisionKey, ItemRow};
use crate::store::effects::EffectRow;
use crate::store::events::EventRow;
use crate::store::installations::InstallationRow;
use crate::store::jobs::JobRow;
use crate::store::rollbacks::{RollbackItem, RollbackRow};

type Answer = Pin<Box<dyn Future<Output = Result<Reply, HttpError>> + Send>>;

/// How an operation is answered.
pub(super) struct Endpoint {
    pub(super) handle: fn(Call) -> Answer,
    pub(super) query: &'static [Param],
    /// What the body holds; `None`: none is read.
    pub(super) takes: Option<Describe>,
    pub(super) answers: Answers,
}

/// Describes a type.
type Describe = fn(&mut SchemaGenerator) -> Schema;

/// What comes back.
pub(super) enum Answers {
    Document(Describe),
    /// The same, written when the daemon starts.
    Written(Describe),
    /// The same, of something that was made.
    Created(Describe),
    /// A document that is the same whether all is well or not.
    Health(Describe),
    /// Documents, a line each.
    Lines(Describe),
}

/// An operation as a type: what asks it in this process is told what it answers.
pub(in crate::http) trait Ask {
    const OP: Op;
    type Answer;

    fn answer(call: Call) -> impl Future<Output = Result<Self::Answer, HttpError>> + Send;
}

macro_rules! answer {
    (Lines, $answer:ty) => {
        Lines
    };
    (Written, $answer:ty) => {
        Bytes
    };
    ($kind:ident, $answer:ty) => {
        $answer
    };
}

macro_rules! reply {
    (Document, $answer:expr) => {
        reply::json(&$answer)
    };
    (Created, $answer:expr) => {
        reply::json_with(StatusCode::CREATED, &$answer)
    };
    (Health, $answer:expr) => {
        $answer.into_reply()
    };
    (Lines, $answer:expr) => {
        Ok(Reply::Lines($answer))
    };
    (Written, $answer:expr) => {
        Ok(Reply::Document { status: StatusCode::OK, json: $answer })
    };
}

macro_rules! endpoints {
    ($($op:ident: $handler:path, $query:expr $(, takes $body:ty)? => $kind:ident($answer:ty);)*) => {
        pub(super) fn endpoint(op: Op) -> Endpoint {
            match op {
                $(Op::$op => Endpoint {
                    handle: |call| Box::pin(async { let answer = <$op as Ask>::answer(call).await?; reply!($kind, answer) }),
                    query: $query,
                    takes: [$((|about| about.subschema_for::<$body>()) as Describe)?].into_iter().next(),
                    answers: Answers::$kind(|about| about.subschema_for::<$answer>()),
                },)*
            }
        }

        $(
            pub(in crate::http) struct $op;

            impl Ask for $op {
                const OP: Op = Op::$op;
                type Answer = answer!($kind, $answer);

                async fn answer(call: Call) -> Result<Self::Answer, HttpError> {
                    $handler(call).await
                }
            }
        )*
    };
}

endpoints! {
    StatusShow: status::show, &[] => Document(status::Status);
    EventsTail: tail::tail, events::TAIL => Document(tail::Tail);
    EventsList: events::list, events::LIST => Document(Page<EventRow>);
    EventsShow: events::show, events::SHOW => Document(events::Shown);
    EventsReplay: events::replay, &[] => Document(events::Replayed);
    JobsList: jobs::list, jobs::LIST => Document(Page<JobRow>);
    JobsShow: jobs::show, &[] => Document(JobRow);
    JobsRetry: jobs::retry, &[] => Document(JobRow);
    JobsDiscard: jobs::discard, &[] => Document(JobRow);
    EffectsList: effects::list, effects::LIST => Document(Page<EffectRow>);
    EffectsShow: effects::show, &[] => Document(EffectRow);
    InstallationsList: installations::list, installations::LIST => Document(Page<InstallationRow>);
    InstallationsRefresh: installations::refresh, &[] => Document(installations::Refreshing);
    InstallationsShow: installations::show, &[] => Document(installations::Shown);
    AuditList: audit::list, audit::LIST => Document(Page<AuditRow, i64>);
    AuditVerify: audit::prove, audit::VERIFY => Lines(Step);
    AuditShow: audit::show, &[] => Document(AuditRow);
    ConfigShow: config::show, &[] => Document(config::Running);
    ConfigRevisions: config::revisions, config::REVISIONS => Document(config::History);
    ConfigFile: config_file::show, &[] => Document(config_file::File);
    ConfigConfirm: config::confirm, &[] => Document(ConfigHealth);
    ConfigRollBack: config::roll_back, &[] => Document(ConfigHealth);
    BacktestsRun: backtests::run, backtests::QUERY, takes backtests::Candidate => Lines(backtests::Line<'static>);
    GuardsList: guards::list, guards::LIST => Document(guards::Tripped);
    GuardsResetAll: guards::reset_all, &[] => Document(guards::Reset);
    GuardsReset: guards::reset, &[] => Document(guards::Reset);
    Recover: recover::recover, recover::QUERY => Document(recover::Report);
    RollbacksPlan: rollbacks::plan, rollbacks::PLAN => Document(rollbacks::Shown);
    RollbacksList: rollbacks::list, rollbacks::LIST => Document(Page<RollbackRow>);
    RollbacksShow: rollbacks::show, &[] => Document(rollbacks::Shown);
    RollbacksItems: rollbacks::items, rollbacks::LIST => Document(Page<RollbackItem>);
    RollbacksExecute: rollbacks::execute, &[] => Document(rollbacks::Shown);
    ShadowShow: shadow::show, shadow::QUERY => Document(shadow::Report);
    Why: why::why, why::QUERY => Document(why::Why);
    DecisionsList: decisions::list, decisions::LIST => Document(Page<DecidedRow, DecisionKey>);
    DecisionsShow: decisions::show, &[] => Document(DecidedRow);
    RulesList: rules::list, &[] => Document(rules::Rules);
    RepositoriesList: repositories::list, repositories::LIST => Document(Page<repositories::Listed, String>);
    RepositoriesShow: repositories::show, &[] => Document(repositories::Shown);
    Me: me::show, &[] => Document(me::Me);
    AutomationRun: automation::run, automation::RUN => Document(recover::Report);
    AutomationConfig: automation::config, automation::CONFIG, takes automation::NewConfig => Document(automation::Written);
    AutomationStatus: automation::status, &[] => Document(automation::Standing);
    IssuesList: issues::list, issues::LIST => Document(Page<ItemRow>);
    IssuesActions: issues::actions, issues::ACTIONS => Document(Page<EffectRow>);
    IssuesAnalyze: issues::analyze, &[] => Document(events::Replayed);
    RollbackCreate: rollbacks::plan, rollbacks::PLAN => Document(rollbacks::Shown);
    RollbackStatus: rollbacks::show, &[] => Document(rollbacks::Shown);
    RollbackExecute: rollbacks::execute, &[] => Document(rollbacks::Shown);
    MetricsSummary: metrics::summary, metrics::SUMMARY => Document(metrics::Summary);
    MetricsDetailed: metrics::detailed, &[] => Document(metrics::Detailed);
    HealthShow: status::health, &[] => Health(Health);
    AuditSummary: audit::summary, audit::SUMMARY => Document(audit::Summary);
    SessionsList: sessions::list, &[] => Document(sessions::Sessions);
    SessionsEndAll: sessions::end_all, &[] => Document(sessions::SessionsEnded);
    SessionsEnd: sessions::end, &[] => Document(sessions::SessionsEnded);
    OpenApi: openapi::show, &[] => Written(Value);
    PeopleList: people::list, people::LIST => Document(people::People);
    PeopleSignOut: people::sign_out, &[] => Document(sessions::SessionsEnded);
    KeysList: keys::list, keys::LIST => Document(Page<KeyRow>);
    KeysCreate: keys::create, &[], takes keys::Wish => Created(keys::Made);
    KeysRotate: keys::rotate, &[] => Document(keys::Rotated);
    KeysRevoke: keys::revoke, &[] => Document(keys::Ended);
    TokensCreate: token::create, &[], takes token::Wish => Created(token::Made);
}
