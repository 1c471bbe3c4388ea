//! What a script writes, as a person reads it: workflow commands said in words, colours and masked values taken out.

use crate::core::text::harmless;

/// Values that are not shown.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    masks: Vec<String>,
}

impl Spoken {
    /// The line to show. `None`: nothing.
    pub(super) fn line(&mut self, line: &str) -> Option<String> {
        let Some((name, properties, message)) = command(line) else { return Some(self.masked(line)) };
        match name {
            "add-mask" => {
                self.masks.extend(Some(message.to_owned()).filter(|mask| !mask.trim().is_empty()));
                None
            }
            "error" | "warning" | "notice" => {
                let place = [property(properties, "file"), property(properties, "line")];
                let place: Vec<_> = place.into_iter().flatten().collect();
                let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(":")) };
                Some(self.masked(&format!("{name}: {place}{message}")))
            }
            "group" => Some(self.masked(message)),
            "debug" | "endgroup" | "echo" => None,
            _ => Some(self.masked(line)),
        }
    }

    fn masked(&self, line: &str) -> String {
        let masked = self.masks.iter().fold(line.to_owned(), |line, mask| line.replace(mask, "***"));
        harmless(&without_colours(&masked))
    }
}

/// `::name properties::message`
fn command(line: &str) -> Option<(&str, &str, &str)> {
    let (head, message) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    name.chars().all(|c| c.is_ascii_lowercase() || c == '-').then_some((name, properties, message))
}

fn property(properties: &str, name: &str) -> Option<String> {
    let each = properties.split(',').filter_map(|pair| pair.split_once('='));
    each.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.to_owned()).next()
}

/// Without the sequences that colour a terminal.
fn without_colours(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        // What ends it is one letter.
        rest = rest.strip_prefix(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::Spoken;

    #[test]
    fn commands_are_said_in_words() {
        let mut spoken = Spoken::default();
        let mut line = |text: &str| spoken.line(text);
        assert_eq!(line("plain :: text").as_deref(), Some("plain :: text"));
        assert_eq!(line("::error file=a.rs,line=3::broken").as_deref(), Some("error: a.rs:3: broken"));
        assert_eq!(line("::group::Build").as_deref(), Some("Build"));
        assert_eq!(line("::endgroup::"), None);
        assert_eq!(line("\u{1b}[1;32mgreen\u{1b}[0m \u{1b}]0;t").as_deref(), Some("green \\u{1b}]0;t"));
        assert_eq!(line("::add-mask::hunter2"), None);
        assert_eq!(line("pass hunter2").as_deref(), Some("pass ***"));
    }
}
