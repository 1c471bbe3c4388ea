//! Where the state is that `backup`, `restore` and `migrate` are about: what the config says of it, without a daemon.

use std::ffi::OsString;
use std::path::Path;

use super::Global;
use super::doctor::CREDENTIALS;
use super::failure::Failure;
use crate::config;
use crate::store::StoreOptions;

pub(super) struct State {
    pub(super) options: StoreOptions,
    pub(super) config: config::State,
}

impl State {
    /// Needs no secret but the database's own; the rest of the config may be broken.
    pub(super) fn of(global: &Global) -> Result<Self, Failure> {
        let config = config::load_state(&global.config, &variable).map_err(|problems| {
            let shown = global.config.display();
            let first = problems.0.first().map_or_else(String::new, |problem| format!(": {}", problem.message));
            Failure::failed(format!(
                "{shown} does not say where the database is{first}; see orchd config check {shown}"
            ))
        })?;
        let options = StoreOptions { url: config.database.url.clone(), objects: config.database.objects.clone() };
        Ok(Self { options, config })
    }

    /// The database, without its password.
    pub(super) fn name(&self) -> String {
        let file = self.config.database.sqlite_file();
        file.map_or_else(|| "the PostgreSQL database".to_owned(), |file| file.display().to_string())
    }
}

/// Of the environment; credentials are, unless it says otherwise, where systemd shows them to the running service.
fn variable(name: &str) -> Option<OsString> {
    let shown = || (name == "CREDENTIALS_DIRECTORY" && Path::new(CREDENTIALS).is_dir()).then(|| CREDENTIALS.into());
    std::env::var_os(name).or_else(shown)
}
