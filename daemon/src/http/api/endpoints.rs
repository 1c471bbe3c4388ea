//! Who answers each operation, and what may stand in its query.

use std::future::Future;
use std::pin::Pin;

use super::call::Call;
use super::params::Param;
use super::{
    audit, backtests, config, effects, events, guards, installations, jobs, keys, recover, rollbacks, shadow, status,
    tail, token, why,
};
use crate::core::access::Op;
use crate::http::error::HttpError;
use crate::http::reply::Reply;

type Answer = Pin<Box<dyn Future<Output = Result<Reply, HttpError>> + Send>>;

/// How an operation is answered.
pub(super) struct Endpoint {
    pub(super) handle: fn(Call) -> Answer,
    pub(super) query: &'static [Param],
}

macro_rules! endpoints {
    ($($op:ident: $handler:path, $query:expr;)*) => {
        pub(super) fn endpoint(op: Op) -> Option<Endpoint> {
            match op {
                $(Op::$op => Some(Endpoint { handle: |call| Box::pin($handler(call)), query: $query }),)*
                _ => None,
            }
        }
    };
}

endpoints! {
    StatusShow: status::show, &[];
    EventsTail: tail::tail, events::TAIL;
    EventsList: events::list, events::LIST;
    EventsShow: events::show, events::SHOW;
    EventsReplay: events::replay, &[];
    JobsList: jobs::list, jobs::LIST;
    JobsShow: jobs::show, &[];
    JobsRetry: jobs::retry, &[];
    JobsDiscard: jobs::discard, &[];
    EffectsList: effects::list, effects::LIST;
    EffectsShow: effects::show, &[];
    InstallationsList: installations::list, installations::LIST;
    InstallationsRefresh: installations::refresh, &[];
    InstallationsShow: installations::show, &[];
    AuditList: audit::list, audit::LIST;
    AuditVerify: audit::prove, audit::VERIFY;
    AuditShow: audit::show, &[];
    ConfigShow: config::show, &[];
    ConfigRevisions: config::revisions, config::REVISIONS;
    ConfigConfirm: config::confirm, &[];
    ConfigRollBack: config::roll_back, &[];
    BacktestsRun: backtests::run, backtests::QUERY;
    GuardsList: guards::list, guards::LIST;
    GuardsResetAll: guards::reset_all, &[];
    GuardsReset: guards::reset, &[];
    Recover: recover::recover, recover::QUERY;
    RollbacksPlan: rollbacks::plan, rollbacks::PLAN;
    RollbacksList: rollbacks::list, rollbacks::LIST;
    RollbacksShow: rollbacks::show, &[];
    RollbacksItems: rollbacks::items, rollbacks::LIST;
    RollbacksExecute: rollbacks::execute, &[];
    ShadowShow: shadow::show, shadow::QUERY;
    Why: why::why, why::QUERY;
    KeysList: keys::list, keys::LIST;
    KeysCreate: keys::create, &[];
    KeysRevoke: keys::revoke, &[];
    TokensCreate: token::create, &[];
}
