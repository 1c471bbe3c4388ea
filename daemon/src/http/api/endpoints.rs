//! Who answers each operation, and what may stand in its query.

use std::future::Future;
use std::pin::Pin;

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::call::Call;
use super::params::Param;
use super::{
    audit, backtests, config, effects, events, guards, installations, jobs, keys, openapi, recover, rollbacks, shadow,
    status, tail, token, why,
};
use crate::core::access::Op;
use crate::engine::audit::Step;
use crate::http::error::HttpError;
use crate::http::health::ConfigHealth;
use crate::http::reply::Reply;
use crate::store::Page;
use crate::store::api_keys::KeyRow;
use crate::store::audit::AuditRow;
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
    /// Documents, a line each.
    Lines(Describe),
}

macro_rules! endpoints {
    ($($op:ident: $handler:path, $query:expr $(, takes $body:ty)? => $kind:ident($answer:ty);)*) => {
        pub(super) fn endpoint(op: Op) -> Option<Endpoint> {
            match op {
                $(Op::$op => Some(Endpoint {
                    handle: |call| Box::pin($handler(call)),
                    query: $query,
                    takes: [$((|about| about.subschema_for::<$body>()) as Describe)?].into_iter().next(),
                    answers: Answers::$kind(|about| about.subschema_for::<$answer>()),
                }),)*
                _ => None,
            }
        }
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
    ConfigShow: config::show, &[] => Document(config::Running<'static>);
    ConfigRevisions: config::revisions, config::REVISIONS => Document(config::History);
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
    OpenApi: openapi::show, &[] => Document(Value);
    KeysList: keys::list, keys::LIST => Document(Page<KeyRow>);
    KeysCreate: keys::create, &[], takes keys::Wish => Document(keys::Made);
    KeysRevoke: keys::revoke, &[] => Document(keys::Ended);
    TokensCreate: token::create, &[], takes token::Wish => Document(token::Made);
}
