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

/// `1.5 GB`, `20 MB`.
pub fn size(bytes: u64) -> String {
    let (tenths, unit) = match bytes {
        0..1_000_000_000 => return format!("{} MB", bytes / 1_000_000),
        1_000_000_000..1_000_000_000_000 => (bytes / 100_000_000, "GB"),
        _ => (bytes / 100_000_000_000, "TB"),
    };
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_short() {
        let shown = [0, 49_999_999, 1_550_000_000, 2_000_000_000_000].map(size);
        assert_eq!(shown, ["0 MB", "49 MB", "1.5 GB", "2.0 TB"]);
    }
}
