//! Makes the table of payload fields from what GitHub publishes: its OpenAPI description of webhooks, and its examples.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use orchd::core::event_names::EVENTS;
use serde_json::Value;

use crate::npm;

const DESCRIPTION: &str = "@octokit/openapi-webhooks@12.1.0";
const EXAMPLES: &str = "@octokit/webhooks-examples@7.6.1";

/// What a value may be: letters of plain kinds, what a list holds, fields of a map, what any other field holds.
#[derive(Clone, Default, PartialEq, Eq)]
struct Type {
    plain: BTreeSet<char>,
    entries: Option<Box<Type>>,
    fields: Option<BTreeMap<String, Type>>,
    open: Option<Box<Type>>,
}

impl Type {
    fn plain(letter: char) -> Self {
        Self { plain: BTreeSet::from([letter]), ..Self::default() }
    }

    fn add(&mut self, other: Self) {
        self.plain.extend(other.plain);
        for (mine, other) in [(&mut self.entries, other.entries), (&mut self.open, other.open)] {
            match (mine, other) {
                (Some(mine), Some(other)) => mine.add(*other),
                (mine @ None, other) => *mine = other,
                (Some(_), None) => {}
            }
        }
        if let Some(fields) = other.fields {
            let mine = self.fields.get_or_insert_default();
            for (name, field) in fields {
                mine.entry(name).or_default().add(field);
            }
        }
    }

    fn of_example(value: &Value) -> Self {
        match value {
            Value::Null => Self::plain('?'),
            Value::Bool(_) => Self::plain('b'),
            Value::Number(number) => Self::plain(if number.is_f64() { 'f' } else { 'i' }),
            Value::String(_) => Self::plain('s'),
            Value::Array(values) => {
                let mut entries = Self::default();
                values.iter().for_each(|value| entries.add(Self::of_example(value)));
                Self { entries: Some(Box::new(entries)), ..Self::default() }
            }
            Value::Object(map) => {
                let fields = map.iter().map(|(name, value)| (name.clone(), Self::of_example(value))).collect();
                Self { fields: Some(fields), ..Self::default() }
            }
        }
    }
}

/// Reads JSON Schema as OpenAPI has it.
struct Description<'a> {
    schemas: &'a Value,
}

impl Description<'_> {
    fn of(&self, schema: &Value, within: &[&str]) -> Type {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            if within.contains(&name) {
                return Type::plain('*');
            }
            return self.of(&self.schemas[name], &[within, &[name]].concat());
        }
        let mut found = Type::default();
        for several in ["oneOf", "anyOf", "allOf"] {
            for each in schema[several].as_array().into_iter().flatten() {
                found.add(self.of(each, within));
            }
        }
        if schema["nullable"] == true || schema["enum"].as_array().is_some_and(|words| words.contains(&Value::Null)) {
            found.plain.insert('?');
        }
        let mut kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if kinds.is_empty() && schema["properties"].is_object() {
            kinds.push("object");
        }
        for kind in kinds {
            match kind {
                "string" => found.add(Type::plain('s')),
                "integer" => found.add(Type::plain('i')),
                // A whole one arrives as an integer.
                "number" => ['f', 'i'].into_iter().for_each(|letter| found.add(Type::plain(letter))),
                "boolean" => found.add(Type::plain('b')),
                "null" => found.add(Type::plain('?')),
                "array" => {
                    let entries = Some(Box::new(self.of(&schema["items"], within)));
                    found.add(Type { entries, ..Type::default() });
                }
                "object" => found.add(self.map(schema, within)),
                other => panic!("{other}"),
            }
        }
        if found == Type::default() { Type::plain('*') } else { found }
    }

    fn map(&self, schema: &Value, within: &[&str]) -> Type {
        let properties = schema["properties"].as_object().into_iter().flatten();
        let fields: BTreeMap<_, _> = properties.map(|(name, of)| (name.clone(), self.of(of, within))).collect();
        let open = match &schema["additionalProperties"] {
            Value::Object(more) if !more.is_empty() => Some(self.of(&schema["additionalProperties"], within)),
            Value::Bool(false) | Value::Null if !fields.is_empty() => None,
            _ => Some(Type::plain('*')),
        };
        Type { fields: Some(fields), open: open.map(Box::new), ..Type::default() }
    }
}

/// Writes types as text, each shape of a map once.
#[derive(Default)]
struct Shapes {
    numbers: BTreeMap<String, usize>,
    text: String,
}

impl Shapes {
    fn text(&mut self, of: &Type) -> String {
        let mut text: String = of.plain.iter().collect();
        if let Some(entries) = &of.entries {
            let entries = if **entries == Type::default() { "*".to_owned() } else { self.text(entries) };
            write!(text, "[{entries}]").unwrap();
        }
        if let Some(open) = &of.open {
            write!(text, "<{}>", self.text(open)).unwrap();
        }
        if let Some(fields) = &of.fields {
            let fields: Vec<String> = fields.iter().map(|(name, of)| format!("{name}:{}", self.text(of))).collect();
            let shape = fields.join(" ");
            let next = self.numbers.len();
            let number = *self.numbers.entry(shape.clone()).or_insert_with(|| {
                writeln!(self.text, "{shape}").unwrap();
                next
            });
            write!(text, "#{number}").unwrap();
        }
        text
    }
}

fn read(package: &str, file: &str) -> Value {
    let name = package.rsplit_once('@').unwrap().0;
    serde_json::from_slice(&std::fs::read(npm::install(package).join(name).join(file)).unwrap()).unwrap()
}

/// The table: a line for each event, an empty line, a line for each shape.
pub fn table() -> String {
    let description = read(DESCRIPTION, "generated/api.github.com.json");
    let schemas = Description { schemas: &description["components"]["schemas"] };
    let mut events: BTreeMap<String, Type> = BTreeMap::new();
    for (key, webhook) in description["webhooks"].as_object().unwrap() {
        // `pull-request-review-submitted`: the name of the event, and its action. The longest name that fits is it.
        let key = key.replace('-', "_");
        let fits = |name: &&&str| key == **name || key.starts_with(&format!("{name}_"));
        let Some(name) = EVENTS.iter().filter(fits).max_by_key(|name| name.len()) else { panic!("{key}") };
        let body = &webhook["post"]["requestBody"]["content"]["application/json"]["schema"];
        events.entry((*name).to_owned()).or_default().add(schemas.of(body, &[]));
    }
    for event in read(EXAMPLES, "api.github.com/index.json").as_array().unwrap() {
        let known = events.entry(event["name"].as_str().unwrap().to_owned()).or_default();
        event["examples"].as_array().unwrap().iter().for_each(|example| known.add(Type::of_example(example)));
    }
    let mut shapes = Shapes::default();
    let mut text = String::new();
    for (name, of) in &events {
        writeln!(text, "{name} {}", shapes.text(of)).unwrap();
    }
    format!("{text}\n{}", shapes.text)
}
