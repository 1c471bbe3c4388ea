//! Reads a written condition, collecting every mistake with its place.

use serde_json::Value;

use super::written::{closest, wrong};
use super::{AnyLeaf, Condition, ConditionError, KINDS, Leaf};
use crate::core::vocabulary::Payloads;

/// How deep `all`, `any` and `not` may nest: far beyond what a person reads, far below what a stack holds.
const MAX_DEPTH: usize = 32;

type Parsed<T> = Result<T, Vec<ConditionError>>;

pub(super) fn condition(written: &Value, depth: usize) -> Parsed<Condition> {
    if depth > MAX_DEPTH {
        return Err(wrong(format!("conditions nest more than {MAX_DEPTH} deep")));
    }
    let map = match written {
        Value::Object(map) => map,
        Value::Array(_) => {
            return Err(wrong("a list alone is not a condition: write `all: [...]` or `any: [...]`"));
        }
        _ => return Err(wrong("this is not a condition: write one like `label: bug`, or `all: [...]`")),
    };
    let mut parts = map.iter();
    match (parts.next(), parts.next()) {
        (Some((name, value)), None) => {
            named(name, value, depth).map_err(|errors| errors.into_iter().map(|error| error.under(name)).collect())
        }
        (None, _) => Err(wrong("this condition is empty: write one like `label: bug`")),
        (Some(_), Some(_)) => {
            let names: Vec<String> = map.keys().map(|name| format!("`{name}`")).collect();
            let mut errors = wrong(format!(
                "several conditions in one place ({}): put them in a list under `all:` or `any:`",
                names.join(", ")
            ));
            // The parts are read all the same, so that their own mistakes are told in the same go.
            for (name, value) in map {
                if let Err(more) = named(name, value, depth) {
                    errors.extend(more.into_iter().map(|error| error.under(name)));
                }
            }
            Err(errors)
        }
    }
}

fn named(name: &str, value: &Value, depth: usize) -> Parsed<Condition> {
    match name {
        "all" => list(name, value, depth).map(Condition::All),
        "any" => list(name, value, depth).map(Condition::Any),
        "not" => condition(value, depth + 1).map(|part| Condition::Not(Box::new(part))),
        _ => match AnyLeaf::parse(name, value) {
            Some(leaf) => leaf.map(|leaf| Condition::Leaf(Leaf(leaf))),
            None => Err(unknown(name)),
        },
    }
}

fn list(name: &str, value: &Value, depth: usize) -> Parsed<Vec<Condition>> {
    let Value::Array(written) = value else {
        return Err(wrong(format!("`{name}` takes a list of conditions")));
    };
    if written.is_empty() {
        return Err(wrong(format!("`{name}` needs at least one condition in its list")));
    }
    let mut parts = Vec::with_capacity(written.len());
    let mut errors = Vec::new();
    for (index, each) in written.iter().enumerate() {
        match condition(each, depth + 1) {
            Ok(part) => parts.push(part),
            Err(more) => errors.extend(more.into_iter().map(|error| error.under(&index.to_string()))),
        }
    }
    if errors.is_empty() { Ok(parts) } else { Err(errors) }
}

pub(super) fn unseen(condition: &Condition, payloads: &Payloads) -> Vec<ConditionError> {
    let under = |key: &str, errors: Vec<ConditionError>| -> Vec<ConditionError> {
        errors.into_iter().map(|error| error.under(key)).collect()
    };
    let parts = |name: &str, parts: &[Condition]| {
        let each = parts.iter().enumerate().flat_map(|(index, part)| under(&index.to_string(), unseen(part, payloads)));
        under(name, each.collect())
    };
    match condition {
        Condition::All(all) => parts("all", all),
        Condition::Any(any) => parts("any", any),
        Condition::Not(part) => under("not", unseen(part, payloads)),
        Condition::Leaf(leaf) => under(leaf.0.name(), leaf.0.unseen(payloads)),
    }
}

fn unknown(name: &str) -> Vec<ConditionError> {
    let names = ["all", "any", "not"].into_iter().chain(KINDS.iter().map(|kind| kind.name));
    let short: String = name.chars().take(60).collect();
    wrong(match closest(name, names.clone()) {
        Some(near) => format!("there is no condition `{short}`: did you mean `{near}`?"),
        None => {
            let all: Vec<&str> = names.collect();
            format!("there is no condition `{short}`: there are {}", all.join(", "))
        }
    })
}

impl ConditionError {
    /// The same error, seen from one level further out.
    pub(super) fn under(mut self, key: &str) -> Self {
        self.at.insert(0, key.to_owned());
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::super::{Condition, kinds};

    fn errors(written: serde_json::Value) -> Vec<(String, String)> {
        let errors = Condition::parse(&written).expect_err("it should be refused");
        errors.into_iter().map(|error| (error.at.join("/"), error.message)).collect()
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let told = errors(json!({"all": [
            {"lable": "bug"},
            {"not": {"title": "("}},
            {"any": []},
            {"files": ["docs/**", 7]},
            {"draft": "yes"},
        ]}));
        let places: Vec<&str> = told.iter().map(|(at, _)| at.as_str()).collect();
        assert_eq!(places, ["all/0/lable", "all/1/not/title", "all/2/any", "all/3/files/1", "all/4/draft"]);
        assert_eq!(told[0].1, "there is no condition `lable`: did you mean `label`?");
    }

    #[test]
    fn a_name_like_nothing_lists_what_there_is() {
        let told = errors(json!({"weather": "fine"}));
        assert!(told[0].1.contains("there are all, any, not, label"), "{}", told[0].1);
    }

    #[test]
    fn two_conditions_in_one_map_are_refused_and_still_read() {
        let told = errors(json!({"draft": 1, "label": "bug"}));
        assert_eq!(told.len(), 2);
        assert!(told[0].1.contains("under `all:`"));
        assert_eq!(told[1].0, "draft");
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for written in [json!(null), json!([]), json!("label"), json!({}), json!({"all": {"label": "a"}})] {
            assert!(Condition::parse(&written).is_err(), "{written}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let mut deep = json!({"label": "bug"});
        for _ in 0..100 {
            deep = json!({"not": deep});
        }
        assert!(errors(deep)[0].1.contains("deep"));
    }

    #[test]
    fn every_example_parses_and_fits_its_name() {
        for kind in kinds() {
            let written: serde_json::Value = serde_yaml::from_str(kind.example).unwrap();
            assert!(written.get(kind.name).is_some(), "{}", kind.name);
            Condition::parse(&written).unwrap_or_else(|errors| panic!("{}: {errors:?}", kind.name));
            assert!((kind.schema)().is_object(), "{}", kind.name);
            assert!(kind.help.ends_with('.'), "{}", kind.name);
        }
    }
}
