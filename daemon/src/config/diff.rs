//! What is different between two configs, as `config show` shows them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How the rules of one differ from those of the other, in the order of the later one; what is gone comes last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RuleChange {
    pub rule: String,
    #[serde(flatten)]
    pub how: Change,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    Added,
    Removed,
    /// These of its keys.
    Changed {
        keys: Vec<String>,
    },
}

/// A value that is different, or stands in one of them only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ValueChange {
    /// `retention.payloads`.
    pub key: String,
    pub before: Value,
    pub after: Value,
}

fn name(rule: &Value) -> &str {
    rule.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The rules that were added, changed or removed.
pub fn rules(before: &Value, after: &Value) -> Vec<RuleChange> {
    let list = |rules: &Value| rules.as_array().cloned().unwrap_or_default();
    let (before, after) = (list(before), list(after));
    let change = |rule: &Value, how| RuleChange { rule: name(rule).to_owned(), how };
    let mut changes = Vec::new();
    for rule in &after {
        match before.iter().find(|other| name(other) == name(rule)) {
            None => changes.push(change(rule, Change::Added)),
            Some(other) if other == rule => {}
            Some(other) => changes.push(change(rule, Change::Changed { keys: different_keys(other, rule) })),
        }
    }
    let gone = before.iter().filter(|rule| !after.iter().any(|other| name(other) == name(rule)));
    changes.extend(gone.map(|rule| change(rule, Change::Removed)));
    changes
}

fn different_keys(before: &Value, after: &Value) -> Vec<String> {
    let empty = Map::new();
    let (before, after) = (before.as_object().unwrap_or(&empty), after.as_object().unwrap_or(&empty));
    let mut keys: Vec<String> = after.keys().chain(before.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| before.get(key) != after.get(key));
    keys
}

/// What is different beside the rules.
pub fn values(before: &Value, after: &Value) -> Vec<ValueChange> {
    let mut changes = Vec::new();
    compare("", before, after, &mut changes);
    changes
}

fn compare(key: &str, before: &Value, after: &Value, changes: &mut Vec<ValueChange>) {
    if before == after || key == "rules" {
        return;
    }
    let (Value::Object(one), Value::Object(other)) = (before, after) else {
        changes.push(ValueChange { key: key.to_owned(), before: before.clone(), after: after.clone() });
        return;
    };
    for name in different_keys(before, after) {
        let below = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        let of = |map: &Map<String, Value>| map.get(&name).cloned().unwrap_or_default();
        compare(&below, &of(one), &of(other), changes);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_are_compared_by_name_and_values_by_place() {
        let before = json!({"rules": [{"name": "a", "on": ["push"]}, {"name": "b", "mode": "active", "if": null}], "x": {"y": 1, "z": 2}});
        let after = json!({"rules": [{"name": "b", "mode": "shadow", "if": {"label": "x"}}, {"name": "c"}], "x": {"y": 1, "z": 3}, "w": true});
        let told: Vec<_> = rules(&before["rules"], &after["rules"]).into_iter().map(|it| (it.rule, it.how)).collect();
        let keys = vec!["if".to_owned(), "mode".to_owned()];
        let expected = [("b", Change::Changed { keys }), ("c", Change::Added), ("a", Change::Removed)];
        assert_eq!(told, expected.map(|(rule, how)| (rule.to_owned(), how)));
        let told: Vec<_> = values(&before, &after).into_iter().map(|it| (it.key, it.before, it.after)).collect();
        assert_eq!(told, [("w".to_owned(), json!(null), json!(true)), ("x.z".to_owned(), json!(2), json!(3))]);
        assert!(values(&after, &after).is_empty() && rules(&after["rules"], &after["rules"]).is_empty());
    }
}
