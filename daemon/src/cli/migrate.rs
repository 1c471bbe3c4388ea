//! `orchd migrate`: what a new version would do to the database's tables, and doing it.

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::state::State;
use super::{Global, output};
use crate::store::migrate::{MigrateError, migrate, schema_of};
use crate::store::schema::{Schema, Step};

pub(super) const ABOUT: &str = "\
A start of the daemon does the same. Every step is one transaction, and none can be undone: make a backup first (orchd backup).

Exit codes:
  0  the tables are of this version
  1  they are not (--check), or could not be brought to it";

/// `orchd migrate`.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Only say what is to be done, beside a running daemon too.
    #[arg(long)]
    check: bool,
}

impl Migrate {
    pub(super) async fn run(&self, global: &Global) -> Result<(), Failure> {
        let state = State::of(global)?;
        let name = state.name();
        let looked = schema_of(&state.options.url).await;
        let schema = looked.map_err(|error| Failure::failed(format!("{name} cannot be looked at: {error}")))?;
        match schema {
            // As `doctor` sees it: nothing is wrong.
            None => absent(&name, global.json),
            Some(schema) if self.check => check(&name, &schema, global.json),
            Some(schema) if !schema.is_ours() => Err(Failure::failed(trouble(&name, &schema))),
            Some(_) => bring_up_to_date(&state, &name, global.json).await,
        }
    }
}

fn absent(name: &str, json: bool) -> Result<(), Failure> {
    if json {
        return output::print_json(&json!({"database": name, "state": "absent"}));
    }
    output::print(&format!("{name} is not there: the first start of the daemon makes it\n"))
}

fn check(name: &str, schema: &Schema, json: bool) -> Result<(), Failure> {
    if json {
        let mut document = json!({"database": name, "state": state_of(schema), "orchd": env!("CARGO_PKG_VERSION")});
        if let (Value::Object(document), Ok(Value::Object(of_tables))) = (&mut document, serde_json::to_value(schema)) {
            document.extend(of_tables);
        }
        output::print_json(&document)?;
    } else {
        output::print(&table(name, schema))?;
    }
    match state_of(schema) {
        "current" => Ok(()),
        "pending" => Err(Failure::failed(format!(
            "{} to be taken: orchd migrate, or a start of the daemon, takes them. Make a backup first",
            counted(schema.pending.len())
        ))),
        _ => Err(Failure::failed(trouble(name, schema))),
    }
}

fn state_of(schema: &Schema) -> &'static str {
    match schema {
        schema if !schema.newer.is_empty() => "newer",
        schema if !schema.differing.is_empty() => "differing",
        schema if !schema.unfinished.is_empty() => "unfinished",
        schema if schema.pending.is_empty() => "current",
        _ => "pending",
    }
}

fn table(name: &str, schema: &Schema) -> String {
    let has = schema.has.map_or_else(|| "no tables of orchd".to_owned(), |version| format!("step {version}"));
    let mut facts = vec![
        ("database", name.to_owned()),
        ("has", has),
        ("this orchd", format!("{}, step {}", env!("CARGO_PKG_VERSION"), schema.brings)),
    ];
    facts.extend(schema.pending.iter().map(|step| ("pending", shown(step))));
    output::facts(&facts)
}

fn shown(step: &Step) -> String {
    format!("{:04} {}", step.version, step.name)
}

fn counted(steps: usize) -> String {
    if steps == 1 { "1 step is".to_owned() } else { format!("{steps} steps are") }
}

/// Why this version cannot use the database.
fn trouble(name: &str, schema: &Schema) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    if let Some(version) = schema.newer.last() {
        return format!(
            "a newer orchd has used {name}: it took step {version}, and orchd {ours} knows {} steps. There is no way back but \
             a backup from before: install the newer orchd, or restore that (orchd restore)",
            schema.brings
        );
    }
    if let Some(version) = schema.differing.first() {
        return format!(
            "step {version} of {name} is not what orchd {ours} has under that number (its checksum differs): install the orchd \
             that made it, or restore a backup"
        );
    }
    let version = schema.unfinished.first().copied().unwrap_or_default();
    format!("step {version} of {name} was begun and not ended: restore a backup from before it")
}

async fn bring_up_to_date(state: &State, name: &str, json: bool) -> Result<(), Failure> {
    let migrated = match migrate(&state.options.url).await {
        Ok(migrated) => migrated,
        Err(MigrateError::Absent(_)) => return absent(name, json),
        Err(error) => return Err(Failure::failed(format!("{name} was not brought up to date: {error}"))),
    };
    if json {
        return output::print_json(&json!({"database": name, "state": "current", "migrated": migrated}));
    }
    if migrated.steps.is_empty() {
        return output::print(&format!("{name} is up to date: step {}\n", migrated.to));
    }
    let taken: String = migrated.steps.iter().map(|step| format!("taken  {}\n", shown(step))).collect();
    output::print(&format!("{taken}{name} is up to date: step {}\n", migrated.to))
}
