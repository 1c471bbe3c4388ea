//! What was installed: `.github/orchd.lock`, which is committed with the rest.
//!
//! It holds the very texts that were installed last, so that an update can tell a person's edit from its own, whichever
//! version of orchd wrote them: docs/decisions/0039.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::answers::Answers;

pub(super) const PATH: &str = ".github/orchd.lock";
/// Of this form of the file.
const FORMAT: u32 = 1;
/// Largest text in it.
const MAX_TEXT: u64 = 1 << 20;
const ABOUT: &str = "Written by `orchd init`: what it installed here, so that an update keeps what people changed. Commit it, and do not edit it.";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) answers: Answers,
    /// By the name of the template.
    pub(super) installed: BTreeMap<String, Installed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Installed {
    /// Which orchd's template it is.
    pub(super) version: String,
    /// As it was written.
    pub(super) text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    about: String,
    format: u32,
    answers: Answers,
    installed: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    version: String,
    sha256: String,
    /// zstd, base64
    text: String,
}

impl Lock {
    /// # Errors
    /// What is wrong with it and what to do.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let restore = "restore it from git; or delete it, and what differs from the templates counts as yours";
        let wrong = |why: String| format!("{PATH} cannot be read ({why}): {restore}");
        let format: Format = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if format.format > FORMAT {
            return Err(format!("{PATH} was written by a newer orchd: use that one here"));
        }
        let written: Written = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let mut installed = BTreeMap::new();
        for (name, entry) in written.installed {
            let text =
                unpack(&entry).map_err(|why| wrong(format!("`{}`: {why}", crate::core::text::harmless(&name))))?;
            installed.insert(name, Installed { version: entry.version, text });
        }
        Ok(Self { answers: written.answers, installed })
    }

    /// The same for the same: a line for each text.
    pub(super) fn write(&self) -> Result<String, String> {
        let pack = |(name, installed): (&String, &Installed)| Ok((name.clone(), pack(installed)?));
        let installed = self.installed.iter().map(pack).collect::<std::io::Result<_>>();
        let installed = installed.map_err(|error| format!("what is installed cannot be packed: {error}"))?;
        let written = Written { about: ABOUT.to_owned(), format: FORMAT, answers: self.answers.clone(), installed };
        serde_json::to_string_pretty(&written).map(|text| text + "\n").map_err(|error| error.to_string())
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pack(Installed { version, text }: &Installed) -> std::io::Result<Entry> {
    let packed = STANDARD.encode(zstd::encode_all(text.as_bytes(), 19)?);
    Ok(Entry { version: version.clone(), sha256: hash(text), text: packed })
}

fn unpack(entry: &Entry) -> Result<String, String> {
    let packed = STANDARD.decode(&entry.text).map_err(|error| error.to_string())?;
    let reader = zstd::Decoder::new(packed.as_slice()).map_err(|error| error.to_string())?;
    let mut text = String::new();
    reader.take(MAX_TEXT).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if hash(&text) == entry.sha256 { Ok(text) } else { Err("its text is not the one that was installed".to_owned()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::templates::{TEMPLATES, tests::answers};
    use super::*;

    fn lock() -> Lock {
        let installed = |template: &super::super::templates::Template| {
            let text = template.render(&answers());
            (template.name.to_owned(), Installed { version: "0.1.0".to_owned(), text })
        };
        Lock { answers: answers(), installed: TEMPLATES.iter().map(installed).collect() }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = lock().write().unwrap();
        assert_eq!(Lock::read(&written), Ok(lock()));
        assert_eq!(lock().write().unwrap(), written);
        assert!(written.len() < 40_000, "{} bytes", written.len());
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let written = lock().write().unwrap();
        let told = |text: &str| Lock::read(text).unwrap_err();
        assert!(told("").contains("restore it from git"), "{}", told(""));
        assert!(told("<<<<<<< HEAD\n{}").contains("restore it from git"));
        assert_eq!(
            told(r#"{"format": 2, "new": 1}"#),
            ".github/orchd.lock was written by a newer orchd: use that one here"
        );
        let changed = written.replacen("\"sha256\": \"", "\"sha256\": \"0", 1);
        assert!(told(&changed).contains("is not the one that was installed"), "{}", told(&changed));
        let cut = written.replacen("\"text\": \"", "\"text\": \"AAAA", 1);
        assert!(told(&cut).contains("`bug-form`"), "{}", told(&cut));
    }
}
