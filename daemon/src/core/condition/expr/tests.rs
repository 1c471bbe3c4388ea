use serde_json::json;

use super::super::table::{condition, facts, pull_request, scene_of, told};
use super::super::{Condition, ConditionError};
use crate::core::explain::Truth;
use crate::core::facts::{FactKind, Facts};
use crate::core::vocabulary::FACTS;

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
        ("has(pull_request.additions) && !has(pull_request.auto_merge)", true),
        ("pull_request['nonsense'] == null && payload['pull_request']['additions'] == 12", true),
        ("role == 'triage' && item.from_fork", true),
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
        ("pull_request.changed_files > 3", "there is no key `changed_files`"),
        ("issue.title == 'x'", "there is no key `title`"),
        ("1 / 0 == 1", "divides by zero"),
        ("9223372036854775807 + 1 > 0", "grows too large"),
        ("-(0 - 9223372036854775807 - 1) > 0", "grows too large"),
        ("payload['pull_request']['title'] > 3", "cannot be compared"),
        ("payload['pull_request']['additions']", "gave a int, not true or false"),
        ("payload['action'].exists(c, c == 'x')", "a loop needs a list or a map"),
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
fn what_loops_copy_and_look_through_is_bounded() {
    let thousand = "[1,1,1,1,1,1,1,1,1,1].map(a, [1,1,1,1,1,1,1,1,1,1].map(b, [1,1,1,1,1,1,1,1,1,1]))";
    // A loop makes its list anew at each step.
    let every = format!("{thousand}.all(x, x.all(y, y.all(z, 'a' in ['b', 'a'])))");
    assert!(expr(&every).0, "{}", expr(&every).1);
    let text = "x".repeat(500);
    let grown = format!("['{text}'].map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a)");
    let sought = format!("{grown}.all(t, {thousand}.all(x, x.all(y, y.all(z, t.contains('x')))))");
    assert!(expr(&sought).0, "{}", expr(&sought).1);
    let sought = format!("{grown}.map(a, a+a+a+a+a).all(t, {thousand}.all(x, x.all(y, y.all(z, t.contains('x')))))");
    assert!(expr(&sought).1.contains("copy or look through too much"), "{}", expr(&sought).1);
}

/// `==` looks at all of two equal values, however large.
#[test]
fn what_loops_compare_is_bounded() {
    let mut event = pull_request();
    let many: Vec<_> = (0..5_000).map(|n| json!({"name": "x", "number": n})).collect();
    (event.payload["big"], event.payload["same"]) = (json!(many.clone()), json!(many));
    let told = |source: &str| {
        let facts = Facts::from_event(&event);
        condition(json!({"expr": source})).evaluate(scene_of(&event, &facts)).explanation.phrase
    };
    assert!(told("payload['big'] == payload['same']").contains("is true"));
    let ten = "[1,1,1,1,1,1,1,1,1,1]";
    for each in
        ["payload['big'] == payload['same']", "!(payload['big'] != payload['same'])", "max(payload['big']) == 1"]
    {
        let source = format!("{ten}.map(a, {ten}.map(b, {ten})).all(x, x.all(y, y.all(z, {each})))");
        let phrase = told(&source);
        assert!(phrase.contains("copy or look through too much") || phrase.contains("cannot be compared"), "{phrase}");
    }
}

/// A name that stands at several places, of which one is wrong, is no place.
#[test]
fn a_place_that_may_be_another_is_not_told() {
    let errors = Condition::parse(&json!({"expr": "item.title == 'x' && item.title > 3"})).unwrap_err();
    assert_eq!(errors[0].offset, None);
}

#[test]
fn names_and_types_are_checked_with_their_place() {
    for (source, offset, told) in [
        ("pull_requst.additions < 400", 0, "there is no `pull_requst`: did you mean `pull_request`?"),
        ("pull_request.addtions < 400", 13, "`pull_request` has no field `addtions`: did you mean `additions`?"),
        ("item.state == 'open' && item.titel == 'x'", 29, "`item` has no field `titel`: did you mean `title`?"),
        ("size(files) > 1 && lables.exists(l, l == 'x')", 19, "there is no `lables`: did you mean `labels`?"),
        ("reviews.exists(r, r.sate == 'approved')", 20, "`r` has no field `sate`: did you mean `state`?"),
        (
            "has(pull_request.nonsense)",
            17,
            "`pull_request` has no field `nonsense` that orchd knows: write `pull_request[\"nonsense\"]` if GitHub has it",
        ),
        (
            "zzz.y == 1",
            0,
            "there is no `zzz`: write `payload[\"zzz\"]` for a key of the payload that orchd does not know",
        ),
        ("item.title > 3", 5, "`>` does not take text and whole number"),
        ("item.title == 3", 5, "text never equals whole number"),
        ("item.title.x == 3", 11, "`item.title` is text: it has no fields"),
        ("item.draft && 1 + size(files)", 23, "`this` is whole number, where true or false is needed"),
        ("pull_request.additions", 13, "the expression gives whole number, not true or false"),
        ("pull_request.title.exists(c, c == 'x')", 13, "a loop needs a list or a map, not text"),
        ("3 in labels", 5, "whole number is never in list of text"),
        ("item.labels.startsWith('a')", 5, "`startsWith` needs text, not list of text"),
        ("item.title.startsWith('a', 'b')", 5, "`startsWith` takes 2 values, not 3"),
        ("item.created_at > 3", 5, "`>` does not take time or null and whole number"),
        ("size(3) == 1", 0, "`size` needs text or list or map, not whole number"),
        ("-item.title == 'x'", 6, "text has no negative"),
        ("item.title[0] == 'x'", 5, "text has no entry by whole number"),
        ("pull_request.labels.contains('bug')", 13, "text is never in list of map"),
        ("payload.pull_requst.draft", 8, "`payload` has no field `pull_requst`: did you mean `pull_request`?"),
    ] {
        let errors = Condition::parse(&json!({"expr": source})).expect_err(source);
        let found: Vec<_> = errors.iter().map(|error| (error.offset.unwrap_or(0), error.message.as_str())).collect();
        assert_eq!(found, [(offset, told)], "{source}");
    }
}

/// Found by fuzzing.
#[test]
fn a_place_is_never_beyond_the_text() {
    for source in ["\n", "1 +", " \n 1 ==", "é &&"] {
        let errors = Condition::parse(&json!({"expr": source})).expect_err(source);
        assert!(
            errors.iter().all(|error| error.offset.unwrap_or(0) <= source.chars().count()),
            "{source:?}: {errors:?}"
        );
    }
}

#[test]
fn what_may_be_right_passes_the_check() {
    for source in [
        "item.milestone == 'v2' || item.milestone == null",
        "pull_request.merged_by == null || pull_request.merged_by.login == 'x'",
        "item.title != null",
        "1 < 2.5 && 1u == 1",
        "(item.draft ? 1 : 2) == 1",
        "labels.filter(l, l != 'x').map(l, l + '!').exists(l, l.endsWith('!'))",
        "files.exists_one(f, f == 'x') && checks.all(c, c.state in ['passing', 'failing'])",
        "event.received_at.getDayOfWeek() in [0, 6]",
        "max(pull_request.additions, 3) > 2 && max([1, 2]) == 2",
        "duration('1h') + duration('1h') == duration('2h')",
        "commits.exists(c, c.message.contains('skip'))",
        "'x' in repository.topics && 'id' in repository",
        "payload['whatever']['deep'] > 3",
        "{'a': 1}.a == 1",
        "client_payload.anything == 'x'",
        "!has(issue.pull_request)",
    ] {
        Condition::parse(&json!({"expr": source})).unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
    }
}

#[test]
fn a_key_that_no_event_of_the_rule_brings_is_found() {
    let condition = condition(json!({"all": [{"draft": false}, {"not": {"expr": "true && issue.title == 'x'"}}]}));
    let unseen = |events: &[&str]| condition.unseen_at(events.iter().copied());
    assert_eq!(unseen(&["issues", "push"]), []);
    let [error] = &unseen(&["push", "workflow_run"])[..] else { panic!("one error") };
    let told = (error.at.join("/"), error.offset, error.message.as_str());
    assert_eq!(told, ("all/1/not/expr".to_owned(), Some(8), "no event of `on` brings `issue`"));
    assert_eq!(unseen(&["schedule"]), []);
}

/// The list of facts is what expressions really see, of the types that it says.
#[test]
fn every_listed_fact_is_there_and_of_its_type() {
    for fact in FACTS.iter().filter(|fact| fact.name != "payload") {
        let name = fact.name.replace("[]", "[0]");
        let (is, or_null) = (fact.kind(), fact.kind().ends_with(" or null"));
        let of_type = match is.trim_end_matches(" or null") {
            "text" => format!("{name} + '' == {name}"),
            "whole number" => format!("{name} + 0 == {name}"),
            "true or false" => format!("{name} || !{name}"),
            "time" => format!("{name} - {name} == duration('0s')"),
            "list of map" => format!(
                "{name}.all(each, each.name + each.status != '' && (each.conclusion == null || each.conclusion != ''))"
            ),
            "list of text" => format!("{name}.all(each, each + '' == each)"),
            other => panic!("{other}"),
        };
        let source = if or_null { format!("{name} == null || ({of_type})") } else { of_type };
        let (mut event, facts) = (pull_request(), facts());
        event.payload["workflow_context"] = json!({"run_id": 1});
        let evaluated = condition(json!({"expr": source})).evaluate(scene_of(&event, &facts));
        assert_eq!(evaluated.explanation.truth, Truth::True, "{:?}", evaluated.explanation);
    }
    let of_none = expr("!has(run.jobs)");
    assert!(of_none.0, "an event that is about no run has none: {}", of_none.1);
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
        ("1 +", "not a CEL expression: Syntax error"),
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
