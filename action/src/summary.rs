//! The step's summary: Markdown in which a stranger's text stays text.

use std::fmt::Write as _;

use orchd::core::text::harmless;

/// Markdown, part by part.
#[derive(Clone, Debug, Default)]
pub struct Summary(String);

impl Summary {
    pub fn heading(&mut self, text: &str) {
        let _ = write!(self.0, "### {}\n\n", escaped(text));
    }

    pub fn paragraph(&mut self, text: &str) {
        let _ = write!(self.0, "{}\n\n", escaped(text));
    }

    pub fn bullets<T: AsRef<str>>(&mut self, items: impl IntoIterator<Item = T>) {
        for item in items {
            let _ = writeln!(self.0, "- {}", escaped(item.as_ref()));
        }
        self.0.push('\n');
    }

    /// Line breaks within a cell stay.
    pub fn table<const N: usize>(&mut self, head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
        let line = |cells: [String; N]| format!("| {} |\n", cells.join(" | "));
        self.0.push_str(&line(head.map(escaped)));
        self.0.push_str(&line([(); N].map(|()| "---".to_owned())));
        for row in rows {
            self.0.push_str(&line(row.map(|cell| escaped(&cell))));
        }
        self.0.push('\n');
    }

    /// Text as it is, folded away below its title.
    pub fn folded(&mut self, title: &str, text: &str) {
        let fence = fence(text);
        let text: Vec<String> = text.lines().map(harmless).collect();
        let _ = write!(
            self.0,
            "<details><summary>{}</summary>\n\n{fence}text\n{}\n{fence}\n\n</details>\n\n",
            escaped(title),
            text.join("\n")
        );
    }

    pub fn markdown(&self) -> &str {
        &self.0
    }
}

/// Longer than any row of backticks in the text.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Text that no Markdown comes of: neither links nor pictures, mentions, tables or HTML. What we set in backticks is code.
pub fn escaped(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| in_line(&harmless(line))).collect();
    lines.join("<br>")
}

fn in_line(line: &str) -> String {
    let pieces: Vec<&str> = line.split('`').collect();
    // Without a partner the last backtick is one that somebody wrote.
    let paired = pieces.len() % 2 == 1;
    let mut out = String::with_capacity(line.len() + 16);
    for (at, piece) in pieces.iter().enumerate() {
        if at % 2 == 1 && (paired || at + 1 < pieces.len()) {
            let _ = write!(out, "<code>{}</code>", entities(piece));
        } else {
            if at > 0 && at % 2 == 1 {
                out.push_str("&#96;");
            }
            out.push_str(&entities(piece));
        }
    }
    out
}

/// Everything that Markdown or HTML could take for more than text, by number.
fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' | '|' | '\\' | '*' | '_' | '[' | ']' | '!' | '#' | '@' | '~' | '$' | ':'
            | '`' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_its_cells() {
        let mut summary = Summary::default();
        summary.table(["Rule", "Why"], [["a|b".to_owned(), "label `no-bot` is absent\nor so".to_owned()]]);
        let expected = "| Rule | Why |\n| --- | --- |\n| a&#124;b | label <code>no-bot</code> is absent<br>or so |\n\n";
        assert_eq!(summary.markdown(), expected);
    }

    #[test]
    fn a_strangers_text_stays_text() {
        for evil in
            ["![x](https://evil.example/a.png)", "<img src=x>", "@everyone", "[a](b)", "https://a.example", "a ` <b> b"]
        {
            let safe = escaped(evil);
            assert!(!safe.contains(['<', '[', '@', '!']), "{evil} became {safe}");
            assert!(!safe.contains("://"), "{evil} became {safe}");
        }
        assert!(!escaped("`<script>`").contains("<script"));
        let mut summary = Summary::default();
        summary.folded("why", "```\n</details>");
        assert!(summary.markdown().contains("````text\n```\n</details>\n````"), "{}", summary.markdown());
    }
}
