//! The part of the table of keys that is about presets.

use crate::config::table::Presence::{Default, Optional, Required};
use crate::config::table::{Key, Kind, Section, key};

/// Of the config file, of included files and of files of tests.
pub(in crate::config) const EXTENDS_KEY: Key = key(
    "extends",
    Kind::Extends,
    Default("[]"),
    "Presets, and files of your own that are written as presets are. Their rules come before those of the file.",
);

pub(in crate::config) static EXTENDED: Section = Section {
    path: "extends[]",
    help: "A preset, or a file of your own: one of `preset` and `file`.",
    keys: &[
        key(
            "preset",
            Kind::Text,
            Optional,
            "One of those that come with orchd: see the presets. Each may be taken once, since names of rules are unique; a file \
             of your own can put a parameter into them.",
        ),
        key("file", Kind::Path, Optional, "A file that is written as a preset is, relative to the one that says so."),
        key("with", Kind::Values, Optional, "Its parameters, each by its name."),
        key("repositories", Kind::Repositories, Optional, "As in a rule; instead of those of its rules."),
        key(
            "mode",
            Kind::OneOf(&["active", "shadow", "off"]),
            Optional,
            "As in a rule; instead of the modes of its rules.",
        ),
    ],
};

pub(in crate::config) static PRESET_FILE: Section = Section {
    path: "preset file",
    help: "A file that `extends` names. In a value of its rules, at any depth, `${NAME}` stands for a parameter. Alone \
        it becomes the parameter's value, whatever that is; within a longer text it becomes text. `$${` is a literal \
        `${`. Within `[ ]` and `{ }` write it in quotes. It has no `extends` of its own. The presets below are such files.",
    keys: &[
        key("about", Kind::Text, Required, "What its rules are for, in a sentence."),
        key("parameters", Kind::Parameters, Default("{}"), "What can be chosen: a map of names."),
        key("rules", Kind::Rules, Required, "The rules."),
    ],
};

pub(in crate::config) static PARAMETER: Section = Section {
    path: "preset file's parameters.NAME",
    help: "A parameter of a preset. Its name is of the characters a-z 0-9 _ -.",
    keys: &[
        key("help", Kind::Text, Required, "What it is for, in a sentence."),
        key("default", Kind::Any, Optional, "Any value. Without it the parameter must be given."),
    ],
};
