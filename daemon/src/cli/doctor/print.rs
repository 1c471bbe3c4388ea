//! The list as a person reads it.

use std::io::{self, IsTerminal as _};

use super::{Finding, State};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::core::text::harmless;

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[1;31m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

impl State {
    fn mark(self) -> &'static str {
        match self {
            Self::Well => "✓",
            Self::Skipped => "-",
            Self::Warning => "!",
            Self::Fault => "✗",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Well => GREEN,
            Self::Skipped => DIM,
            Self::Warning => YELLOW,
            Self::Fault => RED,
        }
    }
}

/// A mark, a name and what was seen; below it, what to do. In colours on a terminal, unless `NO_COLOR` is set.
pub(in crate::cli) fn print(findings: &[Finding]) -> Result<(), Failure> {
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    output::print(&list(findings, colours))
}

fn list(findings: &[Finding], colours: bool) -> String {
    let widest = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { name, state, told, advice } in findings {
        let (colour, plain) = if colours { (state.colour(), PLAIN) } else { ("", "") };
        let told = harmless(told);
        text.push_str(&format!("{colour}{}{plain} {name:<widest$}  {told}\n", state.mark()));
        for line in advice {
            text.push_str(&format!("  {:widest$}  → {}\n", "", harmless(line)));
        }
    }
    text + &summary(findings)
}

fn summary(findings: &[Finding]) -> String {
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (faults, warnings, skipped) = (count(State::Fault), count(State::Warning), count(State::Skipped));
    let parts = [(faults, "to mend"), (warnings, "worth a look"), (skipped, "not looked at")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() { "All is well.\n".to_owned() } else { format!("{}.\n", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Seen::well("/etc/orchd/orchd.yaml validates: 3 rules").named("config"),
            Seen::fault("others may read /etc/orchd/app.pem (0644)", "chmod 600 /etc/orchd/app.pem")
                .named("file modes"),
            Seen::warning("the certificate of orchd.example.com ends in 5 days", "renew it").named("tls"),
            Seen::fault("it answers \u{1b}[31mEvil\n", "one").or("two").named("webhook"),
            Seen::skipped("not before `tls` is mended").named("app webhook"),
        ]
    }

    #[test]
    fn a_list_with_what_to_do_below_each_thing() {
        insta::assert_snapshot!(list(&findings(), false));
        assert!(list(&findings()[..1], false).ends_with("All is well.\n"));
    }

    #[test]
    fn colours_are_ours_alone() {
        let text = list(&findings(), true);
        assert!(text.starts_with("\x1b[32m✓\x1b[0m config"), "{text}");
        assert!(!text.contains("\x1b[31mEvil"), "{text}");
    }
}
