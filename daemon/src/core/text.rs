//! Text of strangers, made fit to be read.

use chrono::{DateTime, Utc};

/// Text without anything a terminal would obey: control characters and what reorders text are shown as escapes.
pub fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push(' '),
            c if is_dangerous(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// Controls, line separators, and the marks that turn text around.
pub fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// As much of a text as a line or a table has room for.
pub fn shortened(text: &str) -> String {
    const ROOM: usize = 80;
    let mut short: String = text.chars().take(ROOM).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A time to the second, in UTC.
pub fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}
