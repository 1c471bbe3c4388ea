//! What many pages are made of: times, states, explanation trees, the way to older rows.

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, Utc};

use super::visit::url;
use crate::core::explain::{Explanation, Truth};
use crate::core::text::harmless;

/// Characters of a text that is shown as a whole: three of them fit on a page.
const WHOLE: usize = 6_000;

/// A time: in UTC as the server sends it, local where there is a script, exact on hover.
#[derive(Clone, Debug, Template)]
#[template(source = r#"<time datetime="{{ iso }}" title="{{ exact }} UTC">{{ short }}</time>"#, ext = "html")]
pub(in crate::http) struct When {
    iso: String,
    exact: String,
    short: String,
}

impl HtmlSafe for When {}

impl When {
    pub(in crate::http) fn at(at: DateTime<Utc>) -> Self {
        Self {
            iso: at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            exact: at.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
            short: at.format("%Y-%m-%d %H:%M").to_string(),
        }
    }

    pub(in crate::http) fn maybe(at: Option<DateTime<Utc>>) -> Option<Self> {
        at.map(Self::at)
    }
}

/// A span of time as people say it: `40 s`, `3 min`, `5 h`, `12 days`.
pub(in crate::http) fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// A number with its thousands apart: `1,234,567`.
pub(in crate::http) fn thousands(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text of several lines as a whole, harmless, and cut where it would fill the page.
pub(in crate::http) fn whole(text: &str) -> String {
    let mut told = text.lines().map(harmless).collect::<Vec<_>>().join("\n");
    if let Some((at, _)) = told.char_indices().nth(WHOLE) {
        told.truncate(at);
        told.push('…');
    }
    told
}

/// How a state is meant. Never told by colour alone: the word stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Tone {
    Good,
    Bad,
    /// A person should look.
    Look,
    /// Under way.
    Busy,
    Quiet,
}

/// A state in a word.
#[derive(Clone, Debug, Template)]
#[template(source = r#"<span class="pill {{ class }}">{{ word }}</span>"#, ext = "html")]
pub(in crate::http) struct Pill {
    word: String,
    class: &'static str,
}

impl HtmlSafe for Pill {}

impl Pill {
    pub(in crate::http) fn new(tone: Tone, word: impl Into<String>) -> Self {
        let class = match tone {
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Look => "look",
            Tone::Busy => "busy",
            Tone::Quiet => "quiet-pill",
        };
        Self { word: word.into(), class }
    }

    /// Whether it says this word.
    pub(in crate::http) fn is(&self, word: &str) -> bool {
        self.word == word
    }
}

/// What a decision looked at, as a tree. Stands in a `<ul class="tree">`.
#[derive(Template)]
#[template(path = "pages/tree.html")]
pub(in crate::http) struct Tree<'e> {
    node: &'e Explanation,
}

impl HtmlSafe for Tree<'_> {}

impl<'e> Tree<'e> {
    pub(in crate::http) fn of(node: &'e Explanation) -> Self {
        Self { node }
    }

    fn class(&self) -> &'static str {
        match self.node.truth {
            Truth::True => "yes",
            Truth::False => "no",
            Truth::Unknown => "unknown",
        }
    }

    fn mark(&self) -> &'static str {
        match self.node.truth {
            Truth::True => "✓",
            Truth::False => "✗",
            Truth::Unknown => "?",
        }
    }

    fn word(&self) -> &'static str {
        match self.node.truth {
            Truth::True => "holds",
            Truth::False => "does not hold",
            Truth::Unknown => "not known",
        }
    }
}

/// From a page of a list to the newest and to the next older one.
#[derive(Template)]
#[template(path = "pages/pager.html")]
pub(in crate::http) struct Pager {
    /// `None`: these are the newest.
    newest: Option<String>,
    older: Option<String>,
}

impl HtmlSafe for Pager {}

impl Pager {
    /// `filters` stay as they are; `after` is where this page began, `next` where the next one does.
    pub(in crate::http) fn new(
        path: &str,
        filters: &[(String, String)],
        after: Option<&str>,
        next: Option<String>,
    ) -> Self {
        let with = |next: String| {
            let mut query = filters.to_vec();
            query.push(("after".to_owned(), next));
            url(path, &query)
        };
        Self { newest: after.map(|_| url(path, filters)), older: next.map(with) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_numbers_are_as_people_say_them() {
        let spans = [0, 119, 120, 7_200, 172_800].map(span);
        assert_eq!(spans, ["0 s", "119 s", "2 min", "2 h", "2 days"]);
        assert_eq!([0_u64, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_text_keeps_its_lines_and_fits_on_a_page() {
        assert_eq!(whole("one\ntwo\u{202e}"), "one\ntwo\\u{202e}");
        assert_eq!(whole(&"\u{202e}".repeat(10_000)).chars().count(), WHOLE + 1);
    }

    #[test]
    fn what_strangers_wrote_is_text_in_a_tree() {
        let node = Explanation {
            truth: Truth::False,
            phrase: "all of".to_owned(),
            parts: vec![Explanation::leaf(true, "title is `<script>alert(1)</script>`")],
        };
        let drawn = Tree::of(&node).to_string();
        assert!(drawn.contains("&#60;script&#62;") && !drawn.contains("<script>"), "{drawn}");
        assert!(drawn.contains("<ul>"), "{drawn}");
    }
}
