//! What `orchd init` installs: one file in `packaging/repository/` and one line here each.

use super::answers::Answers;

/// A file that is installed.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) name: &'static str,
    /// Below the root of the repository, and of `packaging/repository/`.
    pub(super) path: &'static str,
    /// Where else GitHub would find it.
    pub(super) places: Places,
    pub(super) about: &'static str,
    text: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Places {
    /// At the root, in `.github/` and in `docs/`, under any ending.
    Community,
    /// In that folder, ending in `.yml` or `.yaml`.
    Yaml,
}

macro_rules! templates {
    ($($name:literal: $path:literal, $places:ident, $about:literal;)+) => {
        /// In the order in which they are told.
        pub(super) static TEMPLATES: &[Template] = &[$(Template {
            name: $name,
            path: $path,
            places: Places::$places,
            about: $about,
            text: include_str!(concat!("../../../../packaging/repository/", $path)),
        }),+];
    };
}

templates! {
    "contributing": "CONTRIBUTING.md", Community, "how to contribute";
    "conduct": "CODE_OF_CONDUCT.md", Community, "how people treat each other";
    "security": "SECURITY.md", Community, "how to report a weakness";
    "bug-form": ".github/ISSUE_TEMPLATE/bug.yml", Yaml, "the form for what does not work";
    "feature-form": ".github/ISSUE_TEMPLATE/feature.yml", Yaml, "the form for what is missing";
    "form-chooser": ".github/ISSUE_TEMPLATE/config.yml", Yaml, "what is offered when somebody opens an issue";
    "pull-request": ".github/pull_request_template.md", Community, "what a pull request says, with its checklist";
    "codeowners": ".github/CODEOWNERS", Community, "who reviews what";
    "labels": ".github/labels.yml", Yaml, "the labels, which forms and rules name";
    "rules": ".github/orchd.yml", Yaml, "the first rules";
    "rule-tests": ".github/orchd.tests.yml", Yaml, "tests of these rules, for `orchd config test`";
    "ci": ".github/workflows/ci.yml", Yaml, "the workflow that tests every change";
    "label-workflow": ".github/workflows/labels.yml", Yaml, "the workflow that brings the labels to GitHub";
    "orchd-workflow": ".github/workflows/orchd.yml", Yaml, "the Action: the rules without a server, and the check";
}

impl Template {
    /// With every placeholder filled in.
    pub(super) fn render(&self, answers: &Answers) -> String {
        let fill = |text: String, (name, value): (&str, &str)| text.replace(&format!("<<{name}>>"), value);
        answers.placeholders().iter().map(|(name, value)| (*name, value.as_str())).fold(self.text.to_owned(), fill)
    }
}

/// The template of that name.
pub(super) fn named(name: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.name == name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::actions;
    use crate::config::{FileTerms, repository};
    use crate::core::event::RepoName;

    pub(in crate::cli::init) fn answers() -> Answers {
        Answers {
            project: "Web".to_owned(),
            repository: "acme/web".to_owned(),
            host: "github.com".to_owned(),
            owner: "@acme/maintainers".to_owned(),
            branch: "main".to_owned(),
            contact: "https://github.com/acme/web/security/advisories/new".to_owned(),
            test: "make test".to_owned(),
            action: "0123456789012345678901234567890123456789 # v0.1.0".to_owned(),
        }
    }

    fn rendered(name: &str) -> String {
        named(name).unwrap().render(&answers())
    }

    fn read(name: &str) -> Value {
        serde_yaml::from_str(&rendered(name)).unwrap()
    }

    #[test]
    fn no_placeholder_is_left_and_every_file_ends_as_it_should() {
        for template in TEMPLATES {
            let text = template.render(&answers());
            assert!(!text.contains("<<") && !text.contains(">>"), "{}: {text}", template.name);
            assert!(text.ends_with('\n') && !text.ends_with("\n\n") && !text.contains('\r'), "{}", template.name);
            assert!(text.lines().all(|line| line.trim_end() == line), "{}: spaces at an end", template.name);
        }
        let names: BTreeSet<_> = TEMPLATES.iter().map(|template| template.name).collect();
        assert_eq!(names.len(), TEMPLATES.len());
        assert!(named("contributing").is_some() && named("nothing").is_none());
    }

    /// Within what a server allows by default.
    #[test]
    fn the_first_rules_are_what_a_repository_may_have() {
        let terms =
            FileTerms { actions: vec!["label".to_owned(), "comment".to_owned()], max_rules: 20, max_size: 64 << 10 };
        let repository = RepoName::parse("acme/web").unwrap();
        let rules = repository::read(&rendered("rules"), ".github/orchd.yml", &repository, &terms, actions::kinds());
        let rules = rules.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(rules.len() >= 5, "{rules:?}");
    }

    #[test]
    fn every_label_that_is_named_is_in_the_set() {
        let labels = read("labels");
        let known: BTreeSet<&str> =
            labels.as_array().unwrap().iter().map(|label| label["name"].as_str().unwrap()).collect();
        for label in labels.as_array().unwrap() {
            let colour = label["color"].as_str().unwrap();
            assert!(colour.len() == 6 && colour.chars().all(|c| c.is_ascii_hexdigit()), "{label}");
            assert!(label["description"].as_str().is_some_and(|text| text.len() <= 100), "{label}");
        }
        let mut named = BTreeSet::new();
        for form in ["bug-form", "feature-form"] {
            let form = read(form);
            named.extend(form["labels"].as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned()));
        }
        for rule in read("rules")["rules"].as_array().unwrap() {
            for action in rule["then"].as_array().unwrap() {
                for way in ["add", "remove"] {
                    let labels = action["label"][way].as_array().into_iter().flatten();
                    named.extend(labels.map(|label| label.as_str().unwrap().to_owned()));
                }
            }
        }
        assert!(named.len() > 5, "{named:?}");
        let unknown: Vec<_> = named.iter().filter(|name| !known.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
