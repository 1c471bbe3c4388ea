//! `mode: run`: rules without a server, on a GitHub that keeps what was done.

use orchd_fake::github::config::Config;
use orchd_fake::{Fault, GitHub, NewItem};
use serde_json::{Value, json};

use crate::runner::{Ended, Runner};

const WEB: &str = "acme/web";
const RULES: &str = ".github/orchd.yml";

/// acme/web, a token of a run with these permissions, and these rules on the default branch.
struct Stage {
    github: GitHub,
    permissions: Value,
}

impl Stage {
    async fn with(rules: &str) -> Self {
        let config = Config { slug: "github-actions".to_owned(), ..Config::default() };
        let github = GitHub::start_with(config).await.unwrap();
        github.install("acme", &[WEB]);
        github.add_collaborator(WEB, "alice");
        github.put_file(WEB, "main", RULES, rules);
        let permissions = json!({"contents": "read", "issues": "write", "pull-requests": "write"});
        Self { github, permissions }
    }

    /// What GitHub would have started a run for: the newest delivery of an event.
    fn last(&self, event: &str) -> Value {
        let told = self.github.take_deliveries();
        let found = told.iter().rev().find(|delivery| delivery.event == event);
        let mut payload = found.unwrap_or_else(|| panic!("no {event}")).json();
        // An App's webhook names its installation; the event of a run does not.
        payload.as_object_mut().unwrap().remove("installation");
        payload
    }

    fn step(&self, event: &str, payload: &Value) -> Runner {
        Runner::new()
            .set("GITHUB_API_URL", &self.github.url())
            .input("token", &self.github.run_token(WEB, &self.permissions))
            .input("mode", "run")
            .event(event, payload)
    }

    /// Runs the step while GitHub, which lives in this thread, goes on answering.
    async fn run(&self, step: Runner) -> Ended {
        tokio::task::spawn_blocking(|| step.run()).await.unwrap()
    }
}

fn states(ended: &Ended) -> Vec<String> {
    let effects = ended.json("effects");
    effects.as_array().unwrap().iter().map(|effect| effect["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn rules_act_and_say_why_and_a_second_run_changes_nothing() {
    let stage = Stage::with(
        "rules:\n\
         - {name: crash, on: issues.opened, if: {title: crash}, then: [{label: {add: [bug]}}, {comment: {body: \"Thank you.\"}}]}\n\
         - {name: quiet, on: issues.opened, if: {label: none}, then: [{close: {}}]}\n\
         - {name: watched, on: issues.opened, mode: shadow, then: [{lock: {}}]}\n\
         - {name: asleep, on: issues.opened, mode: \"off\", then: [{lock: {}}]}\n\
         - {name: elsewhere, on: push, then: [{dispatch: {event_type: x}}]}\n",
    )
    .await;
    let number = stage.github.person("alice").opens_issue(WEB, NewItem::titled("It crashes | <b>now</b>"));
    let payload = stage.last("issues");

    let dry = stage.run(stage.step("issues", &payload).input("dry_run", "true")).await;
    assert_eq!((dry.code, states(&dry)), (0, ["gated", "gated", "shadow"].map(str::to_owned).to_vec()), "{}", dry.log);
    assert!(dry.log.contains("dry run: input `dry_run` is `true`"), "{}", dry.log);
    assert!(stage.github.writes().is_empty(), "a dry run writes nothing");

    let ended = stage.run(stage.step("issues", &payload)).await;
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(states(&ended), ["applied", "applied", "shadow"]);
    assert_eq!(ended.outputs["applied"], "2");
    let verdicts: Vec<Value> =
        ended.json("decisions").as_array().unwrap().iter().map(|it| it["verdict"].clone()).collect();
    assert_eq!(verdicts, ["matched", "not_matched", "matched", "skipped"]);
    let issue = stage.github.issue(WEB, number);
    assert_eq!((issue.labels(), issue.comments().len(), issue.is_open()), (vec!["bug".to_owned()], 1, true));
    for told in
        ["rule acme/web:crash: matched", "✓ title", "→ label {add: [bug]}: applied", "5 rules in .github/orchd.yml"]
    {
        assert!(ended.log.contains(told), "{told}: {}", ended.log);
    }
    assert!(ended.summary.contains("| crash | matched | ") && ended.summary.contains("2 changes"), "{}", ended.summary);
    assert!(!ended.log.contains("elsewhere"), "a rule that waits for another event is not mentioned: {}", ended.log);

    let written = stage.github.writes().len();
    let again = stage.run(stage.step("issues", &payload).set("GITHUB_RUN_ATTEMPT", "2")).await;
    assert_eq!(states(&again), ["unchanged", "unchanged", "shadow"], "{}", again.log);
    assert_eq!(stage.github.writes().len(), written);
}

#[tokio::test]
async fn what_a_person_changed_by_hand_stays_and_a_sticky_item_is_left_alone() {
    let stage =
        Stage::with("rules:\n- {name: triage, on: issues, then: [{label: {add: [bug]}}, {assign: {add: [alice]}}]}\n")
            .await;
    let alice = stage.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It crashes"));
    alice.labels(WEB, number, "bug").unlabels(WEB, number, "bug").labels(WEB, number, "other");
    let payload = stage.last("issues");
    let ended = stage.run(stage.step("issues", &payload)).await;
    assert_eq!(states(&ended), ["held", "applied"], "{}", ended.log);
    assert!(ended.log.contains("removed by alice"), "{}", ended.log);
    assert!(!stage.github.issue(WEB, number).labels().contains(&"bug".to_owned()));

    let sticky = alice.opens_issue(WEB, NewItem::titled("Leave me"));
    alice.labels(WEB, sticky, "orchd:sticky");
    let payload = stage.last("issues");
    let ended = stage.run(stage.step("issues", &payload)).await;
    assert_eq!(states(&ended), ["held", "held"], "{}", ended.log);
    assert!(stage.github.effects_on(WEB, sticky).iter().all(|effect| !effect.by_app));
}

#[tokio::test]
async fn the_rules_are_never_those_that_a_pull_request_proposes() {
    let stage = Stage::with("rules:\n- {name: ours, on: pull_request.opened, then: [{label: {add: [seen]}}]}\n").await;
    let evil = "rules:\n- {name: evil, on: pull_request.opened, then: [{comment: {body: \"owned\"}}]}\n";
    let head = "1".repeat(40);
    for (event, fork) in [("pull_request_target", true), ("pull_request", false)] {
        let mut new = NewItem::titled("Trust me").writes(RULES, evil);
        if fork {
            new = new.from_fork();
        }
        let number = stage.github.person("eve").opens_pull(WEB, new);
        let payload = stage.last("pull_request");
        // What somebody checked out by mistake: the pull request's own files, at the very commit of the run.
        let step = stage.step(event, &payload).file(RULES, evil).file(".git/HEAD", &head).set("GITHUB_SHA", &head);
        let ended = stage.run(step).await;
        assert_eq!(ended.code, 0, "{}", ended.log);
        assert!(
            ended.log.contains("rule acme/web:ours: matched") && ended.log.contains("of the default branch"),
            "{}",
            ended.log
        );
        let shown = stage.github.issue(WEB, number);
        assert_eq!((shown.labels(), shown.comments().len()), (vec!["seen".to_owned()], 0), "{event}");
    }
}

#[tokio::test]
async fn the_checkout_of_the_runs_own_commit_saves_a_request() {
    let stage = Stage::with("rules: []\n").await;
    stage.github.person("alice").opens_issue(WEB, NewItem::titled("It crashes"));
    let payload = stage.last("issues");
    let rules = "rules:\n- {name: local, on: issues.opened, then: [{label: {add: [bug]}}]}\n";
    let at = "6dcb09b5b57875f334f61aebed695e2e4193db5e";
    let step = stage.step("issues", &payload).file("rules/own.yml", rules).file(".git/HEAD", at);
    let ended = stage.run(step.input("config", "rules/own.yml")).await;
    assert!(ended.code == 0 && ended.log.contains("1 rule in rules/own.yml of the checkout"), "{}", ended.log);
    assert_eq!(states(&ended), ["applied"]);
    assert!(stage.github.requests().iter().all(|request| !request.path.contains("/contents/")));
}

#[tokio::test]
async fn a_token_that_may_not_is_told_which_permission_to_add() {
    let mut stage = Stage::with(
        "rules:\n\
         - {name: a, on: [issues, pull_request], then: [{label: {add: [bug]}}]}\n\
         - {name: b, on: pull_request, if: {files: \"docs/**\"}, then: [{label: {add: [docs]}}]}\n",
    )
    .await;
    stage.permissions = json!({"contents": "read", "issues": "read"});
    let alice = stage.github.person("alice");
    alice.opens_issue(WEB, NewItem::titled("It crashes"));
    let told = stage.run(stage.step("issues", &stage.last("issues"))).await.refused();
    assert!(told.contains("label {add: [bug]} on acme/web#1: GitHub refused (403)"), "{told}");
    assert!(told.contains("permissions:\n  contents: read\n  issues: write\n  pull-requests: write"), "{told}");

    stage.permissions = json!({"contents": "read", "issues": "write"});
    alice.opens_pull(WEB, NewItem::titled("Mend it").file("docs/a.md"));
    let ended = stage.run(stage.step("pull_request", &stage.last("pull_request"))).await;
    let told = ended.refused();
    assert!(told.contains("rule `b` could not be decided: `files` is not known"), "{told}");

    stage.permissions = json!({"contents": "read", "issues": "read", "pull-requests": "read"});
    stage.github.person("eve").opens_pull(WEB, NewItem::titled("From afar").from_fork());
    let told = stage.run(stage.step("pull_request", &stage.last("pull_request"))).await.refused();
    assert!(told.contains("comes from a fork") && told.contains("`pull_request_target`"), "{told}");

    stage.permissions = json!({"issues": "write"});
    let told = stage.run(stage.step("issues", &stage.payload_of_issue())).await.refused();
    assert!(told.contains("contents: read") || told.contains("`permissions:`"), "{told}");
}

impl Stage {
    fn payload_of_issue(&self) -> Value {
        self.github.person("alice").opens_issue(WEB, NewItem::titled("One more"));
        self.last("issues")
    }
}

#[tokio::test]
async fn what_takes_state_is_told_to_need_the_daemon() {
    let mut stage = Stage::with(
        "rules:\n\
         - {name: merge, on: pull_request.opened, then: [{merge: {method: squash}}]}\n\
         - {name: few, on: pull_request.opened, limits: {actions_per_hour: 1}, then: [{label: {add: [a]}}, {assign: {add: [alice]}}]}\n\
         - {name: daily, on: schedule, then: [{label: {add: [old]}}]}\n",
    )
    .await;
    stage.permissions =
        json!({"contents": "write", "issues": "write", "pull-requests": "write", "checks": "read", "statuses": "read"});
    let number = stage.github.person("alice").opens_pull(WEB, NewItem::titled("Mend it"));
    stage.github.check_run(WEB, number, "build", None);
    let told = stage.github.take_deliveries();
    let opened = told.iter().find(|delivery| delivery.event == "pull_request").unwrap().json();
    let ended = stage.run(stage.step("pull_request", &opened)).await;
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(states(&ended), ["needs_daemon", "applied", "held"], "{}", ended.log);
    let warned = ended.told("warning").join("\n");
    assert!(warned.contains("waiting for that needs the daemon"), "{warned}");
    assert!(warned.contains("rule `few`: `limits` count over an hour, which needs the daemon"), "{warned}");
    assert!(!stage.github.issue(WEB, number).is_merged());

    let ended = stage.run(stage.step("schedule", &json!({"schedule": "30 5 * * *"}))).await;
    assert!(ended.code == 0 && ended.told("notice").join("").contains("needs the daemon"), "{}", ended.log);
}

#[tokio::test]
async fn a_config_that_is_not_valid_is_annotated_where_it_is_wrong() {
    let stage = Stage::with("rules:\n- name: a\n  on: issues.opend\n  then: [{labl: {add: [x]}}]\n").await;
    let payload = stage.payload_of_issue();
    let ended = stage.run(stage.step("issues", &payload)).await;
    let told = ended.refused();
    assert!(told.contains("the event `issues` has no action `opend`: did you mean `opened`?"), "{told}");
    assert!(
        ended.log.contains("::error file=.github/orchd.yml,line=3,col=7,title=The rules are not valid::"),
        "{}",
        ended.log
    );
    assert!(told.contains("there is no action `labl`: did you mean `label`?"), "{told}");

    let missing = stage.run(stage.step("issues", &payload).input("config", "no/such.yml")).await.refused();
    assert!(missing.contains("there is no no/such.yml on the default branch of acme/web"), "{missing}");
    let outside = stage.run(stage.step("issues", &payload).input("config", "../../etc/passwd")).await.refused();
    assert!(outside.contains("it is a path below the root of the repository"), "{outside}");
    assert!(stage.github.writes().is_empty());
}

#[tokio::test]
async fn an_event_that_cannot_be_read_or_is_about_another_repository_is_refused() {
    let stage = Stage::with("rules: []\n").await;
    let payload = stage.payload_of_issue();
    let step = || stage.step("issues", &payload);
    let broken = stage.run(step().event_text("issues", "{\"action\":")).await;
    assert!(broken.code == 1 && broken.told("error")[0].contains("is not JSON"), "{}", broken.log);
    let list = stage.run(step().event_text("issues", "[]")).await;
    assert!(list.code == 1 && list.told("error")[0].contains("holds no JSON object"), "{}", list.log);
    let gone = stage.run(step().set("GITHUB_EVENT_PATH", "/no/such/event.json")).await;
    assert!(gone.code == 1 && gone.told("error")[0].contains("cannot be read"), "{}", gone.log);
    let other = stage.run(step().set("GITHUB_REPOSITORY", "acme/api")).await.refused();
    assert!(other.contains("the event is about `acme/web`, and the run is one of `acme/api`"), "{other}");
    let empty = stage.run(step().input("token", "")).await.refused();
    assert!(empty.starts_with("input `token` is missing or empty"), "{empty}");
    let stale = stage.run(step().input("token", "ghs_thisTokenIsNotKnownAnyMore")).await.refused();
    assert!(stale.contains("GitHub does not take the token (Bad credentials)"), "{stale}");
}

#[tokio::test]
async fn a_lost_answer_is_looked_after_and_a_limit_waited_for() {
    let stage =
        Stage::with("rules:\n- {name: a, on: issues.opened, then: [{label: {add: [bug]}}, {comment: {body: hi}}]}\n")
            .await;
    let payload = stage.payload_of_issue();
    let labels = "/repos/acme/web/issues/1/labels";
    stage.github.fault(Fault::on("POST", labels).after_doing().closes());
    stage.github.fault(
        Fault::on("POST", "/repos/acme/web/issues/1/comments").secondary_limit(Some(std::time::Duration::from_secs(1))),
    );
    let ended = stage.run(stage.step("issues", &payload)).await;
    assert_eq!((ended.code, states(&ended)), (0, vec!["applied".to_owned(), "applied".to_owned()]), "{}", ended.log);
    assert!(ended.log.contains("the answer was lost; read back, it had happened"), "{}", ended.log);
    assert!(stage.github.duplicate_effects().is_empty());
}

#[tokio::test]
async fn what_strangers_write_is_no_command_and_no_markup() {
    let stage =
        Stage::with("rules:\n- {name: a, on: issues, if: {title: \"^x\"}, then: [{label: {add: [bug]}}]}\n").await;
    let title = "x\n::error::owned\n##[add-mask]y <img src=z> [a](https://evil.example)";
    stage.github.person("alice").opens_issue(WEB, NewItem::titled(title));
    let ended = stage.run(stage.step("issues", &stage.last("issues"))).await;
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(ended.told("error").is_empty() && !ended.log.contains("##["), "{}", ended.log);
    let (table, fenced) = ended.summary.split_once("<details>").unwrap();
    assert!(!table.contains("<img") && !table.contains("](http"), "{table}");
    assert!(
        fenced.contains("```text\n") && fenced.matches("```").count() == 2,
        "what is in a fence is shown as it is: {fenced}"
    );
}

#[tokio::test]
async fn an_event_of_the_tokens_own_app_sets_nothing_off() {
    let stage = Stage::with("rules:\n- {name: a, on: issues, then: [{label: {add: [bug]}}]}\n").await;
    let mut payload = stage.payload_of_issue();
    payload["sender"] = json!({"login": "tidy[bot]", "type": "Bot"});
    let ended = stage.run(stage.step("issues", &payload).input("app_slug", "tidy")).await;
    assert_eq!((ended.code, states(&ended)), (0, vec!["needs_daemon".to_owned()]), "{}", ended.log);
    let ended = stage.run(stage.step("issues", &payload)).await;
    assert_eq!(states(&ended), ["applied"], "another App's doing is as a person's: {}", ended.log);
}
