//! PostgreSQL's own programs, `pg_dump` and `pg_restore`: where they are, and how they are told of a database.
//!
//! Invariant 11: the password goes to them in their environment, never on a command line that everybody can read.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgSslMode;

use crate::core::text::harmless;
use crate::store::StoreError;
use crate::store::still::postgres_options;

/// Where Debian keeps them, a directory for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Most that is repeated of what a program complains of, in bytes.
const LONGEST_COMPLAINT: u64 = 4_096;

/// Why a program of PostgreSQL did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("{name} is not installed: install PostgreSQL's client programs (Debian: apt install postgresql-client)")]
    Missing { name: &'static str },
    #[error(
        "{path} is of PostgreSQL {has}, older than the server's {server}: install PostgreSQL {server}'s client programs \
         (Debian: postgresql-client-{server})"
    )]
    Older { path: PathBuf, has: u32, server: u32 },
    #[error("{path} cannot be run: {error}")]
    Unrunnable { path: PathBuf, error: io::Error },
    #[error("{path} failed: {complaint}")]
    Failed { path: PathBuf, complaint: String },
}

/// A program of PostgreSQL that can be run.
#[derive(Clone, Debug)]
pub(in crate::store) struct Program(PathBuf);

impl Program {
    /// The first on PATH and then in Debian's places, newest first, that is not older than the server (its major version).
    pub(in crate::store) fn find(name: &'static str, server: u32) -> Result<Self, ProgramError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self::find_in(std::env::split_paths(&path).chain(debians()), name, server)
    }

    fn find_in(places: impl Iterator<Item = PathBuf>, name: &'static str, server: u32) -> Result<Self, ProgramError> {
        let mut unfit = None;
        for path in places.map(|place| place.join(name)).filter(|path| path.is_file()) {
            let reason = match version(&path) {
                Ok(has) if has >= server => return Ok(Self(path)),
                Ok(has) => ProgramError::Older { path, has, server },
                Err(error) => error,
            };
            unfit = unfit.or(Some(reason));
        }
        Err(unfit.unwrap_or(ProgramError::Missing { name }))
    }

    pub(in crate::store) fn run(&self, prepare: impl FnOnce(&mut Command)) -> Result<(), ProgramError> {
        let mut command = Command::new(&self.0);
        prepare(&mut command);
        let unrunnable = |error| ProgramError::Unrunnable { path: self.0.clone(), error };
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(unrunnable)?;
        let mut complaint = Vec::new();
        if let Some(mut stderr) = child.stderr.take() {
            let read = stderr.by_ref().take(LONGEST_COMPLAINT).read_to_end(&mut complaint);
            // It is not to wait for a reader.
            read.and_then(|_| io::copy(&mut stderr, &mut io::sink())).map_err(unrunnable)?;
        }
        if child.wait().map_err(unrunnable)?.success() {
            return Ok(());
        }
        let complaint: Vec<String> =
            String::from_utf8_lossy(&complaint).lines().map(|line| harmless(line.trim())).collect();
        Err(ProgramError::Failed { path: self.0.clone(), complaint: complaint.join("; ") })
    }
}

fn debians() -> Vec<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<u32> = versions.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by_key(|&version| std::cmp::Reverse(version));
    versions.iter().map(|version| Path::new(DEBIAN).join(version.to_string()).join("bin")).collect()
}

/// The major version a program says it has: `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version(path: &Path) -> Result<u32, ProgramError> {
    let told = Command::new(path).arg("--version").env("LC_ALL", "C").stdin(Stdio::null()).output();
    let Output { stdout, .. } = told.map_err(|error| ProgramError::Unrunnable { path: path.to_owned(), error })?;
    let told = String::from_utf8_lossy(&stdout);
    let number = told
        .split(") ")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|major| major.parse().ok()));
    number.ok_or_else(|| {
        let complaint = format!("it does not say its version, but `{}`", harmless(told.trim()));
        ProgramError::Failed { path: path.to_owned(), complaint }
    })
}

/// A database as libpq is told of it: <https://www.postgresql.org/docs/current/libpq-envars.html>
#[derive(Clone, Debug)]
pub(in crate::store) struct Connection {
    variables: Vec<(&'static str, String)>,
    password: Option<SecretString>,
    pub(in crate::store) database: String,
}

impl Connection {
    pub(in crate::store) fn of(url: &SecretString) -> Result<Self, StoreError> {
        let options = postgres_options(url)?;
        let database = options.get_database().unwrap_or(options.get_username()).to_owned();
        let host = options.get_socket().map(|socket| socket.display().to_string());
        let mut variables = vec![
            ("PGHOST", host.unwrap_or_else(|| options.get_host().to_owned())),
            ("PGPORT", options.get_port().to_string()),
            ("PGUSER", options.get_username().to_owned()),
            ("PGDATABASE", database.clone()),
            ("PGSSLMODE", ssl_mode(options.get_ssl_mode()).to_owned()),
            ("PGAPPNAME", "orchd backup".to_owned()),
            ("PGCONNECT_TIMEOUT", "10".to_owned()),
            ("LC_ALL", "C".to_owned()),
        ];
        // What has no getter stands in the URL that these options make. A name that no URL can hold is left out of it.
        let shown = options.clone().username("orchd").host("localhost").to_url_lossy();
        for (name, value) in shown.query_pairs() {
            let variable = match &*name {
                "sslrootcert" => "PGSSLROOTCERT",
                "sslcert" => "PGSSLCERT",
                "sslkey" => "PGSSLKEY",
                _ => continue,
            };
            variables.push((variable, value.into_owned()));
        }
        let password = shown.password().map(|text| percent_decode_str(text).decode_utf8_lossy().into_owned().into());
        Ok(Self { variables, password, database })
    }

    /// Tells a program where to connect; what the environment says otherwise does not count.
    pub(in crate::store) fn tell(&self, command: &mut Command) {
        for other in ["PGSERVICE", "PGHOSTADDR", "PGOPTIONS", "PGTARGETSESSIONATTRS"] {
            command.env_remove(other);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).arg("--no-password");
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password.expose_secret());
        }
    }
}

fn ssl_mode(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn install(directory: &Path, version: &str) {
        let path = directory.join("pg_dump");
        fs::create_dir_all(directory).unwrap();
        fs::write(&path, format!("#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_first_that_is_not_older_than_the_server_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let (old, new) = (home.path().join("old"), home.path().join("new"));
        install(&old, "14.2 (Debian 14.2-1)");
        install(&new, "16beta1");
        let find = |server| Program::find_in([old.clone(), new.clone()].into_iter(), "pg_dump", server);
        assert_eq!(find(14).unwrap().0, old.join("pg_dump"));
        assert_eq!(find(15).unwrap().0, new.join("pg_dump"));
        let refused = find(17).unwrap_err();
        assert!(matches!(refused, ProgramError::Older { has: 14, server: 17, .. }), "{refused}");
        let nowhere = Program::find_in(std::iter::empty(), "pg_dump", 15).unwrap_err();
        assert!(nowhere.to_string().contains("postgresql-client"), "{nowhere}");
    }

    #[test]
    fn a_password_is_in_the_environment_and_not_on_the_command_line() {
        let url = "postgres://orchd:p%40ss%2Fword@db.example.com:5433/state?sslmode=require".to_owned().into();
        let connection = Connection::of(&url).unwrap();
        let mut command = Command::new("pg_dump");
        connection.tell(&mut command);
        let variable = |name: &str| {
            command
                .get_envs()
                .find(|(found, _)| *found == name)
                .and_then(|(_, value)| value?.to_str().map(str::to_owned))
        };
        let told = ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSSLMODE", "PGPASSWORD"].map(variable);
        assert_eq!(
            told.map(Option::unwrap),
            ["db.example.com", "5433", "orchd", "state", "require", "p@ss/word"].map(str::to_owned)
        );
        assert!(command.get_args().all(|word| !word.to_str().unwrap().contains("p@ss")));
        assert!(!format!("{connection:?}").contains("p@ss"));
    }
}
