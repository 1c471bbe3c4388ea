//! What GitHub shows beside the log, and at a line of a file: workflow commands, written so that no text breaks out of one.

use std::fmt::Write as _;

use orchd::core::text::harmless;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    fn command(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// A message, and where it belongs. GitHub shows the first ten of a level of each step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    pub level: Level,
    pub message: String,
    pub title: Option<String>,
    pub place: Option<Place>,
}

/// A place in the repository. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Below the root of the repository.
    pub file: String,
    pub line: Option<usize>,
    pub column: Option<usize>,
}

impl Annotation {
    pub fn new(level: Level, message: impl Into<String>) -> Self {
        Self { level, message: message.into(), title: None, place: None }
    }

    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Level::Error, message)
    }

    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Level::Warning, message)
    }

    pub fn notice(message: impl Into<String>) -> Self {
        Self::new(Level::Notice, message)
    }

    #[must_use]
    pub fn titled(self, title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), ..self }
    }

    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The same with every text changed.
    pub(crate) fn map(&self, change: impl Fn(&str) -> String) -> Self {
        let place = self.place.as_ref().map(|place| Place { file: change(&place.file), ..place.clone() });
        Self { level: self.level, message: change(&self.message), title: self.title.as_deref().map(&change), place }
    }

    /// The line that the runner reads.
    pub fn command(&self) -> String {
        let mut properties: Vec<(&str, String)> = Vec::new();
        if let Some(place) = &self.place {
            properties.push(("file", place.file.clone()));
            properties.extend(place.line.map(|line| ("line", line.to_string())));
            properties.extend(place.column.map(|column| ("col", column.to_string())));
        }
        properties.extend(self.title.clone().map(|title| ("title", title)));
        command(self.level.command(), &properties, &self.message)
    }
}

/// `::NAME key=value,…::data`. Line breaks of the data stay line breaks; other controls are shown as escapes.
pub fn command(name: &str, properties: &[(&str, String)], data: &str) -> String {
    let mut line = format!("::{name}");
    for (at, (key, value)) in properties.iter().enumerate() {
        let before = if at == 0 { ' ' } else { ',' };
        let _ = write!(line, "{before}{key}={}", in_property(&harmless(value)));
    }
    let data: Vec<String> = data.lines().map(harmless).collect();
    let _ = write!(line, "::{}", in_data(&data.join("\n")));
    line
}

/// As the runner undoes it.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>
pub(crate) fn in_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn in_property(text: &str) -> String {
    in_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_a_title_are_properties() {
        let place = Place { file: ".github/a,b:c.yml".to_owned(), line: Some(3), column: Some(7) };
        let told = Annotation::error("100% wrong:\nlook").titled("bad, bad").at(place);
        let expected = "::error file=.github/a%2Cb%3Ac.yml,line=3,col=7,title=bad%2C bad::100%25 wrong:%0Alook";
        assert_eq!(told.command(), expected);
        assert_eq!(Annotation::notice("well").command(), "::notice::well");
    }

    #[test]
    fn no_text_ends_its_command_or_begins_another() {
        for evil in
            ["x\n::set-env name=A::b", "x\r::stop-commands::t", "x\u{2028}::add-mask::a", "\u{1b}[2Jx", "%0A::error::y"]
        {
            let place = Place { file: evil.to_owned(), line: None, column: None };
            let line = Annotation::warning(evil).titled(evil).at(place).command();
            assert!(!line.chars().any(orchd::core::text::is_dangerous), "{line:?}");
            assert_eq!(line.matches("::").count(), 2 + evil.matches("::").count(), "{line:?}");
        }
        assert_eq!(Annotation::notice("%0A").command(), "::notice::%250A");
    }
}
