//! The JSON Schema (draft 2020-12) of the config file, for editors: from the table of keys and the two registries.

use serde_json::{Map, Value, json};

use super::extends::shipped::{PresetDoc, presets};
use super::extends::table::EXTENDED;
use super::findings::Findings;
use super::marked;
use super::table::{DATABASE, Key, Kind, Presence, ROOT, RULE, Section};
use crate::core::condition;
use crate::core::event_names::EVENTS;
use crate::core::intent::ActionKind;
use crate::core::vocabulary::{FACTS, Fact};

const SECRET: &str = "A place to read a secret from: a systemd credential, a file or an environment variable.";

/// The schema of the whole file.
pub fn schema(actions: &[ActionKind]) -> Value {
    let mut schema = object(&ROOT);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "orchd config",
        "$defs": {
            "extends": extended(),
            "rule": object(&RULE),
            "condition": conditions(),
            "action": action(actions),
            "secret": secret(),
            "trigger": trigger(),
            "facts": facts(),
        },
    });
    extend(&mut schema, head);
    schema
}

fn object(section: &Section) -> Value {
    let property = |key: &Key| (key.name.to_owned(), property(key));
    let required: Vec<_> =
        section.keys.iter().filter(|key| matches!(key.presence, Presence::Required)).map(|key| key.name).collect();
    let mut object = json!({
        "type": "object",
        "description": section.help,
        "additionalProperties": false,
        "properties": section.keys.iter().map(property).collect::<Map<_, _>>(),
    });
    if !required.is_empty() {
        extend(&mut object, json!({"required": required}));
    }
    object
}

fn property(key: &Key) -> Value {
    let mut property = of_kind(key.kind);
    extend(&mut property, json!({"description": key.help}));
    if let Presence::Default(text) = key.presence
        && let Some(default) = marked::parse(text, 0, &mut Findings::default())
    {
        extend(&mut property, json!({"default": default.to_json()}));
    }
    property
}

fn of_kind(kind: Kind) -> Value {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    match kind {
        Kind::Section(section) => object(section),
        Kind::Text | Kind::Address | Kind::Path => json!({"type": "string", "minLength": 1}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Count { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Kind::Duration { .. } => json!({"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"}),
        Kind::Size { .. } => json!({"type": "string", "pattern": "^[0-9]+ *(B|[KMG]iB|kB|MB|GB)$"}),
        Kind::Url => json!({"type": "string", "pattern": "^https?://[^@?]+$"}),
        Kind::OneOf(words) => json!({"enum": words}),
        Kind::Secret => json!({"$ref": "#/$defs/secret"}),
        Kind::SecretHeaders => json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/secret"}}),
        Kind::Share => json!({"type": "number", "minimum": 0, "maximum": 1}),
        Kind::Secrets => json!({"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/secret"}}),
        Kind::Allow | Kind::Networks | Kind::Texts => texts,
        Kind::Database => json!({"anyOf": [of_kind(Kind::DatabaseUrl), object(&DATABASE)]}),
        Kind::DatabaseUrl => json!({"anyOf": [
            {"type": "string", "pattern": "^(sqlite:|postgres(ql)?://)."},
            {"$ref": "#/$defs/secret"},
        ]}),
        Kind::Includes => json!({"anyOf": [{"type": "string"}, texts]}),
        Kind::RuleName => json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,100}$"}),
        Kind::Repositories => {
            json!({"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]})
        }
        Kind::Triggers => json!({"anyOf": [
            {"$ref": "#/$defs/trigger"},
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/trigger"}},
        ]}),
        Kind::Condition => json!({"$ref": "#/$defs/condition"}),
        Kind::Actions => json!({"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/action"}}),
        Kind::Extends => json!({"type": "array", "items": {"$ref": "#/$defs/extends"}}),
        Kind::Parameters | Kind::Values => json!({"type": "object"}),
        Kind::Any | Kind::Expected => json!({}),
        Kind::List(section) => json!({"type": "array", "items": object(section)}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Rules => json!({"type": "array", "items": {"$ref": "#/$defs/rule"}}),
    }
}

fn secret() -> Value {
    let one = |name: &str| json!({"type": "object", "additionalProperties": false, "required": [name], "properties": {name: {"type": "string", "minLength": 1}}});
    json!({"description": SECRET, "oneOf": [one("credential"), one("file"), one("env")]})
}

fn trigger() -> Value {
    let names = EVENTS.join("|");
    json!({
        "type": "string",
        "description": "A webhook event of GitHub: event.action, event.* or *.",
        "pattern": format!("^(\\*(\\.\\*)?|({names})(\\.(\\*|[a-z_]+))?)$"),
    })
}

/// The names an expression may write, each described: nothing in a config is of this form, editors and people read it.
fn facts() -> Value {
    let described = |fact: &Fact| {
        let (told, cost) = (fact.source.told(), fact.source.cost());
        json!({"const": fact.name, "description": format!("{} ({}; from {told}; costs {cost})", fact.help, fact.kind())})
    };
    json!({"description": "What expressions may look at, beside the keys of the payload.", "oneOf": FACTS.iter().map(described).collect::<Vec<_>>()})
}

fn conditions() -> Value {
    let own = json!({"$ref": "#/$defs/condition"});
    let several = json!({"type": "array", "minItems": 1, "items": own});
    let with = |schema: &Value, help: &str| {
        let mut schema = schema.clone();
        extend(&mut schema, json!({"description": help}));
        schema
    };
    let mut properties = Map::new();
    properties.insert("all".to_owned(), with(&several, "Every one of these holds."));
    properties.insert("any".to_owned(), with(&several, "At least one of these holds."));
    properties.insert("not".to_owned(), with(&own, "This does not hold."));
    for kind in condition::kinds() {
        let described = described((kind.schema)(), "condition", kind.name, kind.help);
        properties.insert(kind.name.to_owned(), described);
    }
    single(properties, "A condition: one key, and what it asks for.")
}

fn action(kinds: &[ActionKind]) -> Value {
    let described = |kind: &ActionKind| {
        let schema = described((kind.schema)(), "action", kind.name, kind.help);
        (kind.name.to_owned(), schema)
    };
    single(kinds.iter().map(described).collect(), "An action: its name, and its parameters.")
}

/// A file of one's own, or a preset with its parameters.
fn extended() -> Value {
    let preset = |preset: &PresetDoc| {
        let mut with = Map::new();
        for parameter in &preset.parameters {
            let mut schema = json!({"description": parameter.help});
            if let Some(default) = &parameter.default {
                extend(&mut schema, json!({"default": default}));
            }
            with.insert(parameter.name.clone(), schema);
        }
        let needed: Vec<_> =
            preset.parameters.iter().filter(|each| each.default.is_none()).map(|each| each.name.as_str()).collect();
        let required = if needed.is_empty() { json!(["preset"]) } else { json!(["preset", "with"]) };
        let with = json!({"type": "object", "additionalProperties": false, "properties": with, "required": needed});
        json!({"description": preset.about, "properties": {"preset": {"const": preset.name}, "file": false, "with": with}, "required": required})
    };
    let file = json!({"required": ["file"], "properties": {"preset": false}});
    let mut schema = object(&EXTENDED);
    let choices: Vec<Value> = presets().iter().map(preset).chain([file]).collect();
    extend(&mut schema, json!({"oneOf": choices}));
    schema
}

fn single(properties: Map<String, Value>, help: &str) -> Value {
    json!({
        "type": "object",
        "description": help,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
        "properties": properties,
    })
}

/// A schema of a registry as part of ours. One with definitions of its own becomes a resource of its own, so that its
/// references keep their meaning.
fn described(mut schema: Value, what: &str, name: &str, help: &str) -> Value {
    if let Value::Object(map) = &mut schema {
        map.remove("$schema");
        map.remove("title");
        if map.contains_key("$defs") {
            map.insert("$id".to_owned(), json!(format!("urn:orchd:{what}:{name}")));
        }
    }
    extend(&mut schema, json!({"description": help}));
    schema
}

fn extend(schema: &mut Value, more: Value) {
    if let (Value::Object(schema), Value::Object(more)) = (schema, more) {
        schema.extend(more);
    }
}
