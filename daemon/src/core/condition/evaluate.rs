//! Three-valued evaluation: everything known is looked at, and only what can still matter is asked for.

use super::sight::Unseen;
use super::{Condition, Evaluated, Leaf, Scene};
use crate::core::explain::{Explanation, Truth};
use crate::core::facts::FactKinds;

/// How the phrase of a leaf ends that nobody has looked at.
const NOT_LOOKED_AT: &str = "was not looked at";

pub(super) fn evaluate(condition: &Condition, scene: Scene<'_>) -> Evaluated {
    let mut evaluated = look(condition, scene);
    if evaluated.explanation.truth != Truth::Unknown {
        tell_why_not_looked_at(&mut evaluated.explanation);
    }
    evaluated
}

fn look(condition: &Condition, scene: Scene<'_>) -> Evaluated {
    match condition {
        Condition::All(parts) => {
            let (truth, parts, needs) = look_at_parts(parts, scene, Truth::False);
            node(truth, ["all hold", "not all hold", "not settled whether all hold"], parts, needs)
        }
        Condition::Any(parts) => {
            let (truth, parts, needs) = look_at_parts(parts, scene, Truth::True);
            node(truth, ["at least one holds", "none holds", "not settled whether one holds"], parts, needs)
        }
        Condition::Not(part) => {
            let Evaluated { explanation, needs } = look(part, scene);
            let truth = explanation.truth.flipped();
            node(truth, ["it is not so that", "it is so that", "not settled whether"], vec![explanation], needs)
        }
        Condition::Leaf(leaf) => look_at_leaf(leaf, scene),
    }
}

fn node(truth: Truth, phrases: [&str; 3], parts: Vec<Explanation>, needs: FactKinds) -> Evaluated {
    let [when_true, when_false, when_unknown] = phrases;
    let phrase = match truth {
        Truth::True => when_true,
        Truth::False => when_false,
        Truth::Unknown => when_unknown,
    };
    Evaluated { explanation: Explanation { truth, phrase: phrase.to_owned(), parts }, needs }
}

/// The parts of an `all` (settled by one false) or an `any` (settled by one true).
/// Dear parts come last, and not at all once the others have settled it; the explanations keep the written order.
fn look_at_parts(parts: &[Condition], scene: Scene<'_>, settling: Truth) -> (Truth, Vec<Explanation>, FactKinds) {
    let mut needs = FactKinds::new();
    let (mut settled, mut unknown) = (false, false);
    let mut note = |evaluated: Evaluated| {
        settled |= evaluated.explanation.truth == settling;
        unknown |= evaluated.explanation.truth == Truth::Unknown;
        needs.extend(evaluated.needs);
        (evaluated.explanation, settled)
    };
    let mut explained = Vec::with_capacity(parts.len());
    let mut dear = Vec::new();
    let mut so_far = false;
    for (index, part) in parts.iter().enumerate() {
        if is_dear(part) {
            dear.push(index);
            explained.push(passed_over(part));
        } else {
            let (explanation, settled) = note(look(part, scene));
            so_far = settled;
            explained.push(explanation);
        }
    }
    for index in dear {
        if so_far {
            break;
        }
        let (explanation, settled) = note(look(&parts[index], scene));
        so_far = settled;
        explained[index] = explanation;
    }
    match (settled, unknown) {
        (true, _) => (settling, explained, FactKinds::new()),
        (false, true) => (Truth::Unknown, explained, needs),
        (false, false) => (settling.flipped(), explained, FactKinds::new()),
    }
}

fn look_at_leaf(leaf: &Leaf, scene: Scene<'_>) -> Evaluated {
    let mut needs = FactKinds::new();
    let explanation = match leaf.0.look(scene) {
        Ok(seen) => Explanation::leaf(seen.holds, seen.phrase),
        Err(Unseen::Inapplicable(phrase)) => Explanation::leaf(Truth::False, phrase),
        Err(Unseen::NotYet(kind)) => {
            needs.insert(kind);
            unlooked(leaf)
        }
        Err(Unseen::Unavailable(kind, reason)) => {
            let name = leaf.0.name();
            Explanation::leaf(Truth::Unknown, format!("`{name}` is not known: {kind} could not be had: {reason}"))
        }
    };
    Evaluated { explanation, needs }
}

fn is_dear(condition: &Condition) -> bool {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().any(is_dear),
        Condition::Not(part) => is_dear(part),
        Condition::Leaf(leaf) => leaf.0.is_dear(),
    }
}

/// The explanation of a part that need not be looked at.
fn passed_over(condition: &Condition) -> Explanation {
    let parts = match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().map(passed_over).collect(),
        Condition::Not(part) => vec![passed_over(part)],
        Condition::Leaf(leaf) => return unlooked(leaf),
    };
    let phrase = match condition {
        Condition::All(_) => "not settled whether all hold",
        Condition::Any(_) => "not settled whether one holds",
        _ => "not settled whether",
    };
    Explanation { truth: Truth::Unknown, phrase: phrase.to_owned(), parts }
}

fn unlooked(leaf: &Leaf) -> Explanation {
    Explanation::leaf(Truth::Unknown, format!("`{}` {NOT_LOOKED_AT}", leaf.0.name()))
}

fn tell_why_not_looked_at(explanation: &mut Explanation) {
    if explanation.truth == Truth::Unknown && explanation.phrase.ends_with(NOT_LOOKED_AT) {
        explanation.phrase.push_str(": the rest already settled it");
    }
    explanation.parts.iter_mut().for_each(tell_why_not_looked_at);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::super::table::{condition, pull_request, scene_of};
    use super::Truth;
    use crate::core::facts::{FactKind, Facts, Known};

    fn evaluated(written: serde_json::Value, facts: &Facts) -> (Truth, Vec<FactKind>, Vec<String>) {
        let event = pull_request();
        let evaluated = condition(written).evaluate(scene_of(&event, facts));
        let lines = evaluated.explanation.lines();
        (evaluated.explanation.truth, evaluated.needs.into_iter().collect(), lines)
    }

    #[test]
    fn only_what_can_still_matter_is_asked_for() {
        let facts = Facts::from_event(&pull_request());
        let ask = |written| {
            let (truth, needs, _) = evaluated(written, &facts);
            (truth, needs)
        };
        let (yes, no) = (json!({"label": "bug"}), json!({"label": "absent"}));
        let files = json!({"files": "docs/**"});
        let review = json!({"review": "approved"});
        for (written, truth, needs) in [
            (files.clone(), Truth::Unknown, vec![FactKind::Files]),
            (json!({"all": [files, no]}), Truth::False, vec![]),
            (json!({"all": [files, yes, review]}), Truth::Unknown, vec![FactKind::Files, FactKind::Reviews]),
            (json!({"any": [files, yes]}), Truth::True, vec![]),
            (json!({"any": [files, no]}), Truth::Unknown, vec![FactKind::Files]),
            (json!({"not": files}), Truth::Unknown, vec![FactKind::Files]),
            (json!({"all": [{"any": [yes, files]}, review]}), Truth::Unknown, vec![FactKind::Reviews]),
            (json!({"not": {"all": [no, files]}}), Truth::True, vec![]),
        ] {
            assert_eq!(ask(written.clone()), (truth, needs), "{written}");
        }
    }

    #[test]
    fn the_tree_keeps_the_written_order_and_says_what_was_not_looked_at() {
        let facts = Facts::from_event(&pull_request());
        let written = json!({"all": [{"expr": "true"}, {"files": "docs/**"}, {"label": "absent"}, {"draft": false}]});
        let (_, _, lines) = evaluated(written, &facts);
        assert_eq!(
            lines,
            [
                "✗ not all hold",
                "  ? `expr` was not looked at: the rest already settled it",
                "  ? `files` was not looked at: the rest already settled it",
                "  ✗ label `absent` is absent (labels: `bug`, `Area/Docs`)",
                "  ✓ is not a draft",
            ]
        );
    }

    #[test]
    fn what_cannot_be_had_is_unknown_and_asks_for_nothing() {
        let facts =
            Facts { files: Known::Unavailable("GitHub answered 404".to_owned()), ..Facts::from_event(&pull_request()) };
        let (truth, needs, lines) = evaluated(json!({"files": "docs/**"}), &facts);
        assert_eq!((truth, needs), (Truth::Unknown, vec![]));
        assert_eq!(lines, ["? `files` is not known: the changed files could not be had: GitHub answered 404"]);
    }
}
