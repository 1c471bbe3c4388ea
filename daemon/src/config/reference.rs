//! `docs/configuration.md`: every key, condition and action, from the table of keys and the two registries.

use std::fmt::Write as _;

use super::cases;
use super::extends::shipped::{PresetDoc, presets};
use super::table::{Kind, Presence, SECTIONS};
use crate::core::command::OWN;
use crate::core::condition;
use crate::core::intent::ActionKind;
use crate::core::vocabulary::FACTS;

/// A section as the docs need to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionDoc {
    pub title: &'static str,
    pub help: &'static str,
    pub keys: Vec<KeyDoc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    pub name: &'static str,
    /// In words.
    pub takes: String,
    /// As it would be written; `None`: nothing stands in for it.
    pub default: Option<&'static str>,
    pub required: bool,
    pub help: &'static str,
}

/// Every section with its keys.
pub fn reference() -> Vec<SectionDoc> {
    let doc = |section: &&'static super::table::Section| SectionDoc {
        title: if section.path.is_empty() { "The file" } else { section.path },
        help: section.help,
        keys: section
            .keys
            .iter()
            .map(|key| KeyDoc {
                name: key.name,
                takes: takes(key.kind),
                default: match key.presence {
                    Presence::Default(text) => Some(text),
                    Presence::Required | Presence::Optional => None,
                },
                required: matches!(key.presence, Presence::Required),
                help: key.help,
            })
            .collect(),
    };
    SECTIONS.iter().chain(&cases::table::SECTIONS).map(doc).collect()
}

fn takes(kind: Kind) -> String {
    match kind {
        Kind::Section(_) => "map".to_owned(),
        Kind::Text | Kind::RuleName => "text".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Count { least, most } if most == i64::MAX as u64 => format!("number from {least}"),
        Kind::Count { least, most } => format!("number, {least} to {most}"),
        Kind::Duration { least, most } => format!("time, {least} to {most}"),
        Kind::Size { least, most } => format!("size, {least} to {most}"),
        Kind::Address => "address:port".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Url => "URL".to_owned(),
        Kind::OneOf(words) => words.join(", "),
        Kind::Secret => "secret".to_owned(),
        Kind::Secrets => "list of secrets".to_owned(),
        Kind::SecretHeaders => "map of secrets".to_owned(),
        Kind::Share => "number, 0 to 1".to_owned(),
        Kind::Allow | Kind::Networks => "list of networks".to_owned(),
        Kind::Texts => "list of texts".to_owned(),
        Kind::Database => "URL or map".to_owned(),
        Kind::DatabaseUrl => "URL or secret".to_owned(),
        Kind::Includes => "path or list of paths".to_owned(),
        Kind::Repositories => "glob or list of globs".to_owned(),
        Kind::Triggers => "trigger or list of triggers".to_owned(),
        Kind::Condition => "condition".to_owned(),
        Kind::Actions => "list of actions".to_owned(),
        Kind::Rules => "list of rules".to_owned(),
        Kind::Extends => "list of presets and files".to_owned(),
        Kind::Parameters => "map of parameters".to_owned(),
        Kind::Values => "map of values".to_owned(),
        Kind::Any => "anything".to_owned(),
        Kind::List(_) => "list of maps".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Expected => "`nothing` or a map of rules".to_owned(),
    }
}

const OPENING: &str = "# Configuration

This page is generated from the code. `orchd config check FILE` names everything that is wrong with a config, with
file, line and column; `orchd config show` prints it with every default, and where each value came from; `orchd config
schema` prints a JSON Schema for editors; `orchd config test` runs tests of its rules.

- A key that is not listed here is an error.
- Times carry a unit: `500ms`, `30s`, `5m`, `1h30m`, `365d`. So do sizes: `64KiB`, `25MiB`.
- A secret never stands in the config. Write `{credential: NAME}` (a file in systemd's `$CREDENTIALS_DIRECTORY`; without one, in `credentials` beside the config),
  `{file: PATH}` or `{env: NAME}`. One newline at its end is not part of it.
- Relative paths start at the config file's directory.
- The config is read again when its files or those of its secrets change, and on SIGHUP; one that does
  not validate is refused whole, and the one before stays. `server.listen`, `server.admin_socket`,
  `server.max_pending`, `database`, `logging` and `telemetry` take effect at the next start only; orchd says so.
";

/// The page.
pub fn markdown(actions: &[ActionKind]) -> String {
    let mut page = OPENING.to_owned();
    for section in reference() {
        push_section(&mut page, &section);
    }
    push_presets(&mut page);
    page.push_str("\n## Conditions\n\nA condition is a map with one key.\n");
    let own = [
        ("all", "Every one of a list of conditions holds.", "all:\n  - draft: false\n  - base: main"),
        ("any", "At least one of a list of conditions holds.", "any:\n  - label: bug\n  - label: regression"),
        ("not", "A condition does not hold.", "not: {label: no-bot}"),
    ];
    for (name, help, example) in own {
        push_entry(&mut page, name, help, example);
    }
    for kind in condition::kinds() {
        push_entry(&mut page, kind.name, kind.help, kind.example);
    }
    push_facts(&mut page);
    page.push_str(
        "\n## Actions\n\nAn action is a map with one key; its value is the parameters. A rule acts on events \
         that name what each of its actions acts on, and says of others that it was skipped.\n",
    );
    for kind in actions {
        push_entry(&mut page, kind.name, kind.help, kind.example);
        let undo = if kind.undoable { "Can be taken back." } else { "Cannot be taken back." };
        // Writing to a `String` cannot fail.
        let _ = writeln!(page, "\nActs on {}. {undo}", kind.acts_on);
    }
    push_commands(&mut page, actions);
    page
}

fn push_facts(page: &mut String) {
    page.push_str(
        "\n## Facts\n\nEverything a rule may look at. A fact is asked for only when it can still change a decision, and is kept \
         with the decision. Conditions look at the facts named here; an expression (`expr`) may look at any, and at the keys \
         of the payload, whose names and types are those of GitHub's description of its webhooks.\n\n\
         | Fact | Type | From | Costs | Conditions | Meaning |\n|---|---|---|---|---|---|\n",
    );
    for fact in &FACTS {
        let conditions = fact.conditions.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let (kind, from, cost) = (fact.kind(), fact.source.told(), fact.source.cost());
        // Writing to a `String` cannot fail.
        let _ = writeln!(page, "| `{}` | {kind} | {from} | {cost} | {conditions} | {} |", fact.name, fact.help);
    }
}

fn push_presets(page: &mut String) {
    page.push_str(
        "\n## Presets\n\nRules that come with orchd. `extends: [{preset: NAME, with: {PARAMETER: VALUE}}]` takes them into a \
         config; `orchd config show` prints what they become.\n",
    );
    for PresetDoc { name, about, parameters, text, .. } in presets() {
        // Writing to a `String` cannot fail.
        let _ = write!(page, "\n### `{name}`\n\n{about}\n\n| Parameter | Default | Meaning |\n|---|---|---|\n");
        for parameter in parameters {
            let default = parameter.default.map_or_else(|| "required".to_owned(), |default| format!("`{default}`"));
            let (default, help) = (default.replace('|', "\\|"), parameter.help.replace('|', "\\|"));
            let _ = writeln!(page, "| `{}` | {default} | {help} |", parameter.name);
        }
        let _ = write!(page, "\n```yaml\nrules:\n{}\n```\n", text.trim_end());
    }
}

fn push_commands(page: &mut String, actions: &[ActionKind]) {
    page.push_str(
        "\n## Commands\n\nWhat people may write in a comment, where `commands.enabled` says so: on a line of its own, outside \
         quotations and blocks of code. A name with blanks stands in quotes. orchd reacts with 👍 to what it heard and with 😕 to \
         whom it may not obey; an App is never obeyed. What a person asks for counts as done by that person's hand.\n\n\
         | Command | Does | From the role |\n|---|---|---|\n",
    );
    for command in actions.iter().flat_map(|kind| kind.commands).chain(OWN) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(page, "| `{}` | {} | `{}` |", command.usage, command.help, command.least);
    }
}

fn push_section(page: &mut String, section: &SectionDoc) {
    let title = if section.title.contains(' ') { section.title.to_owned() } else { format!("`{}`", section.title) };
    // Writing to a `String` cannot fail.
    let _ =
        write!(page, "\n## {title}\n\n{}\n\n| Key | Takes | Default | Meaning |\n|---|---|---|---|\n", section.help);
    for key in &section.keys {
        let default = match key.default {
            Some(default) => format!("`{default}`"),
            None if key.required => "required".to_owned(),
            None => String::new(),
        };
        let help = key.help.replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | {} | {default} | {help} |", key.name, key.takes);
    }
}

fn push_entry(page: &mut String, name: &str, help: &str, example: &str) {
    let _ = write!(page, "\n### `{name}`\n\n{help}\n\n```yaml\n{}\n```\n", example.trim_end());
}
