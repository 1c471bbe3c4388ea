//! The table of checks for the docs.

use std::fmt::Write as _;

use super::CHECKS;

/// As Markdown.
pub fn markdown() -> String {
    let mut table = String::from("| Check | Points | What has to be so | What it finds |\n|---|---|---|---|\n");
    for check in CHECKS {
        let asks = if check.asks_github { " Asks GitHub." } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| `{}` | {} | {} | {}{asks} |", check.id, check.points, check.title, check.finds);
    }
    table
}
