//! The file of anchors: a JSON document a line, appended and synced.
//!
//! It belongs on another machine or a medium that only takes more: whoever can rewrite the database and this file can
//! rewrite history.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::ProofError;
use crate::core::audit::Anchor;

/// Appends an anchor; on disk when this returns.
pub(super) async fn write(path: PathBuf, anchor: Anchor) -> Result<(), ProofError> {
    let named = path.display().to_string();
    let written = tokio::task::spawn_blocking(move || append(&path, &anchor)).await?;
    written.map_err(|error| ProofError::Anchors(named, error))
}

/// Every anchor of the file.
pub(super) async fn read(path: PathBuf) -> Result<Vec<Anchor>, ProofError> {
    let named = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path).and_then(|text| parse(&text))).await?;
    read.map_err(|error| ProofError::Anchors(named, error))
}

fn append(path: &Path, anchor: &Anchor) -> io::Result<()> {
    let new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut line = serde_json::to_vec(anchor)?;
    line.push(b'\n');
    if !ends_a_line(&mut file)? {
        // The power failed in the middle of one: it stays behind as a line that nobody can read.
        line.insert(0, b'\n');
    }
    file.write_all(&line)?;
    file.sync_all()?;
    match path.parent() {
        Some(directory) if new => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn parse(text: &str) -> io::Result<Vec<Anchor>> {
    let whole = |line: &&str| line.ends_with('}');
    // A line that was cut short by a failure of power anchors nothing; one that is whole and not ours is somebody's doing.
    let lines = text.lines().filter(whole);
    lines.map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::audit::Digest;

    fn anchor(seq: i64) -> Anchor {
        let at = chrono::DateTime::from_timestamp(1_700_000_000 + seq, 0).unwrap();
        Anchor { at: Some(at), seq, hash: Digest::START }
    }

    #[test]
    fn anchors_are_read_back_past_a_line_that_was_cut_short() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("anchors");
        append(&path, &anchor(1)).unwrap();
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend_from_slice(br#"{"at":"2026-01-01T0"#);
        std::fs::write(&path, torn).unwrap();
        append(&path, &anchor(2)).unwrap();
        append(&path, &anchor(3)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(parse(&text).unwrap(), [anchor(1), anchor(2), anchor(3)]);
        assert!(parse("{\"seq\": 1}\n").is_err());
        assert!(append(&directory.path().join("no/such/place"), &anchor(1)).is_err());
    }
}
