//! What `merge` meets: a pull request that is ready, in each way of merging.

use serde_json::json;

use super::scenarios::{Answer, Scenario};
use super::stage::Stage;
use crate::story::WEB;

fn ready(stage: &Stage) {
    stage.github.person("bob").approves(WEB, stage.number);
    stage.github.check_run(WEB, stage.number, "build", Some("success"));
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let merge = |params| Scenario {
        action: "merge",
        params,
        earlier: None,
        given: ready,
        done: |item| item.is_merged(),
        meddled: |stage| {
            stage.alice().comments(WEB, stage.number, "That was too soon.");
            Answer::Refuses("a merge cannot be taken back: open a pull request that reverts it")
        },
    };
    vec![merge(json!({})), merge(json!({"method": "rebase", "checks": ["build"], "update": true}))]
}
