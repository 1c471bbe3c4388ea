//! What the first run leaves on disk: the App's secrets, which nobody but their owner may read, and the starter config.
//!
//! Each file is written whole under another name, brought to the disk, and only then put in its place, where nothing may be.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use chrono::Utc;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::Places;
use crate::github::registration::NewApp;

const KEY: &str = "github-app.pem";
const WEBHOOK_SECRET: &str = "webhook-secret";
const CLIENT_SECRET: &str = "oauth-secret";
const LOGIN_KEY: &str = "login-key";
/// Written last: where it is, the others are.
const RECORD: &str = "github-app.json";

/// Secrets, as they are called in the credential directory.
pub const NAMES: [&str; 4] = [KEY, WEBHOOK_SECRET, CLIENT_SECRET, LOGIN_KEY];

const SECRET_MODE: u32 = 0o600;
/// It holds no secret, and the daemon may run as somebody else.
const CONFIG_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o700;

/// What of an App is no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRecord {
    pub id: u64,
    pub slug: String,
    pub name: String,
    /// Its page for people.
    pub html_url: String,
    pub client_id: String,
    /// A login.
    pub owner: String,
    /// `User` or `Organization`.
    pub owner_type: String,
}

/// An App whose secrets are on disk.
#[derive(Clone, Debug)]
pub struct Stored {
    pub record: AppRecord,
    pub private_key: SecretString,
    pub webhook_secret: SecretString,
}

/// Why something was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is there already: nothing is overwritten without --force", .0.display())]
    Exists(PathBuf),
    #[error("others may look into {path}: chmod 700 {path}", path = .0.display())]
    Open(PathBuf),
    #[error(
        "{} holds {}, but not all that an App has: remove what is left of it, or use --force, which sets it aside",
        directory.display(),
        found.join(", ")
    )]
    Half { directory: PathBuf, found: Vec<&'static str> },
}

fn unwritable(path: &Path) -> impl Fn(io::Error) -> FileError {
    move |source| FileError::Write { path: path.to_owned(), source }
}

/// The App of an earlier run; `None`: there is nothing of any.
pub(super) fn find(places: &Places) -> Result<Option<Stored>, FileError> {
    let directory = &places.credentials;
    let all = NAMES.into_iter().chain([RECORD]);
    let found: Vec<&'static str> = all.filter(|name| directory.join(name).exists()).collect();
    if found.is_empty() {
        return Ok(None);
    }
    if found.len() <= NAMES.len() {
        return Err(FileError::Half { directory: directory.clone(), found });
    }
    check_closed(directory)?;
    let read = |name: &str| {
        let path = directory.join(name);
        std::fs::read_to_string(&path).map_err(|source| FileError::Read { path, source })
    };
    let record = serde_json::from_str(&read(RECORD)?).map_err(|error| FileError::Read {
        path: directory.join(RECORD),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })?;
    let secret = |name: &str| read(name).map(|text| SecretString::from(text.trim_end_matches('\n')));
    Ok(Some(Stored { record, private_key: secret(KEY)?, webhook_secret: secret(WEBHOOK_SECRET)? }))
}

/// Makes sure that secrets can be stored, before there are any.
pub(super) fn make_ready(places: &Places) -> Result<(), FileError> {
    let directory = &places.credentials;
    make_directory(directory)?;
    check_closed(directory)?;
    let probe = tempfile::Builder::new().prefix(".orchd").tempfile_in(directory).map_err(unwritable(directory))?;
    probe.close().map_err(unwritable(directory))?;
    let taken = NAMES.into_iter().chain([RECORD]).map(|name| directory.join(name)).find(|path| path.exists());
    match taken {
        Some(path) if !places.replace => Err(FileError::Exists(path)),
        _ => Ok(()),
    }
}

/// Stores all of it, the record last.
pub(super) fn store(places: &Places, app: NewApp) -> Result<Stored, FileError> {
    let record = AppRecord {
        id: app.id,
        slug: app.slug,
        name: app.name,
        html_url: app.html_url,
        client_id: app.client_id,
        owner: app.owner.login,
        owner_type: app.owner.kind,
    };
    let put = |name: &str, text: &str| put(&places.credentials.join(name), text, SECRET_MODE, places.replace);
    put(KEY, app.pem.expose_secret())?;
    put(WEBHOOK_SECRET, app.webhook_secret.expose_secret())?;
    put(CLIENT_SECRET, app.client_secret.expose_secret())?;
    put(LOGIN_KEY, new_login_key().expose_secret())?;
    // Strings and a number always serialise.
    put(RECORD, &serde_json::to_string_pretty(&record).unwrap_or_default())?;
    Ok(Stored { record, private_key: app.pem, webhook_secret: app.webhook_secret })
}

/// Puts a config where none is, or in the place of one that is set aside.
pub(super) fn put_config(path: &Path, text: &str, replace: bool) -> Result<(), FileError> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(unwritable(directory))?;
    }
    put(path, text, CONFIG_MODE, replace)
}

/// 32 bytes, as `login.keys` takes them.
fn new_login_key() -> SecretString {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn make_directory(directory: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory).map_err(unwritable(directory))
}

fn check_closed(directory: &Path) -> Result<(), FileError> {
    let read = |source| FileError::Read { path: directory.to_owned(), source };
    let mode = std::fs::metadata(directory).map_err(read)?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { Err(FileError::Open(directory.to_owned())) }
}

fn put(path: &Path, text: &str, mode: u32, replace: bool) -> Result<(), FileError> {
    let failed = unwritable(path);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Made anew under a name that nobody has.
    let mut draft = tempfile::Builder::new()
        .prefix(".orchd")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)
        .map_err(&failed)?;
    // Whatever umask says.
    draft.as_file().set_permissions(Permissions::from_mode(mode)).map_err(&failed)?;
    draft.write_all(text.as_bytes()).and_then(|()| draft.as_file().sync_all()).map_err(&failed)?;
    if replace && path.exists() {
        std::fs::rename(path, set_aside(path)).map_err(&failed)?;
    }
    draft.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists(path.to_owned()),
        _ => failed(error.error),
    })?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(&failed)
}

/// What a file is called that another takes the place of.
fn set_aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(Utc::now().format(".until-%Y%m%dT%H%M%S%3f").to_string());
    name.into()
}
