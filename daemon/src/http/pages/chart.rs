//! Charts, drawn on the server as SVG. Colours come from the stylesheet, so that both schemes have theirs.

use std::fmt::Write as _;

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts::thousands;

/// Of the drawing, in its own units.
const WIDTH: u64 = 480;
const HEIGHT: u64 = 96;

/// Between two bars, in the same units.
const GAP: u64 = 3;

/// One bar an hour, or a day.
#[derive(Template)]
#[template(path = "pages/bars.html")]
pub(in crate::http) struct Bars {
    /// What a reader hears who does not see it.
    summary: String,
    bars: Vec<Bar>,
    first: String,
    last: String,
    most: String,
}

impl HtmlSafe for Bars {}

struct Bar {
    x: u64,
    y: u64,
    width: u64,
    height: u64,
    told: String,
}

impl Bars {
    /// `what` is counted: `events`. Each point is a label and how many. A value above zero is always seen.
    pub(in crate::http) fn of(what: &str, points: &[(String, u64)]) -> Self {
        let most = points.iter().map(|(_, value)| *value).max().unwrap_or_default();
        let total: u64 = points.iter().map(|(_, value)| value).sum();
        let step = WIDTH / u64::try_from(points.len().max(1)).unwrap_or(1);
        let bar = |(at, (label, value)): (usize, &(String, u64))| {
            let height = if *value == 0 { 0 } else { (value * HEIGHT / most.max(1)).max(2) };
            let x = u64::try_from(at).unwrap_or_default() * step;
            let told = format!("{label}: {} {what}", thousands(*value));
            Bar { x, y: HEIGHT - height, width: step.saturating_sub(GAP).max(1), height, told }
        };
        let label = |point: Option<&(String, u64)>| point.map(|(label, _)| label.clone()).unwrap_or_default();
        let (first, last) = (label(points.first()), label(points.last()));
        let summary =
            format!("{} {what} from {first} to {last}, {} at most in one bar", thousands(total), thousands(most));
        Self { summary, bars: points.iter().enumerate().map(bar).collect(), first, last, most: thousands(most) }
    }
}

/// Of a small drawing, in its own units: a bar and the gap behind it, and how high it may be.
const SMALL_STEP: u64 = 4;
const SMALL_HEIGHT: u64 = 20;

/// A chart for a row of a table: as small to send as to look at.
#[derive(Template)]
#[template(path = "pages/spark.html")]
pub(in crate::http) struct Spark {
    summary: String,
    width: u64,
    height: u64,
    /// One path for all bars.
    path: String,
}

impl HtmlSafe for Spark {}

impl Spark {
    /// `what` is counted, once an hour, the last hour last.
    pub(in crate::http) fn of(what: &str, values: &[u64]) -> Self {
        let most = values.iter().copied().max().unwrap_or_default();
        let total: u64 = values.iter().sum();
        let mut path = String::new();
        for (at, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
            let height = (value * SMALL_HEIGHT / most.max(1)).max(1);
            let x = u64::try_from(at).unwrap_or_default() * SMALL_STEP;
            // Writing to a `String` cannot fail.
            let _ = write!(path, "M{x} {SMALL_HEIGHT}v-{height}h{}v{height}z", SMALL_STEP - 1);
        }
        let hours = values.len();
        let summary = format!("{} {what} in {hours} hours, {} at most in one", thousands(total), thousands(most));
        let width = u64::try_from(hours).unwrap_or_default() * SMALL_STEP;
        Self { summary, width, height: SMALL_HEIGHT, path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_they_are_many() {
        let points = [("09:00".to_owned(), 10), ("10:00".to_owned(), 0), ("11:00".to_owned(), 1_000)];
        let bars = Bars::of("events", &points);
        assert_eq!(bars.bars.iter().map(|bar| bar.height).collect::<Vec<_>>(), [2, 0, HEIGHT]);
        assert_eq!(bars.summary, "1,010 events from 09:00 to 11:00, 1,000 at most in one bar");
        assert!(Bars::of("events", &[]).to_string().contains("<svg"));
    }

    #[test]
    fn a_small_chart_is_one_path() {
        let spark = Spark::of("matches", &[0, 10, 1]);
        assert_eq!(spark.path, "M4 20v-20h3v20zM8 20v-2h3v2z");
        assert_eq!(spark.summary, "11 matches in 3 hours, 10 at most in one");
    }
}
