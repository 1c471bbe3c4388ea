//! The keys of a file of tests.

use crate::config::extends::table::EXTENDS_KEY;
use crate::config::table::Presence::{Default, Optional, Required};
use crate::config::table::{Kind, Section, key};

pub(in crate::config) static TEST_FILE: Section = Section {
    path: "file of tests",
    help: "What `orchd config test` runs: events that are made up, and what the rules of a config should do about them. \
        Nothing is asked of GitHub, and no secret is needed. `config/tests` holds those of the presets.",
    keys: &[
        key(
            "config",
            Kind::Path,
            Optional,
            "The config whose rules are tested, relative to this file; that of `--config` when left out.",
        ),
        EXTENDS_KEY,
        key("tests", Kind::List(&TEST), Required, "The tests."),
    ],
};

pub(in crate::config) static TEST: Section = Section {
    path: "tests[]",
    help: "An event, what is known of it, and what should be done. A rule in the shadow is tested as an active one is.",
    keys: &[
        key("name", Kind::Text, Required, "What it says, in a sentence; unique in the file."),
        key("event", Kind::Section(&EVENT), Required, "The event; `event.action` alone is its `kind`."),
        key(
            "item",
            Kind::Section(&ITEM),
            Optional,
            "The issue or pull request. Events that always have one get one without it.",
        ),
        key(
            "payload",
            Kind::Values,
            Optional,
            "What else GitHub's payload holds. It is merged into what the rest makes of it, map by map.",
        ),
        key("facts", Kind::Section(&FACTS), Optional, "What a rule may have to ask GitHub for."),
        key(
            "expect",
            Kind::Expected,
            Required,
            "`nothing`, or a map of rules and what each should do. A rule that is not named should do nothing.",
        ),
    ],
};

pub(in crate::config) static EVENT: Section = Section {
    path: "tests[].event",
    help: "What happened.",
    keys: &[
        key("kind", Kind::Text, Required, "GitHub's name of the event, with its action: `issues.opened`, `push`."),
        key("repository", Kind::Text, Default("acme/web"), "Where."),
        key("actor", Kind::Text, Default("mona"), "Who caused it. A login that ends in `[bot]` is no person's."),
        key("received_at", Kind::Time, Default("2026-01-10T12:00:00Z"), "When: the only \"now\" that rules know."),
    ],
};

pub(in crate::config) static ITEM: Section = Section {
    path: "tests[].item",
    help: "The issue or pull request that the event is about. From `draft` on: of a pull request only.",
    keys: &[
        key("kind", Kind::OneOf(&["issue", "pull_request"]), Optional, "That of the event when left out."),
        key("number", Kind::Count { least: 1, most: i64::MAX as u64 }, Default("7"), "Its number."),
        key("title", Kind::Text, Default("Something"), "Its title."),
        key("body", Kind::Any, Default("\"\""), "Its description."),
        key("state", Kind::OneOf(&["open", "closed", "merged"]), Optional, "That after the event when left out."),
        key("author", Kind::Text, Optional, "Who opened it; whoever caused the event when left out."),
        key(
            "author_association",
            Kind::Text,
            Default("NONE"),
            "What the author is to the repository, in GitHub's words.",
        ),
        key("labels", Kind::Texts, Default("[]"), "Names."),
        key("assignees", Kind::Texts, Default("[]"), "Logins."),
        key("milestone", Kind::Text, Optional, "The title."),
        key("created_at", Kind::Time, Optional, "That of the event when left out."),
        key("updated_at", Kind::Time, Optional, "That of the event when left out."),
        key("draft", Kind::Flag, Default("false"), "Whether it is a draft."),
        key("base", Kind::Text, Default("main"), "The branch it is to be merged into."),
        key("head", Kind::Text, Default("topic"), "The branch it comes from."),
        key("fork", Kind::Flag, Default("false"), "Whether that lies in a fork."),
    ],
};

pub(in crate::config) static FACTS: Section = Section {
    path: "tests[].facts",
    help: "What a payload does not tell. A rule that needs one that is not given fails the test.",
    keys: &[
        key("files", Kind::Texts, Optional, "Paths that the pull request changes."),
        key("reviews", Kind::List(&REVIEW), Optional, "The latest review of each reviewer."),
        key("checks", Kind::List(&CHECK), Optional, "Check runs and commit statuses of the head commit."),
        key(
            "role",
            Kind::OneOf(&["none", "read", "triage", "write", "maintain", "admin"]),
            Optional,
            "The role of whoever caused the event.",
        ),
        key("run", Kind::Section(&RUN), Optional, "The workflow run that the event is about."),
    ],
};

pub(in crate::config) static RUN: Section = Section {
    path: "tests[].facts.run",
    help: "A run of a workflow, as GitHub tells it.",
    keys: &[
        key("status", Kind::Text, Default("completed"), "In GitHub's word."),
        key("conclusion", Kind::Text, Optional, "In GitHub's word; left out when there is none yet."),
        key("event", Kind::Text, Default("push"), "What started it."),
        key("head_branch", Kind::Text, Optional, "Its branch."),
        key("attempt", Kind::Count { least: 1, most: 1_000 }, Default("1"), "Which attempt it is."),
        key("jobs", Kind::List(&JOB), Default("[]"), "Its jobs."),
    ],
};

pub(in crate::config) static JOB: Section = Section {
    path: "tests[].facts.run.jobs[]",
    help: "A job of a run.",
    keys: &[
        key("name", Kind::Text, Required, "Its name."),
        key("status", Kind::Text, Default("completed"), "In GitHub's word."),
        key("conclusion", Kind::Text, Optional, "In GitHub's word; left out when there is none yet."),
    ],
};

pub(in crate::config) static REVIEW: Section = Section {
    path: "tests[].facts.reviews[]",
    help: "The latest review of a reviewer.",
    keys: &[
        key("reviewer", Kind::Text, Required, "The login."),
        key(
            "state",
            Kind::OneOf(&["approved", "changes_requested", "commented", "dismissed"]),
            Required,
            "What it says.",
        ),
    ],
};

pub(in crate::config) static CHECK: Section = Section {
    path: "tests[].facts.checks[]",
    help: "A check run or commit status.",
    keys: &[
        key("name", Kind::Text, Required, "Its name."),
        key("state", Kind::OneOf(&["pending", "failing", "passing"]), Required, "How it stands."),
    ],
};

pub(in crate::config) static EXPECTED: Section = Section {
    path: "tests[].expect.RULE",
    help: "What a rule should do: one of `then` and `nothing: true`.",
    keys: &[
        key(
            "then",
            Kind::Actions,
            Optional,
            "The actions in order, with their parameters as they are in the rule. A name alone stands for any parameters.",
        ),
        key("nothing", Kind::Flag, Default("false"), "That it does not match, or is skipped."),
        key(
            "because",
            Kind::Text,
            Optional,
            "Part of the reason: which condition decided, in the words of `orchd why`.",
        ),
    ],
};

/// In the order of the docs.
pub(in crate::config) static SECTIONS: [&Section; 8] =
    [&TEST_FILE, &TEST, &EVENT, &ITEM, &FACTS, &REVIEW, &CHECK, &EXPECTED];
