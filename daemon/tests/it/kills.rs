//! Every action, killed between each two steps of its effect. Between two requests to GitHub an effect only touches the
//! store, in transactions, so the daemon is killed (`kill -9`) at each request in turn: before GitHub carries it out, and
//! for a write once more after. Then it comes back, GitHub and the store agree, and nothing happened twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orchd_fake::{Fault, ItemView, NewItem};
use serde_json::Value;

use crate::story::{Database, Story, WEB};

/// Where an effect asks GitHub something; tokens and installations are asked for elsewhere.
const APIS: [&str; 2] = ["/repos/", "/graphql"];

/// More requests than any effect makes.
const MANY: u32 = 40;

/// An action with parameters, and what it meets.
struct Act {
    action: &'static str,
    /// Its parameters, in YAML.
    params: &'static str,
    /// Opens what it is about.
    given: fn(&Story) -> u64,
    /// How often its mark is there.
    marks: fn(&Story, u64) -> usize,
    /// Whether nobody can tell afterwards if GitHub did it.
    is_lost: fn(carried_out: bool) -> bool,
}

fn issue(story: &Story) -> u64 {
    story.github.person("alice").opens_issue(WEB, NewItem::titled("It breaks"))
}

fn pull(story: &Story) -> u64 {
    opens(story, |new| new)
}

fn opens(story: &Story, how: fn(NewItem) -> NewItem) -> u64 {
    let head = format!("work-{}", story.github.numbers(WEB).len());
    story.github.person("alice").opens_pull(WEB, how(NewItem::titled("Mend it").head(&head).file("src/main.rs")))
}

fn ready(story: &Story) -> u64 {
    let number = pull(story);
    story.github.person("bob").approves(WEB, number);
    story.github.check_run(WEB, number, "build", Some("success"));
    number
}

fn merged(story: &Story) -> u64 {
    let number = pull(story);
    story.github.person("alice").merges(WEB, number);
    number
}

/// Nobody touched it for long.
fn forgotten(story: &Story) -> u64 {
    story.github.set_back(std::time::Duration::from_secs(100 * 86_400));
    issue(story)
}

fn on(story: &Story, number: u64, holds: fn(&ItemView) -> bool) -> usize {
    usize::from(holds(&story.github.issue(WEB, number)))
}

fn ours(item: &ItemView) -> usize {
    item.comments().iter().filter(|(by, _)| by == "orchd[bot]").count()
}

fn acts() -> Vec<Act> {
    let act =
        |action, params, given: fn(&Story) -> u64, marks| Act { action, params, given, marks, is_lost: |_| false };
    vec![
        act("label", "{add: [one, two]}", issue, |story, number| {
            on(story, number, |item| item.has_label("one") && item.has_label("two"))
        }),
        act("comment", "{body: Thank you.}", issue, |story, number| ours(&story.github.issue(WEB, number))),
        act("assign", "{add: [bob]}", issue, |story, number| on(story, number, |item| item.assignees() == ["bob"])),
        act("request_review", "{from: [bob]}", pull, |story, number| {
            on(story, number, |item| item.requested_reviewers() == ["bob"])
        }),
        act("review", "{event: approve}", pull, |story, number| {
            let item = story.github.issue(WEB, number);
            item.reviews().iter().filter(|review| review.state == "APPROVED").count()
        }),
        act("close", "{reason: not_planned}", issue, |story, number| on(story, number, |item| !item.is_open())),
        act("reopen", "{}", issue, |story, number| on(story, number, ItemView::is_open)),
        act("stale", "{days: 60, comment: Is this still so?}", forgotten, |story, number| {
            let item = story.github.issue(WEB, number);
            // The label and the words are one mark.
            (usize::from(item.has_label("stale")) + ours(&item)).div_ceil(2)
        }),
        act("lock", "{reason: resolved}", issue, |story, number| on(story, number, ItemView::is_locked)),
        act(
            "milestone",
            "{set: '2.0'}",
            |story| {
                story.github.add_milestone(WEB, "2.0");
                issue(story)
            },
            |story, number| on(story, number, |item| item.milestone() == Some("2.0")),
        ),
        act("title", "{prefix: '[blocked] '}", issue, |story, number| {
            story.github.issue(WEB, number).title().matches("[blocked] ").count()
        }),
        act("draft", "{}", pull, |story, number| on(story, number, ItemView::is_draft)),
        act(
            "ready_for_review",
            "{}",
            |story| opens(story, NewItem::draft),
            |story, number| on(story, number, |item| !item.is_draft()),
        ),
        act("delete_branch", "{}", merged, |story, number| on(story, number, |item| item.branch().is_none())),
        act("check", "{name: docs, conclusion: success, title: Well, summary: All is well.}", pull, |story, number| {
            let head = story.github.issue(WEB, number).head_sha().unwrap();
            story.github.made_checks(WEB).iter().filter(|check| check.sha == head).count()
        }),
        act("status", "{context: policy, state: success}", pull, |story, number| {
            let head = story.github.issue(WEB, number).head_sha().unwrap();
            story.github.statuses(WEB).iter().filter(|status| status.sha == head).count()
        }),
        act("create_issue", "{title: A release, once: per_event}", issue, |story, number| {
            let later = story.github.numbers(WEB).into_iter().filter(|&each| each > number);
            later.filter(|&each| story.github.issue(WEB, each).is_open()).count()
        }),
        Act {
            action: "dispatch",
            params: "{event_type: shipped}",
            given: issue,
            marks: |story, _| story.github.dispatched(WEB).len(),
            is_lost: |_| true,
        },
        Act {
            action: "dispatch",
            params: "{workflow: release.yml, ref: main}",
            given: |story| {
                story.github.add_workflow(WEB, "release.yml");
                issue(story)
            },
            marks: |story, _| story.github.dispatched(WEB).len(),
            // GitHub lists its runs: one that is there tells, one that is not may come yet.
            is_lost: |carried_out| !carried_out,
        },
        act("merge", "{method: squash}", ready, |story, number| on(story, number, ItemView::is_merged)),
    ]
}

#[test]
fn every_action_of_the_registry_is_killed() {
    for kind in orchd::actions::kinds() {
        assert!(
            acts().iter().any(|act| act.action == kind.name),
            "the action `{0}` is never killed: add it to `acts` in daemon/tests/it/kills.rs",
            kind.name
        );
    }
}

/// Which way an effect is under way when the daemon is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Done,
    TakenBack,
}

/// A request of an effect, and whether GitHub carries it out before the daemon is killed.
#[derive(Clone, Copy, Debug)]
struct Point {
    api: &'static str,
    nth: u32,
    carried_out: bool,
}

/// What became of the request that was waited for.
enum Met {
    /// It was a request of this method, and the daemon was killed at it.
    Killed(String),
    /// The effect ended without it.
    Never,
}

impl Act {
    fn rules(&self) -> String {
        format!(
            "
  - name: first
    on: issues.labeled
    if: {{expr: \"label.name == 'first'\"}}
    then: [close: {{}}]
  - name: go
    on: [issues.labeled, pull_request.labeled]
    if: {{expr: \"label.name == 'go'\"}}
    then: [{}: {}]
",
            self.action, self.params
        )
    }

    /// The item on which the effect is about to begin.
    async fn before(&self, story: &Story, way: Way) -> (u64, usize) {
        let number = (self.given)(story);
        if self.action == "reopen" {
            // What a person closed stays closed.
            story.github.person("alice").labels(WEB, number, "first");
            story.settles().await;
        }
        let marks = (self.marks)(story, number);
        if way == Way::TakenBack {
            self.ask(story, number);
            story.settles().await;
            assert_eq!((self.marks)(story, number), marks + 1, "{}: {:?}", self.action, self.effect(story, number));
        }
        (number, marks)
    }

    fn ask(&self, story: &Story, number: u64) {
        story.github.person("alice").labels(WEB, number, "go");
        story.github.set_back(std::time::Duration::ZERO);
    }

    /// The newest effect on an item, or on what its event caused elsewhere.
    fn effect(&self, story: &Story, number: u64) -> Value {
        let effects = story.json_lines(&["effects", "list", "--number", &number.to_string()]);
        effects.into_iter().find(|effect| effect["intent"]["action"] == self.action).unwrap_or_default()
    }

    /// The effect begins, and the daemon is killed when it comes to the point.
    async fn killed_at(&self, story: &mut Story, number: u64, way: Way, point: Point) -> Met {
        let struck = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&struck);
        let fault = Fault::on("*", point.api).passes(point.nth).hangs();
        let fault = if point.carried_out { fault.after_doing() } else { fault };
        story.settles().await;
        story.github.fault(fault.meanwhile(move || flag.store(true, Ordering::SeqCst)));
        let seen = story.github.requests().len();
        match way {
            Way::Done => self.ask(story, number),
            Way::TakenBack => {
                let id = self.effect(story, number)["intent"]["id"].as_str().unwrap().to_owned();
                let plan = story.cli_and_github(&["--json", "rollback", "plan", "--effect", &id]).await;
                let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
                let rollback = plan["rollback"]["id"].as_str().unwrap().to_owned();
                let asked = story.cli_and_github(&["rollback", "execute", &rollback, "--yes"]).await;
                assert!(asked.status.success(), "{asked:?}");
            }
        }
        tokio::select! {
            () = story.github.until("the request is made", |_| struck.load(Ordering::SeqCst)) => {}
            () = story.settles() => {}
        }
        story.github.clear_faults();
        if !struck.load(Ordering::SeqCst) {
            return Met::Never;
        }
        story.kill();
        let requests = story.github.requests();
        let of_api = requests[seen..].iter().filter(|request| request.path.starts_with(point.api));
        let method = of_api.clone().nth(point.nth as usize).map_or_else(String::new, |request| request.method.clone());
        story.start();
        story.settles().await;
        Met::Killed(method)
    }

    /// After the daemon came back: it happened once, the store says so, and what cannot be known says how to settle it.
    async fn is_sound(&self, story: &Story, number: u64, marks: usize, point: Point, name: &str) {
        let effect = self.effect(story, number);
        if effect["state"] == "quarantined" {
            assert!((self.is_lost)(point.carried_out), "{name}: {effect:#}");
            self.settle_by_hand(story, &effect, (self.marks)(story, number) == marks, name).await;
        } else {
            assert_eq!(effect["state"], "applied", "{name}: {effect:#}");
        }
        assert_eq!((self.marks)(story, number), marks, "{name}: {:#}", self.effect(story, number));
        assert!(story.github.duplicate_effects().is_empty(), "{name}: {:?}", story.github.duplicate_effects());
        assert!(story.json_lines(&["jobs", "list", "--state", "dead"]).is_empty(), "{name}");
    }

    /// A person looked at GitHub and says what happened.
    async fn settle_by_hand(&self, story: &Story, effect: &Value, happened: bool, name: &str) {
        let dead = story.json_lines(&["jobs", "list", "--state", "dead"]);
        let job = dead[0]["id"].as_str().unwrap();
        let note = effect["note"].as_str().unwrap();
        for way in ["discard", "retry"] {
            assert!(note.contains(&format!("`orchd jobs {way} {job}`")), "{name}: {note}");
        }
        let way = if happened { "discard" } else { "retry" };
        assert!(story.cli(&["jobs", way, job]).status.success(), "{name}");
        story.settles().await;
    }
}

/// Plays an action with a kill at each of its requests; gives how many there were.
async fn kill_everywhere(act: &Act, database: Database, way: Way) -> usize {
    let mut story = Story::begin(database, &act.rules()).await;
    let mut kills = 0;
    for api in APIS {
        for nth in 0..MANY {
            let mut reached = false;
            for carried_out in [false, true] {
                let point = Point { api, nth, carried_out };
                let name = format!("{} {way:?}, killed at {point:?}", act.action);
                let (number, before) = act.before(&story, way).await;
                let met = act.killed_at(&mut story, number, way, point).await;
                act.is_sound(&story, number, if way == Way::Done { before + 1 } else { before }, point, &name).await;
                let Met::Killed(method) = met else { break };
                reached = true;
                kills += 1;
                if method == "GET" {
                    // Carried out or not, nobody can tell the difference.
                    break;
                }
            }
            if !reached {
                break;
            }
        }
    }
    assert!(story.cli(&["audit", "verify"]).status.success(), "{}", act.action);
    kills
}

/// So many stories are told at once: they mostly wait, for leases and for what may still arrive at GitHub.
const AT_ONCE: usize = 20;

async fn kill_all(acts: Vec<Act>, database: Database, way: Way) {
    let turns = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut stories = tokio::task::JoinSet::new();
    for act in acts {
        let turns = Arc::clone(&turns);
        stories.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            (act.action, kill_everywhere(&act, database, way).await)
        });
    }
    while let Some(told) = stories.join_next().await {
        let (action, kills) = told.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        println!("{action} {way:?}: {kills} kills");
        assert!(kills >= 2, "{action} reads and writes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 24)]
async fn invariant_5_a_kill_at_any_step_of_any_effect_ends_as_if_there_had_been_none() {
    kill_all(acts(), Database::Sqlite, Way::Done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 24)]
async fn invariant_5_a_kill_at_any_step_of_taking_back_ends_as_if_there_had_been_none() {
    let undoable = |act: &Act| orchd::actions::kinds().iter().any(|kind| kind.name == act.action && kind.undoable);
    kill_all(acts().into_iter().filter(undoable).collect(), Database::Sqlite, Way::TakenBack).await;
}

/// The steps are the same on both databases; how leases and transactions end with the process is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 24)]
async fn invariant_5_on_postgres_a_kill_ends_as_if_there_had_been_none() {
    let some = |act: &Act| ["label", "dispatch", "merge"].contains(&act.action);
    kill_all(acts().into_iter().filter(some).collect(), Database::Postgres, Way::Done).await;
}

/// Killed between the two requests of a write, and a person takes the other half for her own meanwhile: the half that was
/// written is told as done, and can be taken back.
#[tokio::test]
async fn a_write_that_stays_half_done_is_told_as_what_it_is() {
    let rules = "
  - name: swap
    on: issues.edited
    then: [label: {add: [new], remove: [old]}]
";
    let mut story = Story::begin(Database::Sqlite, rules).await;
    let alice = story.github.person("alice");
    let number = alice.opens_issue(WEB, NewItem::titled("It breaks"));
    story.github.person("tidy[bot]").labels(WEB, number, "old");
    story.settles().await;
    story.github.fault(Fault::on("DELETE", "/repos/acme/web/issues/").hangs());
    alice.rewrites(WEB, number, "More of it.");
    let half = |github: &orchd_fake::GitHub| github.writes().iter().any(|write| write.method == "DELETE");
    story.github.until("the second request is made", half).await;
    story.kill();
    story.start();
    alice.unlabels(WEB, number, "old").labels(WEB, number, "old");
    story.settles().await;

    let labels = story.github.issue(WEB, number).labels();
    assert!(labels.contains(&"new".to_owned()) && labels.contains(&"old".to_owned()), "{labels:?}");
    let effect = &story.json_lines(&["effects", "list"])[0];
    assert_eq!(
        (effect["state"].as_str(), &effect["before"]),
        (Some("applied"), &serde_json::json!(["old"])),
        "{effect:#}"
    );
    assert!(effect["note"].as_str().unwrap().contains("cut it short"), "{effect:#}");
    let plan = story.cli_and_github(&["rollback", "plan", "--rule", "swap"]).await;
    assert!(plan.status.success() && String::from_utf8_lossy(&plan.stdout).contains("label"), "{plan:?}");
}
