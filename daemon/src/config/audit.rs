//! The section `audit`: its keys, and how they are read.

use std::path::Path;

use serde_json::Value;

use super::Audit;
use super::fields::Fields;
use super::findings::Findings;
use super::table::Presence::{Default, Optional};
use super::table::{Kind, Section, key};
use super::values::{duration, path};

pub(super) static AUDIT: Section = Section {
    path: "audit",
    help: "The audit chain: what orchd decided and did, which configs it ran, and what people did through the admin socket.",
    keys: &[
        key(
            "retention",
            Kind::Duration { least: "1d", most: "36500d" },
            Default("1095d"),
            "How long rows are kept. The oldest go; a row that is kept tells where the chain begins since, and the rest can still be proved.",
        ),
        key(
            "pseudonymise_after",
            Kind::Duration { least: "1d", most: "36500d" },
            Default("365d"),
            "After this time names of actors, states before and after, and notes are dropped from a row. What it was about, its kind, its time and its place in the chain stay.",
        ),
        key(
            "anchor",
            Kind::Section(&AUDIT_ANCHOR),
            Optional,
            "Where the head of the chain is put down, beside the log.",
        ),
    ],
};

pub(super) static AUDIT_ANCHOR: Section = Section {
    path: "audit.anchor",
    help: "Where the head of the chain is put down at start and every day, beside the log. `orchd audit verify` compares: that finds a chain that was written anew as a whole, or whose end was cut off.",
    keys: &[key(
        "file",
        Kind::Path,
        Optional,
        "A file that is only appended to. It belongs where whoever can change the database cannot change it.",
    )],
};

pub(super) fn audit(fields: &mut Fields<'_>, dir: &Path, findings: &mut Findings) -> Option<Audit> {
    let retention = fields.read("retention", findings, duration);
    let pseudonymise_after = fields.read("pseudonymise_after", findings, duration);
    let mut inner = fields.section("anchor", &AUDIT_ANCHOR, findings);
    let anchor = inner.read("file", findings, |node, key, findings| path(dir, node, key, findings));
    fields.shown.insert("anchor".to_owned(), Value::Object(inner.shown));
    Some(Audit { retention: retention?, pseudonymise_after: pseudonymise_after?, anchor })
}
