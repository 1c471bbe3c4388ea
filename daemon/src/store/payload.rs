//! Payloads: the codec, zstd with a shared dictionary, and where they are read: `event_payloads`.
//!
//! GitHub's payloads repeat the same keys and URLs; a dictionary trained on such text halves what a row takes. A
//! dictionary file never changes once released: a better one gets the next number, and every database keeps a copy of
//! each dictionary it has used, so no row ever becomes unreadable.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zstd::bulk::Compressor;
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{CParameter, DCtx, DictAttachPref};

use super::dialect::Bulk;
use super::{Db, StoreError};
use crate::core::event::EventId;

/// Every dictionary this binary brings, by number. The last one compresses. Number 0 means none.
const DICTIONARIES: &[(i64, &[u8])] = &[(1, include_bytes!("../../dictionaries/payload-1.dict"))];

/// Chosen by measuring on payloads: levels above cost more time than they save space.
const LEVEL: i32 = 1;

/// Most bytes a payload in a row may unpack to; a larger claim is damage.
const MAX_UNPACKED: u64 = 64 << 20;

const NEWEST: (i64, &[u8]) = DICTIONARIES[DICTIONARIES.len() - 1];

static ENCODER: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(NEWEST.1, LEVEL));

thread_local! {
    // Setting up a context costs more than compressing a payload with it; and so does fresh memory for the most it could
    // come to, when what it comes to is a tenth of that.
    static COMPRESSOR: RefCell<Option<(Compressor<'static>, Vec<u8>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// A payload as it stands in `event_payloads`.
#[derive(Clone, Debug)]
pub(super) struct Compressed {
    pub(super) dictionary: i64,
    pub(super) bytes: Vec<u8>,
}

fn compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(&ENCODER)?;
    // Above 8 KiB zstd would copy the dictionary's tables for each payload; for what GitHub sends, looking things up in
    // the one copy takes a tenth less time.
    compressor.set_parameter(CParameter::ForceAttachDict(DictAttachPref::ForceAttach))?;
    Ok(compressor)
}

/// Compresses with the newest dictionary.
pub(super) fn compress(payload: &[u8]) -> Result<Compressed, StoreError> {
    let bytes = COMPRESSOR.with_borrow_mut(|slot| {
        let (compressor, scratch) = match slot {
            Some(kept) => kept,
            None => slot.insert((compressor()?, Vec::new())),
        };
        scratch.clear();
        scratch.reserve(zstd::zstd_safe::compress_bound(payload.len()));
        compressor.compress_to_buffer(payload, scratch)?;
        Ok(scratch.as_slice().to_vec())
    });
    let bytes =
        bytes.map_err(|error: std::io::Error| StoreError::Failed(format!("payload cannot be compressed: {error}")))?;
    Ok(Compressed { dictionary: NEWEST.0, bytes })
}

/// Reads what any version wrote.
#[derive(Default)]
pub(super) struct Codec {
    known: Mutex<HashMap<i64, Arc<DecoderDictionary<'static>>>>,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codec")
    }
}

impl Codec {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn dictionary(&self, number: i64) -> Option<Arc<DecoderDictionary<'static>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dictionary) = known.get(&number) {
            return Some(dictionary.clone());
        }
        let (_, bytes) = DICTIONARIES.iter().find(|(each, _)| *each == number)?;
        let dictionary = Arc::new(DecoderDictionary::copy(bytes));
        known.insert(number, dictionary.clone());
        Some(dictionary)
    }

    fn learn(&self, number: i64, bytes: &[u8]) -> Arc<DecoderDictionary<'static>> {
        let dictionary = Arc::new(DecoderDictionary::copy(bytes));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(number, dictionary.clone());
        dictionary
    }
}

pub(super) fn decompress(dictionary: Option<&DecoderDictionary<'static>>, bytes: &[u8]) -> Result<Bytes, StoreError> {
    let damaged = |what: String| StoreError::Corrupt(format!("payload: {what}"));
    let length = match zstd::zstd_safe::get_frame_content_size(bytes) {
        Ok(Some(length)) if length <= MAX_UNPACKED => length,
        other => return Err(damaged(format!("no plausible length ({other:?})"))),
    };
    let mut plain = Vec::with_capacity(usize::try_from(length).unwrap_or(usize::MAX));
    let unpacked = DECOMPRESSOR.with_borrow_mut(|slot| {
        let context = match slot {
            Some(kept) => kept,
            None => slot.insert(DCtx::try_create()?),
        };
        Some(match dictionary {
            Some(dictionary) => context.decompress_using_ddict(&mut plain, bytes, dictionary.as_ddict()),
            None => context.decompress(&mut plain, bytes),
        })
    });
    match unpacked {
        Some(Ok(_)) => Ok(plain.into()),
        Some(Err(code)) => Err(damaged(zstd::zstd_safe::get_error_name(code).to_owned())),
        None => Err(StoreError::Failed("there is no memory to unpack a payload".to_owned())),
    }
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Db {
    /// The payload, decompressed, wherever it is kept. `None`: no such event, or retention has dropped it.
    pub async fn payload(&self, id: EventId) -> Result<Option<Bytes>, StoreError> {
        Ok(self.payloads(&[id]).await?.pop().map(|(_, payload)| payload))
    }

    /// Whether the payload is stored, without reading it.
    pub async fn has_payload(&self, id: EventId) -> Result<bool, StoreError> {
        // event_receipts, event_payloads: primary keys.
        Ok(on_db!(self, conn => {
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM event_payloads WHERE event_id = $1)
                    OR EXISTS (SELECT 1 FROM event_receipts WHERE id = $1 AND payload_storage IS NOT NULL)",
            )
            .bind(id.0)
            .fetch_one(conn)
            .await
        })?)
    }

    /// The payloads that are there, with their events, in order of arrival.
    pub async fn payloads(&self, ids: &[EventId]) -> Result<Vec<(EventId, Bytes)>, StoreError> {
        type Found = (Uuid, Option<String>, Option<i64>, Option<Vec<u8>>);
        // event_receipts, event_payloads: primary keys.
        static SQL: LazyLock<Bulk> = LazyLock::new(|| {
            Bulk::new(
                "SELECT e.id, e.payload_storage, p.dictionary, p.raw_payload FROM event_receipts e
                 LEFT JOIN event_payloads p ON p.event_id = e.id WHERE e.id IN (",
                "#",
                ") ORDER BY e.id",
            )
        });
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        let mut payloads = Vec::with_capacity(ids.len());
        for (sql, chunk) in SQL.chunks(self.dialect(), &sorted) {
            let found: Vec<Found> = on_db!(self, conn => {
                let mut query = sqlx::query_as(sql);
                for id in chunk {
                    query = query.bind(id.0);
                }
                query.fetch_all(conn).await
            })?;
            for (id, object, dictionary, bytes) in found {
                let payload = match (object, dictionary, bytes) {
                    (Some(name), _, _) => self.shared.objects.get(&name).await?,
                    (None, Some(dictionary), Some(bytes)) => self.unpack(dictionary, &bytes).await?,
                    _ => continue,
                };
                payloads.push((EventId(id), payload));
            }
        }
        Ok(payloads)
    }

    /// Puts this binary's dictionaries into the database, and refuses one whose number stands for other bytes there.
    pub(super) async fn keep_dictionaries(&self) -> Result<(), StoreError> {
        // payload_dictionaries: a handful of rows, read whole.
        let kept: Vec<(i64, String)> =
            on_db!(self, conn => sqlx::query_as("SELECT id, sha256 FROM payload_dictionaries").fetch_all(conn).await)?;
        for (number, bytes) in DICTIONARIES {
            let hash = sha256(bytes);
            match kept.iter().find(|(id, _)| id == number) {
                Some((_, kept)) if *kept == hash => {}
                Some(_) => {
                    return Err(StoreError::Corrupt(format!("dictionary {number} is another one in this database")));
                }
                None => self.keep_dictionary(*number, &hash, bytes).await?,
            }
        }
        Ok(())
    }

    async fn keep_dictionary(&self, number: i64, hash: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on_tx!(tx, conn => {
            sqlx::query("INSERT INTO payload_dictionaries (id, sha256, bytes) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING")
                .bind(number)
                .bind(hash.to_owned())
                .bind(bytes.to_vec())
                .execute(&mut *conn)
                .await?;
        });
        Ok(tx.commit().await?)
    }

    pub(super) async fn unpack(&self, number: i64, bytes: &[u8]) -> Result<Bytes, StoreError> {
        decompress(self.dictionary(number).await?.as_deref(), bytes)
    }

    /// What unpacks rows of that number; `None`: they need nothing.
    pub(super) async fn dictionary(&self, number: i64) -> Result<Option<Arc<DecoderDictionary<'static>>>, StoreError> {
        if number == 0 {
            return Ok(None);
        }
        match self.shared.codec.dictionary(number) {
            Some(dictionary) => Ok(Some(dictionary)),
            None => self.foreign_dictionary(number).await.map(Some),
        }
    }

    /// One that this binary no longer (or does not yet) bring.
    async fn foreign_dictionary(&self, number: i64) -> Result<Arc<DecoderDictionary<'static>>, StoreError> {
        // payload_dictionaries: primary key.
        let bytes: Option<Vec<u8>> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT bytes FROM payload_dictionaries WHERE id = $1").bind(number).fetch_optional(conn).await
        })?;
        let bytes = bytes.ok_or_else(|| StoreError::Corrupt(format!("dictionary {number} is missing")))?;
        Ok(self.shared.codec.learn(number, &bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_released_dictionary_never_changes() {
        assert_eq!(sha256(DICTIONARIES[0].1), "ada964c498b348cd9cd0f399399558078cc6e2c965d860f09f5445b2ee081c7a");
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let codec = Codec::new();
        for payload in ["", "{}", r#"{"title":"ünïcödé \u0000 🦀"}"#, &"x".repeat(1 << 20)] {
            let packed = compress(payload.as_bytes()).unwrap();
            let dictionary = codec.dictionary(packed.dictionary).unwrap();
            assert_eq!(decompress(Some(&dictionary), &packed.bytes).unwrap(), payload.as_bytes());
        }
    }

    #[test]
    fn rows_without_a_dictionary_are_read_and_damage_is_told() {
        let plain = zstd::bulk::compress(b"{\"a\":1}", 1).unwrap();
        assert_eq!(decompress(None, &plain).unwrap(), &b"{\"a\":1}"[..]);
        for damaged in [&b""[..], b"not zstd", &plain[..plain.len() - 2]] {
            assert!(matches!(decompress(None, damaged), Err(StoreError::Corrupt(_))));
        }
    }
}
