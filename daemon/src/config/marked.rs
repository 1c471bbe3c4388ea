//! YAML whose every value knows its place, read for the config: what is wrong with a file goes to the findings.

use super::findings::Findings;
pub(super) use crate::core::marked::{Entry, MAX_DEPTH, MAX_NODES, MAX_TEXT, Node, Tree};

/// Parses the one document of a file. `None`: it is not YAML, or not ours, and that was reported.
/// An empty file is null.
pub(super) fn parse(text: &str, file: usize, findings: &mut Findings) -> Option<Node> {
    let (root, faults) = crate::core::marked::parse(text, file);
    for fault in faults {
        let first = fault.first.map(|first| format!(": first at {}", findings.name_of(first))).unwrap_or_default();
        findings.report(fault.place, format!("{}{first}", fault.message));
    }
    root
}
