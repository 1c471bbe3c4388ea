//! Charts, drawn on the server as SVG. Colours come from the stylesheet, so that both schemes have theirs.

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
}
