//! The section `guards`: how much may happen before a person has to look. Its keys, its type, its reader.

use std::time::Duration;

use super::fields::Fields;
use super::findings::Findings;
use super::table::Presence::{Default, Optional};
use super::table::{Kind, Section, key};
use super::values::{count, duration, text};

/// GitHub's own limit on a label's name.
const LONGEST_LABEL: usize = 50;

pub(super) static GUARDS: Section = Section {
    path: "guards",
    help: "How much may happen before a person has to look. What a guard stops is `held`, with a note that says why.",
    keys: &[
        key(
            "max_depth",
            Kind::Count { least: 1, most: 100 },
            Default("5"),
            "Effects in a row of which each was set off by the one before. The next one is held, and the breaker of its rule on that issue or pull request trips.",
        ),
        key(
            "flip_flops",
            Kind::Count { least: 1, most: 1_000 },
            Default("3"),
            "How often a rule may put back, within `window`, what another rule or a bot took off (or take off what they put back). Then the breaker trips.",
        ),
        key(
            "window",
            Kind::Duration { least: "1s", most: "1d" },
            Default("10m"),
            "The time in which `flip_flops` count.",
        ),
        key(
            "reset_after",
            Kind::Duration { least: "0s", most: "30d" },
            Default("1h"),
            "When a breaker that tripped lets its rule go on by itself. `0s`: only by `orchd guards reset`.",
        ),
        key(
            "sticky_label",
            Kind::Text,
            Default("\"orchd:sticky\""),
            "An issue or pull request with this label is left alone by every rule.",
        ),
        key(
            "actions_per_hour",
            Kind::Count { least: 1, most: 1_000_000 },
            Optional,
            "Effects an hour of all rules together; without it as many as they like.",
        ),
        key(
            "hold_reload_over",
            Kind::Count { least: 0, most: 1_000_000 },
            Default("50"),
            "A changed config is held when its new or changed rules would have acted on more issues and pull requests than this in the last day, until `orchd config confirm`. `0`: none is held.",
        ),
    ],
};

/// How much may happen before a person has to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Default 5.
    pub max_depth: u32,
    /// Default 3.
    pub flip_flops: u32,
    /// In which `flip_flops` count; default 10 min.
    pub window: Duration,
    /// `None`: a breaker stays tripped until a person resets it; default 1 h.
    pub reset_after: Option<Duration>,
    pub sticky_label: String,
    /// `None`: as many as they like.
    pub actions_per_hour: Option<u32>,
    /// Items; `None`: no reload is held; default 50.
    pub hold_reload_over: Option<u32>,
}

pub(super) fn guards(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Guards> {
    let max_depth = fields.read("max_depth", findings, count);
    let flip_flops = fields.read("flip_flops", findings, count);
    let window = fields.read("window", findings, duration);
    let reset_after = fields.read("reset_after", findings, duration);
    let sticky_label = fields.read("sticky_label", findings, text);
    if sticky_label.as_ref().is_some_and(|name| name.chars().count() > LONGEST_LABEL) {
        let message = format!("`sticky_label` has more than {LONGEST_LABEL} characters: no label is that long");
        findings.report(fields.place_of("sticky_label"), message);
    }
    let actions_per_hour = fields.read("actions_per_hour", findings, count);
    let hold_reload_over = fields.read("hold_reload_over", findings, count);
    let small = |number: u64| u32::try_from(number).ok();
    Some(Guards {
        max_depth: max_depth.and_then(small)?,
        flip_flops: flip_flops.and_then(small)?,
        window: window?,
        reset_after: Some(reset_after?).filter(|after| !after.is_zero()),
        sticky_label: sticky_label?,
        actions_per_hour: actions_per_hour.and_then(small),
        hold_reload_over: hold_reload_over.and_then(small).filter(|most| *most > 0),
    })
}
