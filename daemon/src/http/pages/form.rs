//! What forms are made of: fields with their labels, tabs, and times as people write them.

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};

use super::Visit;
use crate::config::parse_duration;

/// A field and its label.
#[derive(Template)]
#[template(path = "pages/field.html")]
pub(super) struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
    /// What one might write.
    hint: &'static str,
    /// Values and what they are called; empty: anything may be written.
    choices: Vec<(&'static str, String)>,
}

impl HtmlSafe for Field {}

impl Field {
    pub(super) fn text(name: &'static str, label: &'static str, value: &str, hint: &'static str) -> Self {
        Self { name, label, value: value.to_owned(), hint, choices: Vec::new() }
    }

    /// One of several.
    pub(super) fn choice(
        name: &'static str,
        label: &'static str,
        value: &str,
        choices: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        Self { name, label, value: value.to_owned(), hint: "", choices: choices.into_iter().collect() }
    }
}

/// Views of one thing, one of which is open.
#[derive(Template)]
#[template(path = "pages/tabs.html")]
pub(super) struct Tabs {
    label: &'static str,
    tabs: Vec<Tab>,
}

impl HtmlSafe for Tabs {}

pub(super) struct Tab {
    pub(super) name: &'static str,
    pub(super) url: String,
    pub(super) is_here: bool,
    pub(super) count: Option<String>,
}

impl Tabs {
    /// `label` says what there are views of.
    pub(super) fn new(label: &'static str, tabs: Vec<Tab>) -> Self {
        Self { label, tabs }
    }
}

/// The filters of a page that are filled in.
pub(super) fn filters(visit: &Visit, names: &[&str]) -> Vec<(String, String)> {
    let mut filled = visit.query.filled();
    filled.retain(|(name, _)| names.contains(&name.as_str()));
    filled
}

/// The same as the API takes them: times may be written as people do.
pub(super) fn asked(filters: &[(String, String)], now: DateTime<Utc>) -> Vec<(String, String)> {
    let exact = |(name, value): &(String, String)| match name.as_str() {
        "since" | "until" => (name.clone(), moment(value, now)),
        _ => (name.clone(), value.trim().to_owned()),
    };
    filters.iter().map(exact).collect()
}

/// `2026-01-31` is the beginning of that day in UTC, `2h` is two hours ago; anything else stays.
fn moment(text: &str, now: DateTime<Utc>) -> String {
    let text = text.trim();
    let ago = || now.checked_sub_signed(TimeDelta::from_std(parse_duration(text)?).ok()?);
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc());
    match day().or_else(ago) {
        Some(at) => at.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_do() {
        let now: DateTime<Utc> = "2026-03-02T12:00:00Z".parse().unwrap();
        let read = |text| moment(text, now);
        assert_eq!(read("2026-01-31"), "2026-01-31T00:00:00.000Z");
        assert_eq!(read(" 2h "), "2026-03-02T10:00:00.000Z");
        assert_eq!(read("2026-01-31T10:00:00Z"), "2026-01-31T10:00:00Z");
        assert_eq!(read("yesterday"), "yesterday", "the API says what is wrong with it");
    }
}
