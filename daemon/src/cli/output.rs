//! What a person or a script reads: tables on a terminal, tab-separated lines in a pipe, JSON when asked for.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::failure::Failure;
use crate::core::text::{harmless, is_dangerous};

/// Below this a table is not fitted to the terminal. Columns of characters.
const NARROWEST: u16 = 40;

/// Rows of text under a header.
#[derive(Debug)]
pub(super) struct Rows {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    pub(super) fn new<const N: usize>(header: [&'static str; N]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    pub(super) fn push<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.iter().map(|cell| harmless(cell)).collect());
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        print(&self.text())
    }

    /// As it is printed to where standard output goes.
    pub(super) fn text(&self) -> String {
        if io::stdout().is_terminal() { self.as_table(None) } else { self.as_tabs() }
    }

    /// For a terminal; `width` only where there is none to ask.
    fn as_table(&self, width: Option<u16>) -> String {
        if self.rows.is_empty() {
            return "Nothing to show.\n".to_owned();
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(self.header.iter().map(|name| name.to_uppercase()));
        table.add_rows(&self.rows);
        match width.or_else(|| table.width()) {
            Some(width) if width >= NARROWEST => table.set_width(width),
            // A terminal that tells no width, or a wrong one: long lines are better than letters below each other.
            _ => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        format!("{}\n", table.trim_fmt())
    }

    /// For a pipe: a line a row, no header, so that `cut` and `awk` need no care.
    fn as_tabs(&self) -> String {
        self.rows.iter().map(|row| row.join("\t") + "\n").collect()
    }
}

/// JSON text in which dangerous characters are escaped. They only occur inside strings, where an escape means the same.
fn harmless_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_dangerous(c) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// One JSON document, indented.
pub(super) fn print_json(document: &Value) -> Result<(), Failure> {
    print(&(harmless_json(&format!("{document:#}")) + "\n"))
}

/// One line for each row.
pub(super) fn print_json_lines(rows: &[Value]) -> Result<(), Failure> {
    print(&rows.iter().map(|row| harmless_json(&row.to_string()) + "\n").collect::<String>())
}

/// Writes text that is harmless already. A reader that went away (`| head`) ends the program quietly.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::failed(format!("the output cannot be written: {error}"))),
    }
}

/// A line on standard error.
pub(super) fn note(text: &str) {
    let lines: Vec<String> = text.lines().map(harmless).collect();
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr().lock(), "{}", lines.join("\n"));
}

/// How far something is, on standard error: in the place of what was said before, and on a terminal only.
pub(super) fn progress(text: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        // Nobody is left to tell when standard error is gone.
        let _ = write!(stderr, "\r{}\x1b[K", harmless(text)).and_then(|()| stderr.flush());
    }
}

/// The rows of a page as JSON lines or a table, and how to see more.
pub(super) fn print_page<T>(page: Value, json: bool, table: impl FnOnce(&[T]) -> Rows) -> Result<(), Failure>
where
    T: serde::de::DeserializeOwned,
{
    let Page { rows, next } = read(page)?;
    if json {
        print_json_lines(&rows)?;
    } else {
        let rows = rows.into_iter().map(read).collect::<Result<Vec<T>, _>>()?;
        table(&rows).print()?;
    }
    if let Some(next) = next {
        let next = next.as_str().map_or_else(|| next.to_string(), str::to_owned);
        note(&format!("There is more: --after {next}"));
    }
    Ok(())
}

/// A page of a list, and where the next one begins.
#[derive(serde::Deserialize)]
pub(super) struct Page {
    pub(super) rows: Vec<Value>,
    pub(super) next: Option<Value>,
}

/// What the daemon answered, as the type it should be.
pub(super) fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::failed(format!(
            "the daemon's answer cannot be read ({error}): is it of another version? See `orchd status --json`"
        ))
    })
}

/// A value of an enum, as the API spells it.
pub(super) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => "?".to_owned(),
    }
}

/// The text, or a dash.
pub(super) fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// Names and values below each other.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let widest = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    facts.iter().map(|(name, value)| format!("{name:<widest$}  {}\n", harmless(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let mut rows = Rows::new(["id", "title"]);
        rows.push(["1".to_owned(), "first".to_owned()]);
        rows.push(["12".to_owned(), "bad\u{1b}[31m\ntitle\u{202e}".to_owned()]);
        rows
    }

    #[test]
    fn a_table_for_a_terminal() {
        insta::assert_snapshot!(rows().as_table(Some(60)), @r"
         ID  TITLE
         1   first
         12  bad\u{1b}[31m\ntitle\u{202e}
        ");
        assert_eq!(Rows::new(["id"]).as_table(Some(60)), "Nothing to show.\n");
    }

    #[test]
    fn tabs_for_a_pipe() {
        assert_eq!(rows().as_tabs(), "1\tfirst\n12\tbad\\u{1b}[31m\\ntitle\\u{202e}\n");
    }

    #[test]
    fn json_keeps_its_meaning_and_loses_its_bite() {
        let document = serde_json::json!({"title": "a\u{9b}31m\u{202e}\n"});
        let safe = harmless_json(&document.to_string());
        assert!(!safe.chars().any(is_dangerous), "{safe:?}");
        assert_eq!(serde_json::from_str::<Value>(&safe).ok(), Some(document));
    }
}
