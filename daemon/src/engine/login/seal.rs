//! Encrypts what has to be kept and nobody may read: XChaCha20-Poly1305 with a random nonce.
//!
//! A sealed text is `v1.KEYID.BASE64`. It opens only in the row and the column that it was sealed for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use sha2::{Digest as _, Sha256};

use crate::config::SecretKey;

const VERSION: &str = "v1";

/// Of XChaCha20: long enough that random ones never meet.
const NONCE_BYTES: usize = 24;

/// Why something did not open, or could not be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("there is no key: `login.keys` is empty")]
    NoKey,
    #[error("it is encrypted with key {0}, which is not among `login.keys`")]
    UnknownKey(String),
    /// Another row's or column's, changed, or no sealed text at all.
    #[error("an encrypted value was changed, or does not belong where it stands")]
    Forged,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What names the row for ever.
    pub row: &'a [u8],
    pub column: &'static str,
}

impl Place<'_> {
    /// With the column's length before it: no two places give the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = (self.column.len() as u64).to_be_bytes().to_vec();
        bytes.extend_from_slice(self.column.as_bytes());
        bytes.extend_from_slice(self.row);
        bytes
    }
}

/// The keys of `login.keys`: it seals with the first and opens with any. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keyring(Vec<(String, SecretKey)>);

impl Keyring {
    pub fn of(keys: &[SecretKey]) -> Self {
        Self(keys.iter().map(|key| (id_of(key), key.clone())).collect())
    }

    /// The id of the key that it seals with: 8 hexadecimal digits.
    ///
    /// # Errors
    /// When there is no key.
    pub fn first(&self) -> Result<&str, SealError> {
        self.0.first().map(|(id, _)| id.as_str()).ok_or(SealError::NoKey)
    }

    /// # Errors
    /// When there is no key.
    pub fn seal(&self, place: Place<'_>, secret: &SecretString) -> Result<String, SealError> {
        let (id, key) = self.0.first().ok_or(SealError::NoKey)?;
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let (msg, aad) = (secret.expose_secret().as_bytes(), &place.bytes()[..]);
        // Refused only beyond 256 GiB.
        let sealed = cipher(key).encrypt(&XNonce::from(nonce), Payload { msg, aad }).map_err(|_| SealError::Forged)?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(format!("{VERSION}.{id}.{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// # Errors
    /// When the key is not there any more, or the text is not what was sealed for this place.
    pub fn open(&self, place: Place<'_>, sealed: &str) -> Result<SecretString, SealError> {
        let mut parts = sealed.splitn(3, '.');
        let (Some(VERSION), Some(id), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SealError::Forged);
        };
        let key = self.0.iter().find(|(known, _)| known == id).map(|(_, key)| key);
        let key = key.ok_or_else(|| SealError::UnknownKey(id.chars().take(8).collect()))?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Forged)?;
        let (nonce, msg) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Forged)?;
        let opened = cipher(key).decrypt(&XNonce::from(*nonce), Payload { msg, aad: &place.bytes() });
        let opened = Zeroizing::new(opened.map_err(|_| SealError::Forged)?);
        let text = std::str::from_utf8(&opened).map_err(|_| SealError::Forged)?;
        Ok(SecretString::from(text))
    }
}

fn cipher(key: &SecretKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.0.expose_secret().into())
}

fn id_of(key: &SecretKey) -> String {
    let digest = Sha256::new().chain_update(b"orchd key id 1").chain_update(key.0.expose_secret()).finalize();
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use secrecy::SecretBox;

    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey(Arc::new(SecretBox::new(Box::new([byte; 32]))))
    }

    const HERE: Place<'static> = Place { row: b"row 1", column: "access_token" };

    proptest! {
        #[test]
        fn it_opens_what_it_sealed_and_nothing_that_was_touched(text in ".{0,600}", at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let keyring = Keyring::of(&[key(1), key(2)]);
            let sealed = keyring.seal(HERE, &SecretString::from(text.clone())).unwrap();
            let opened = keyring.open(HERE, &sealed).unwrap();
            prop_assert_eq!(opened.expose_secret(), text.as_str());

            let head = format!("{VERSION}.{}.", keyring.first().unwrap());
            let mut bytes = URL_SAFE_NO_PAD.decode(&sealed[head.len()..]).unwrap();
            let touched = at.index(bytes.len());
            bytes[touched] ^= 1 << bit;
            let forged = format!("{head}{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert_eq!(keyring.open(HERE, &forged).unwrap_err(), SealError::Forged);

            for elsewhere in [Place { row: b"row 2", ..HERE }, Place { column: "refresh_token", ..HERE }] {
                prop_assert_eq!(keyring.open(elsewhere, &sealed).unwrap_err(), SealError::Forged);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,100}") {
            let _ = Keyring::of(&[key(1)]).open(HERE, &text);
        }
    }

    #[test]
    fn an_old_key_still_opens_and_a_gone_one_is_named() {
        let secret = SecretString::from("ghu_secret");
        let old = Keyring::of(&[key(1)]);
        let sealed = old.seal(HERE, &secret).unwrap();
        let both = Keyring::of(&[key(2), key(1)]);
        assert_eq!(both.open(HERE, &sealed).unwrap().expose_secret(), "ghu_secret");
        assert_ne!(both.first(), old.first());
        let gone = Keyring::of(&[key(2)]).open(HERE, &sealed).unwrap_err();
        assert_eq!(gone, SealError::UnknownKey(old.first().unwrap().to_owned()));
        assert_eq!(Keyring::of(&[]).seal(HERE, &secret).unwrap_err(), SealError::NoKey);
        assert_ne!(old.seal(HERE, &secret).unwrap(), sealed, "a nonce is used once");
        assert!(!format!("{both:?}").contains("[1, 1"), "{both:?}");
    }
}
