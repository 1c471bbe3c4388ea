use serde_json::json;

use super::super::table::{condition, pull_request, scene_of, told};
use super::super::{Condition, ConditionError};
use crate::core::explain::Truth;
use crate::core::facts::{FactKind, Facts};

fn expr(source: &str) -> (bool, String) {
    let (truth, phrase) = told(json!({"expr": source}));
    assert_ne!(truth, Truth::Unknown, "{source}: {phrase}");
    (truth == Truth::True, phrase)
}

fn refused(source: &str) -> String {
    let errors: Vec<ConditionError> = Condition::parse(&json!({"expr": source})).expect_err(source);
    errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; ")
}

#[test]
fn expressions_see_the_payload_the_event_and_the_facts() {
    for (source, holds) in [
        ("pull_request.additions + pull_request.deletions < 400", true),
        ("pull_request.additions > 1000", false),
        ("event.name == 'pull_request' && event.action == 'opened'", true),
        ("event.kind == 'pull_request.opened' && event.actor == 'alice' && !event.actor_is_bot", true),
        ("event.repository == 'acme/site' && event.number == 7", true),
        ("item.author == 'alice' && item.state == 'open' && item.draft == false", true),
        ("item.base == 'main' && 'bug' in item.labels", true),
        ("labels.exists(l, l.startsWith('Area/'))", true),
        ("labels.all(l, l == 'bug')", false),
        ("size(files) == 3 && files.exists_one(f, f.endsWith('.rs'))", true),
        ("files.filter(f, f.matches('^docs/')).size() == 2", true),
        ("reviews.exists(r, r.state == 'approved' && r.reviewer == 'bob')", true),
        ("checks.map(c, c.name).exists(n, n == 'lint')", true),
        ("timestamp(pull_request.created_at) < event.received_at", true),
        ("event.received_at - item.created_at > duration('24h')", true),
        ("has(pull_request.additions) && !has(pull_request.nonsense)", true),
        ("pull_request['additions'] == 12", true),
        ("!has(issue.title)", true),
        ("pull_request.milestone == null", true),
        ("-pull_request.additions == -12", true),
        ("action == 'opened'", true),
        ("repository.owner.login + '/' + repository.name == 'acme/site'", true),
    ] {
        assert_eq!(expr(source).0, holds, "{source}: {}", expr(source).1);
    }
}

#[test]
fn the_phrase_shows_the_values_named() {
    let (_, phrase) = expr("pull_request.additions + pull_request.deletions < 400");
    assert_eq!(
        phrase,
        "`pull_request.additions + pull_request.deletions < 400` is true \
         (pull_request.additions = `12`, pull_request.deletions = `3`)"
    );
}

#[test]
fn errors_at_run_time_are_false_and_told() {
    // The crate panics on some durations; that this ends at all is what is checked.
    expr("duration('99999999999999999h') + duration('99999999999999999h') > duration('1h')");
    for (source, reason) in [
        ("pull_request.nonsense > 3", "there is no key `nonsense`"),
        ("issue.title == 'x'", "there is no key `title`"),
        ("1 / 0 == 1", "divides by zero"),
        ("9223372036854775807 + 1 > 0", "grows too large"),
        ("-(0 - 9223372036854775807 - 1) > 0", "grows too large"),
        ("pull_request.title > 3", "cannot be compared"),
        ("pull_request.additions", "gave a int, not true or false"),
        ("pull_request.title.exists(c, c == 'x')", "a loop needs a list or a map"),
        ("labels[99] == 'x'", "beyond the list"),
        ("'a'.matches('(' + 'b')", "not a regular expression"),
    ] {
        let (holds, phrase) = expr(source);
        assert!(!holds || reason.is_empty(), "{source}: {phrase}");
        assert!(phrase.contains(reason), "{source}: {phrase}");
    }
}

#[test]
fn loops_and_sums_are_bounded() {
    let hundred = "[1,1,1,1,1,1,1,1,1,1].map(a, [1,1,1,1,1,1,1,1,1,1])";
    let source = format!("{hundred}.all(x, {hundred}.all(y, {hundred}.all(z, {hundred}.all(w, true))))");
    assert!(expr(&source).1.contains("too many steps"), "{}", expr(&source).1);
    let doubled = format!("['{}']{}.size() == 1", "x".repeat(500), ".map(a, a + a)".repeat(14));
    assert!(expr(&doubled).1.contains("grows too large"), "{}", expr(&doubled).1);
}

#[test]
fn patterns_written_out_are_compiled_once_and_others_count() {
    assert!(refused("pull_request.title.matches('(')").contains("is not a regular expression"));
    assert!(refused("files.exists(f, f.matches('a{1000}{1000}'))").contains("or a huge one"));
    let loops = |count: usize, pattern: &str| {
        let list = vec!["'a'"; count].join(",");
        let hundred = "[1,1,1,1,1,1,1,1,1,1].map(a, [1,1,1,1,1,1,1,1,1,1])";
        expr(&format!("[{list}].all(s, {hundred}.all(x, x.all(y, s.matches({pattern}))))"))
    };
    assert!(loops(20, "'^a$'").0, "{}", loops(20, "'^a$'").1);
    assert!(loops(20, "s + '$'").0, "{}", loops(20, "s + '$'").1);
    assert!(expr("['a', 'b', 'c'].all(s, s.matches('^' + s + '$'))").0);
    let each = "[1,2,3,4,5,6,7,8].map(x, [1,2,3,4,5,6,7,8].map(y, 'a'.matches(string(x) + string(y)))).size() == 8";
    assert!(expr(each).1.contains("too many steps"), "{}", expr(each).1);
}

#[test]
fn a_map_is_gone_through_in_one_order() {
    let first = expr("repository.map(k, k)[0] == 'full_name'");
    assert!(first.0, "{}", first.1);
}

#[test]
fn what_cannot_be_parsed_or_called_is_refused_with_a_reason() {
    for (source, reason) in [
        ("1 +", "not a CEL expression: line 1, column"),
        ("pull_request.title.startWith('x')", "did you mean `startsWith`?"),
        ("Foo{a: 1} == 1", "messages such as"),
        ("a.?b == 1", ""),
        ("lowercase(a)", "there is no function `lowercase`"),
    ] {
        assert!(refused(source).contains(reason), "{source}: {}", refused(source));
    }
    assert!(refused(&"a".repeat(3000)).contains("longer than 2048"));
    assert!(refused(&"(".repeat(33)).contains("brackets"));
    assert!(refused(&["1"; 200].join("+")).contains("operators"));
    assert!(refused(&["1"; 100].join("+")).contains("deep"));
}

/// The hardest texts the limits let through fit on the stack of a worker thread, in a debug build, and end.
#[test]
fn the_limits_fit_on_a_small_stack() {
    let hardest = || {
        for source in [
            format!("{}1{}", "(".repeat(32), ")".repeat(32)),
            format!("{}1{}", "[".repeat(31), "]".repeat(31)),
            format!("{}true{}", "size([".repeat(6), "])".repeat(6)),
            format!("{}1{}", "int(".repeat(32), ")".repeat(32)),
            format!("{}1{}", "-(".repeat(30), ")".repeat(30)),
            ["1"; 31].join("+"),
            ["true"; 80].join("&&"),
            format!("a{}", ".b".repeat(31)),
            format!("{}1{}", "true ? (".repeat(30), ") : 1".repeat(30)),
            format!("{}true", "!".repeat(160)),
            format!("[1]{}", ".map(a, a + a)".repeat(14)),
            format!("{}true{}", "[1].all(a, ".repeat(14), ")".repeat(14)),
        ] {
            if let Ok(condition) = Condition::parse(&json!({"expr": source})) {
                let event = pull_request();
                condition.evaluate(scene_of(&event, &Facts::from_event(&event)));
            }
        }
    };
    let small = std::thread::Builder::new().stack_size(2 << 20);
    small.spawn(hardest).unwrap().join().unwrap();
}

#[test]
fn only_the_facts_named_are_asked_for() {
    let event = pull_request();
    let facts = Facts::from_event(&event);
    let needs = |source: &str| {
        let needs = condition(json!({"expr": source})).evaluate(scene_of(&event, &facts)).needs;
        needs.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(needs("pull_request.draft"), []);
    assert_eq!(needs("size(files) > 1"), [FactKind::Files]);
    assert_eq!(needs("reviews.exists(r, r.state == 'approved')"), [FactKind::Reviews]);
    assert_eq!(needs("checks.exists(files, files.state == 'failing')"), [FactKind::Checks]);
    assert_eq!(needs("files.exists(f, f == 'a')"), [FactKind::Files]);
}
