//! JSON as a page shows it: highlighted, what lies deep folded, long texts shortened, and the whole bounded.

use std::fmt::Write as _;

use askama::Template;
use askama::filters::HtmlSafe;
use serde_json::Value;

use super::parts::thousands;
use crate::core::text::harmless;

/// Levels that are shown unfolded.
const OPEN_LEVELS: usize = 2;

/// Characters of a text.
const LONGEST_TEXT: usize = 300;

/// A document, drawn. Stands in a `<div class="json">`.
#[derive(Debug, Template)]
#[template(source = "{{ html|safe }}", ext = "html")]
pub(in crate::http) struct Json {
    html: String,
    is_cut: bool,
}

impl HtmlSafe for Json {}

impl Json {
    /// At most about so many bytes of HTML; of what is left out it tells how much.
    pub(in crate::http) fn of(value: &Value, most: usize) -> Self {
        let mut drawn = Drawing { html: String::new(), most, is_cut: false };
        drawn.value(value, 0);
        Self { html: drawn.html, is_cut: drawn.is_cut }
    }

    /// Whether something is left out or shortened.
    pub(in crate::http) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(in crate::http) fn bytes(&self) -> usize {
        self.html.len()
    }
}

struct Drawing {
    html: String,
    most: usize,
    is_cut: bool,
}

impl Drawing {
    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| (Some(key.as_str()), value));
                self.many(members, "{", "}", "key", depth);
            }
            Value::Array(items) => self.many(items.iter().map(|value| (None, value)), "[", "]", "item", depth),
            Value::String(text) => self.text(text),
            other => {
                // Writing to a String cannot fail, here and below.
                let _ = write!(self.html, "<u>{other}</u>");
            }
        }
    }

    /// An object or an array.
    fn many<'v>(
        &mut self,
        members: impl ExactSizeIterator<Item = (Option<&'v str>, &'v Value)>,
        begin: &str,
        end: &str,
        what: &str,
        depth: usize,
    ) {
        let count = members.len();
        if count == 0 {
            let _ = write!(self.html, "{begin}{end}");
            return;
        }
        let folded = depth >= OPEN_LEVELS;
        if folded {
            let plural = if count == 1 { "" } else { "s" };
            let _ = write!(
                self.html,
                "<details><summary>{begin} {} {what}{plural} {end}</summary>",
                thousands(count as u64)
            );
        }
        let _ = write!(self.html, "{begin}");
        for (at, (key, value)) in members.enumerate() {
            let indent = (depth + 1) * 2;
            if self.html.len() >= self.most {
                self.is_cut = true;
                let _ = write!(self.html, "\n{:indent$}<u>… {} more</u>", "", thousands((count - at) as u64));
                break;
            }
            let _ = write!(self.html, "\n{:indent$}", "");
            if let Some(key) = key {
                let key = escaped(&self.shortened(key));
                let _ = write!(self.html, "<b>{key}</b>: ");
            }
            self.value(value, depth + 1);
            if at + 1 < count {
                self.html.push(',');
            }
        }
        let _ = write!(self.html, "\n{:1$}{end}", "", depth * 2);
        if folded {
            self.html.push_str("</details>");
        }
    }

    fn text(&mut self, text: &str) {
        let shown = escaped(&self.shortened(text));
        let _ = write!(self.html, "<i>{shown}</i>");
        let length = text.chars().count();
        if length > LONGEST_TEXT {
            let _ = write!(self.html, " ({} characters)", thousands(length as u64));
        }
    }

    /// As JSON writes it, with nothing that turns text around.
    fn shortened(&mut self, text: &str) -> String {
        let mut short: String = text.chars().take(LONGEST_TEXT).collect();
        if short.len() < text.len() {
            self.is_cut = true;
            short.push('…');
        }
        harmless(&Value::String(short).to_string())
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&#38;"),
            '<' => safe.push_str("&#60;"),
            '>' => safe.push_str("&#62;"),
            '"' => safe.push_str("&#34;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drawn(value: &Value) -> String {
        Json::of(value, 10_000).to_string()
    }

    #[test]
    fn what_lies_deep_is_folded() {
        let shown = drawn(&json!({"a": {"b": {"c": [1, null]}}, "empty": []}));
        let expected = "{\n  <b>&#34;a&#34;</b>: {\n    <b>&#34;b&#34;</b>: <details><summary>{ 1 key }</summary>{\n      \
            <b>&#34;c&#34;</b>: <details><summary>[ 2 items ]</summary>[\n        <u>1</u>,\n        <u>null</u>\n      ]\
            </details>\n    }</details>\n  },\n  <b>&#34;empty&#34;</b>: []\n}";
        assert_eq!(shown, expected);
        assert_eq!(drawn(&json!(true)), "<u>true</u>");
    }

    #[test]
    fn what_strangers_wrote_is_text() {
        let hostile = "</i><script>alert('1')</script>&\u{202e}\u{0}\n\"";
        let shown = drawn(&json!({hostile: hostile}));
        assert!(!shown.contains("<script") && !shown.contains('\u{202e}') && !shown.contains('\u{0}'), "{shown}");
        assert!(shown.contains("&#60;script&#62;") && shown.contains("\\u{202e}"), "{shown}");
    }

    #[test]
    fn long_texts_and_lists_are_bounded_and_say_so() {
        let text = Json::of(&json!("é".repeat(10_000)), 10_000);
        assert!(text.to_string().ends_with("…&#34;</i> (10,000 characters)") && text.is_cut());
        let many = Json::of(&json!((0..100_000).collect::<Vec<_>>()), 1_000);
        assert!(many.bytes() < 1_100 && many.is_cut(), "{many}");
        assert!(many.to_string().contains(" more</u>\n]"), "{many}");
        assert!(!Json::of(&json!([1, 2, 3]), 1_000).is_cut());
        let mut deep = json!("x".repeat(2_000));
        for _ in 0..120 {
            deep = json!({"a": deep, "b": [1, 2, 3]});
        }
        assert!(Json::of(&deep, 1_000).bytes() < 60_000);
    }
}
