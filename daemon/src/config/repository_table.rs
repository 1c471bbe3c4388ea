//! The part of the table of keys that is about repositories' own files.

use super::table::Presence::{Default, Optional};
use super::table::{Kind, Section, key};

/// The file that a repository keeps for itself.
pub(super) static REPOSITORY_FILE: Section = Section {
    path: "repository's file",
    help: "",
    keys: &[
        key("rules", Kind::Rules, Default("[]"), "The rules."),
        key("check", Kind::Section(&REPOSITORY_CHECK), Optional, "The check of the repository's setup, `orchd check`."),
    ],
};

pub(super) static REPOSITORY_CHECK: Section = Section {
    path: "repository's file.check",
    help: "",
    keys: &[key("skip", Kind::Texts, Default("[]"), "Checks to leave out, by id.")],
};

pub(super) static REPOSITORY_CONFIG: Section = Section {
    path: "repository_config",
    help: "Rules that a repository keeps in a file of its own, read from its default branch. They run beside those of the server, for that repository only, under the name `owner/name:rule`. A pull request that changes the file gets the check run `orchd config`. The App needs the permissions `contents: read` and `checks: write`, and the event `push`.",
    keys: &[
        key("enabled", Kind::Flag, Default("false"), "Whether there is such a thing."),
        key(
            "path",
            Kind::Text,
            Default(".github/orchd.yml"),
            "The file. It holds `rules`, and what `orchd check` is to skip.",
        ),
        key(
            "refresh",
            Kind::Duration { least: "1m", most: "7d" },
            Default("1h"),
            "How old what is known of a file may be. A push that touches it is followed at once.",
        ),
        key("allow", Kind::Section(&REPOSITORY_ALLOW), Optional, "What such a file may do."),
    ],
};

pub(super) static REPOSITORY_ALLOW: Section = Section {
    path: "repository_config.allow",
    help: "What a repository's own file may do: whoever may push to the default branch may do this.",
    keys: &[
        key(
            "repositories",
            Kind::Repositories,
            Default("[\"**\"]"),
            "Whose files are read: globs over `owner/name`, as in a rule.",
        ),
        key("actions", Kind::Texts, Default("[label, comment]"), "Actions its rules may name."),
        key("max_rules", Kind::Count { least: 1, most: 1_000 }, Default("20"), "Rules in one file."),
        key("max_size", Kind::Size { least: "1KiB", most: "512KiB" }, Default("64KiB"), "Size of one file."),
    ],
};
