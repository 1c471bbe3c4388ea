//! The step's log: plain lines, annotations, groups. Secrets are masked before anything is said, and a line of text is
//! never taken for a command.

use std::io::Write;

use orchd::core::text::harmless;
use secrecy::{ExposeSecret as _, SecretString};

use crate::annotation::{Annotation, Level, command, in_data};

/// Shorter words are not masked: they stand everywhere, and a log of stars helps nobody.
const SHORTEST_SECRET: usize = 4;

pub struct Log<'a> {
    out: &'a mut dyn Write,
    secrets: Vec<SecretString>,
    errors: usize,
}

impl<'a> Log<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, secrets: Vec::new(), errors: 0 }
    }

    /// From now on the runner shows stars for it, in this step and in later ones; and so do we.
    pub fn mask(&mut self, secret: &SecretString) {
        let text = secret.expose_secret();
        // The runner masks line by line, as it reads.
        for part in text.lines().map(str::trim).filter(|part| part.len() >= SHORTEST_SECRET) {
            self.write(&format!("::add-mask::{}", in_data(part)));
            self.secrets.push(SecretString::from(part));
        }
    }

    /// A text without the secrets that are known.
    pub fn redacted(&self, text: &str) -> String {
        let hide = |text: String, secret: &SecretString| text.replace(secret.expose_secret(), "***");
        self.secrets.iter().fold(text.to_owned(), hide)
    }

    /// Each line of a text as a line of the log.
    pub fn say(&mut self, text: &str) {
        for line in self.redacted(text).lines() {
            self.write(&plain(line));
        }
    }

    pub fn annotate(&mut self, told: &Annotation) {
        if told.level == Level::Error {
            self.errors += 1;
        }
        let told = told.map(|text| self.redacted(text));
        self.write(&told.command());
    }

    /// What follows is folded away under a title, until [`Log::end_group`].
    pub fn group(&mut self, title: &str) {
        let title = self.redacted(title);
        self.write(&command("group", &[], &title.replace('\n', " ")));
    }

    pub fn end_group(&mut self) {
        self.write("::endgroup::");
    }

    /// How many errors were told.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// A log that nobody can read is no reason to fail.
    fn write(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }
}

/// A line that the runner takes for text. It obeys what begins with `::` behind white space, and `##[` anywhere.
fn plain(line: &str) -> String {
    let line = harmless(line).replace("##[", "## [");
    let begins = line.trim_start_matches(|c: char| !c.is_ascii_graphic());
    if begins.starts_with("::") { format!("| {line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tell: impl FnOnce(&mut Log<'_>)) -> String {
        let mut out = Vec::new();
        tell(&mut Log::new(&mut out));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn no_line_is_taken_for_a_command() {
        for evil in ["::error::x", "  ::add-mask::x", "\u{a0}::x::", "a ##[add-mask]b", "ok\n::warning::x", "\t::x::"] {
            let said = told(|log| log.say(evil));
            for line in said.lines() {
                assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{evil:?} became {line:?}");
            }
        }
        assert_eq!(told(|log| log.say("a::b")), "a::b\n");
    }

    #[test]
    fn a_secret_is_masked_line_by_line_and_never_shown_again() {
        let said = told(|log| {
            log.mask(&SecretString::from("ghs_abc%def\nsecond line\nx"));
            log.say("with ghs_abc%def in it");
            log.annotate(&Annotation::error("second line"));
            log.group("ghs_abc%def");
        });
        let expected =
            "::add-mask::ghs_abc%25def\n::add-mask::second line\nwith *** in it\n::error::***\n::group::***\n";
        assert_eq!(said, expected);
    }
}
