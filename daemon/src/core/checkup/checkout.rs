//! A repository's files, as far as they matter here.

use std::collections::{BTreeMap, BTreeSet};

/// Largest file that is read, in bytes: what GitHub takes as CODEOWNERS has less.
pub const MOST_TEXT: u64 = 3_000_000;

/// A file that was to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    Is(String),
    /// So many bytes, which is more than [`MOST_TEXT`].
    TooLarge(u64),
    /// It could not be read; the text says why.
    Unread(String),
}

/// Which files a repository has, and what stands in those that matter.
#[derive(Clone, Debug, Default)]
pub struct Checkout {
    /// Below its root, `/` between folders, sorted.
    paths: BTreeSet<String>,
    texts: BTreeMap<String, Text>,
}

impl Checkout {
    /// `texts` are those of the paths that [`is_wanted`].
    pub fn new(paths: impl IntoIterator<Item = String>, texts: impl IntoIterator<Item = (String, Text)>) -> Self {
        Self { paths: paths.into_iter().collect(), texts: texts.into_iter().collect() }
    }

    pub fn paths(&self) -> &BTreeSet<String> {
        &self.paths
    }

    pub fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// What stands in a file, if that could be read.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.texts.get(path) {
            Some(Text::Is(text)) => Some(text),
            _ => None,
        }
    }

    /// Every file that was to be read.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text))
    }

    /// The files right in a folder (`""`: the root), and their names.
    pub(super) fn within(&self, folder: &str) -> impl Iterator<Item = (&str, &str)> {
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let from = self.paths.range(below.clone()..).take_while({
            let below = below.clone();
            move |path| path.starts_with(&below)
        });
        from.filter_map(move |path| {
            let name = &path[below.len()..];
            (!name.contains('/')).then_some((path.as_str(), name))
        })
    }

    /// The first file with this stem (`README` of `readme.md`, whatever its letters' case) in one of the folders.
    pub(super) fn find(&self, stem: &str, folders: &[&str]) -> Option<&str> {
        let in_folder = |folder: &&str| self.within(folder).find(|(_, name)| has_stem(name, stem));
        folders.iter().find_map(in_folder).map(|(path, _)| path)
    }
}

/// Where GitHub looks for files about taking part.
pub(super) const COMMUNITY: &[&str] = &[".github", "", "docs"];

pub(super) fn has_stem(name: &str, stem: &str) -> bool {
    name.split('.').next().is_some_and(|first| first.eq_ignore_ascii_case(stem))
}

/// Whether a file at the root tells under which licence the repository is. What is about others' work, or about lines at
/// the start of files, has a name like it.
pub(super) fn is_license(name: &str) -> bool {
    const STEMS: [&str; 5] = ["license", "licence", "copying", "unlicense", "unlicence"];
    const OTHERS: [&str; 4] = ["header", "third", "3rd", "dependenc"];
    const CODE: [&str; 12] =
        [".rs", ".py", ".js", ".ts", ".go", ".sh", ".json", ".yml", ".yaml", ".toml", ".csv", ".html"];
    let name = name.to_ascii_lowercase();
    let stem = name.split(['.', '-', '_']).next().unwrap_or_default();
    STEMS.contains(&stem)
        && !OTHERS.iter().any(|other| name.contains(other))
        && !CODE.iter().any(|end| name.ends_with(end))
}

/// Whether a check looks into the file at this path.
pub fn is_wanted(path: &str) -> bool {
    const STEMS: [&str; 7] = [
        "README",
        "CONTRIBUTING",
        "CODE_OF_CONDUCT",
        "SECURITY",
        "CODEOWNERS",
        "PULL_REQUEST_TEMPLATE",
        "ISSUE_TEMPLATE",
    ];
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    match folder {
        "" => STEMS.iter().any(|stem| has_stem(name, stem)) || is_license(name) || is_action(name),
        "docs" | ".github" => yaml || STEMS.iter().any(|stem| has_stem(name, stem)),
        ".github/workflows" => yaml,
        ".github/ISSUE_TEMPLATE" => yaml || name.ends_with(".md"),
        _ => folder.starts_with(".github/actions/") && is_action(name),
    }
}

/// Whether a file of this name describes an action.
pub(super) fn is_action(name: &str) -> bool {
    matches!(name, "action.yml" | "action.yaml")
}
