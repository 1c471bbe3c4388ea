//! Payloads, read for rules that look at little of them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

/// A payload without the fields whose names end in `url`: these are most of it.
///
/// # Errors
/// When it is not JSON.
pub fn without_urls(text: &str) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Slim.deserialize(&mut reader)?;
    reader.end().map(|()| value)
}

struct Slim;

/// A key, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Slim {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Slim {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(Self)? {
            list.push(entry);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(Key(name)) = fields.next_key()? {
            if name.ends_with("url") {
                fields.next_value::<IgnoredAny>()?;
            } else {
                map.insert(name.into_owned(), fields.next_value_seed(Self)?);
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::condition::Condition;
    use crate::core::condition::properties::any_json;

    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|name, _| !name.ends_with("url"));
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn all_but_urls_is_read_as_it_is(mut value in any_json()) {
            let value_with = json!({"html_url": "x", "url": {"a": [1]}, "kept": value.clone(), "a\\u0062": 1.5e300, "n": u64::MAX});
            let read = without_urls(&value_with.to_string()).unwrap();
            let mut expected: Value = serde_json::from_str(&value_with.to_string()).unwrap();
            strip(&mut expected);
            strip(&mut value);
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn what_may_look_at_an_address_keeps_them() {
        for (expr, sees) in [
            ("pull_request.additions < 400", false),
            ("item.title == 'x' && event.actor_is_bot && size(files) > 1", false),
            ("repository.topics.exists(t, t == 'x')", false),
            ("pull_request.html_url.contains('x')", true),
            ("target_url == null || true", true),
            ("pull_request.labels.exists(l, l.name == 'bug')", true),
            ("size(pull_request.user) > 3", true),
            ("pull_request['html_url'] == 'x'", true),
            ("payload['a'] == 'x'", true),
        ] {
            let condition = json!({"any": [{"label": "x"}, {"not": {"expr": expr}}]});
            assert_eq!(Condition::parse(&condition).unwrap().may_see_urls(), sees, "{expr}");
        }
    }
}
