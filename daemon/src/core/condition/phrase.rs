//! Words for phrases. Values come from strangers and end up on terminals, pages and comments, so they are always
//! quoted, cut, and free of what could break out of the quotes.

use std::fmt;

/// Longest value shown in a phrase, in characters.
const MAX_VALUE: usize = 60;
/// Most values shown of a list.
const MAX_LISTED: usize = 5;

/// A value in backticks: cut to 60 characters, backticks and invisible characters replaced.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.0.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'`');
        if plain && self.0.len() <= MAX_VALUE {
            f.write_str("`")?;
            f.write_str(self.0)?;
            return f.write_str("`");
        }
        f.write_str("`")?;
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(MAX_VALUE) {
            fmt::Write::write_char(f, harmless(character))?;
        }
        f.write_str(if characters.next().is_some() { "…`" } else { "`" })
    }
}

/// Backticks would end the quote; control characters move cursors; direction marks make text read other than it is.
fn harmless(character: char) -> char {
    match character {
        '`' => '\'',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => '\u{fffd}',
        '\n' | '\r' | '\t' => ' ',
        other if other.is_control() => '\u{fffd}',
        other => other,
    }
}

/// Values in backticks, commas between: the first five, then how many more.
pub(super) fn listed<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    use fmt::Write as _;
    let mut text = String::new();
    let mut values = values.into_iter();
    for (index, value) in values.by_ref().take(MAX_LISTED).enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{}", Quoted(value));
    }
    match values.count() {
        0 => {}
        more => {
            let _ = write!(text, " and {more} more");
        }
    }
    text
}

/// " (labels: `bug`, `docs`)", or " (no labels)".
pub(super) fn in_brackets<'a>(what: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let listed = listed(values);
    if listed.is_empty() { format!(" (no {what})") } else { format!(" ({what}: {listed})") }
}

/// `` `a` `` for one, ``one of `a`, `b` `` for several.
pub(super) fn one_of(texts: &[String]) -> String {
    let listed = listed(texts.iter().map(String::as_str));
    if texts.len() == 1 { listed } else { format!("one of {listed}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_strangers_are_harmless_and_short() {
        for (value, shown) in [
            ("bug", "`bug`"),
            ("a`b", "`a'b`"),
            ("a\nb\u{1b}[31m", "`a b\u{fffd}[31m`"),
            ("evil\u{202e}txt", "`evil\u{fffd}txt`"),
            ("日本", "`日本`"),
            ("", "``"),
        ] {
            assert_eq!(Quoted(value).to_string(), shown);
        }
        assert_eq!(Quoted(&"x".repeat(61)).to_string(), format!("`{}…`", "x".repeat(60)));
        assert_eq!(Quoted(&"é".repeat(60)).to_string(), format!("`{}`", "é".repeat(60)));
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed(["a", "b", "c", "d", "e", "f", "g"]), "`a`, `b`, `c`, `d`, `e` and 2 more");
        assert_eq!(in_brackets("labels", []), " (no labels)");
        assert_eq!(in_brackets("labels", ["a"]), " (labels: `a`)");
        assert_eq!(one_of(&["a".to_owned(), "b".to_owned()]), "one of `a`, `b`");
    }
}
