//! The object store directory: payloads too big for a row.
//!
//! Own code and not the `object_store` crate: its local file system neither syncs files nor directories, and an
//! object must be on disk before the row that names it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use uuid::Uuid;

use super::StoreError;

/// zstd level of objects: as for payloads in rows, time counts more than space.
const LEVEL: i32 = 1;

/// Most bytes an object may unpack to. Four times the largest request body.
const MAX_UNPACKED: u64 = 100 << 20;

#[derive(Clone, Debug)]
pub(super) struct Objects {
    root: PathBuf,
}

impl Objects {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        Ok(Self { root: root.to_owned() })
    }

    /// For a database of which nobody reads payloads.
    pub(super) fn none() -> Self {
        Self { root: "/nonexistent".into() }
    }

    /// Compresses and stores; on return the object is on disk. The name goes into `payload_storage`.
    pub(super) async fn put(&self, event: Uuid, payload: Bytes) -> Result<String, StoreError> {
        let root = self.root.clone();
        off_thread(move || {
            let name = format!("{event}.json.zst");
            let part = root.join(format!("{name}.part"));
            // A full disk must not leave half an object behind.
            let written = write(&part, &payload).and_then(|()| fs::rename(&part, root.join(&name)));
            written.inspect_err(|_| drop(fs::remove_file(&part)))?;
            // The name itself lives in the directory.
            File::open(&root)?.sync_all()?;
            Ok(name)
        })
        .await
    }

    /// As [`Objects::get`], on a thread that may wait. `None`: it is gone.
    pub(super) fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let packed = match fs::read(self.path(name)?) {
            Ok(packed) => packed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::Unavailable(format!("object store: {error}"))),
        };
        let unpacked = unpack(&packed);
        unpacked.map(Some).map_err(|error| StoreError::Corrupt(format!("object {name}: {error}")))
    }

    pub(super) async fn get(&self, name: &str) -> Result<Bytes, StoreError> {
        let path = self.path(name)?;
        // A file that cannot be read now (another daemon's directory that is not mounted, too many open files) may be
        // readable later; one that does not unpack never will be.
        let packed = off_thread(move || fs::read(path)).await?;
        off_thread(move || unpack(&packed))
            .await
            .map_err(|error| StoreError::Corrupt(format!("object {name}: {error}")))
    }

    /// Removes an object that no row names. Failing to is harmless: it only takes space.
    pub(super) async fn discard(&self, name: &str) {
        if let Ok(path) = self.path(name)
            && let Err(error) = off_thread(move || fs::remove_file(path)).await
        {
            tracing::debug!(object = name, %error, "an unneeded object could not be removed");
        }
    }

    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(StoreError::Corrupt(format!("`{name}` is not the name of an object")));
        }
        Ok(self.root.join(name))
    }
}

fn unpack(packed: &[u8]) -> io::Result<Bytes> {
    let mut unpacked = Vec::new();
    zstd::Decoder::new(packed)?.take(MAX_UNPACKED).read_to_end(&mut unpacked)?;
    Ok(unpacked.into())
}

fn write(path: &Path, payload: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut encoder = zstd::Encoder::new(file, LEVEL)?;
    encoder.write_all(payload)?;
    encoder.finish()?.sync_all()
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(StoreError::Unavailable(format!("object store: {error}"))),
        Err(error) => Err(StoreError::Failed(format!("object store: {error}"))),
    }
}
