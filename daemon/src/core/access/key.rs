//! The text of a key: `orchd_`, 43 characters of chance, and 6 of a checksum.
//!
//! The form follows GitHub's tokens ("Behind GitHub's new authentication token formats", github.blog, 2021): a prefix
//! and a CRC-32 tell a scanner for leaked secrets what it has found, and refuse a mistyped key without a look-up. The
//! checksum keeps no secret: what cannot be guessed are 256 random bits.

use std::fmt;
use std::str::FromStr;

use crc::{CRC_32_ISO_HDLC, Crc};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "orchd_";
/// 62^43 is a little more than 2^256.
const RANDOM: usize = 43;
/// 62^6 is more than 2^32.
const CHECKSUM: usize = 6;
/// Of what a list shows, the prefix with it.
const SHOWN: usize = PREFIX.len() + 6;
/// Characters of a whole key, all ASCII.
const LENGTH: usize = PREFIX.len() + RANDOM + CHECKSUM;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The one of zlib, as GitHub takes.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A key as a script has it: well formed, and not looked up yet. Its `Debug` shows nothing.
#[derive(Clone, Debug)]
pub struct KeyText(SecretString);

/// Why a text is no key. Tells nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key of orchd: it was mistyped, or cut off")]
pub struct NotAKey;

impl KeyText {
    /// Of 256 random bits, which are the caller's to get.
    pub fn new(random: [u8; 32]) -> Self {
        let mut text = PREFIX.to_owned();
        text.extend(digits(random));
        let sum = checksum(&text);
        text.extend(sum);
        Self(text.into())
    }

    /// The whole key. Told once, to who makes it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is stored of it. The key has 256 bits of chance: there is nothing to slow down a guess of.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.expose()).into())
    }

    /// Its beginning, as lists show it: enough to tell one's keys apart, and nothing to guess the rest from.
    pub fn beginning(&self) -> String {
        self.expose().chars().take(SHOWN).collect()
    }
}

impl FromStr for KeyText {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let well_formed = text.len() == LENGTH
            && text.strip_prefix(PREFIX).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if !well_formed {
            return Err(NotAKey);
        }
        let (told, sum) = text.split_at(LENGTH - CHECKSUM);
        if checksum(told).into_iter().eq(sum.chars()) { Ok(Self(text.into())) } else { Err(NotAKey) }
    }
}

/// SHA-256 of a key, written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What came behind `Bearer`.
#[derive(Clone, Debug)]
pub enum Presented {
    Key(KeyText),
    /// Has the form of a short-lived token, a JWT. Nothing of it is checked yet.
    Token(SecretString),
}

impl FromStr for Presented {
    type Err = NotAKey;

    /// A JWT has two dots, and no key has one.
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        if text.matches('.').count() == 2 { Ok(Self::Token(text.into())) } else { text.parse().map(Self::Key) }
    }
}

/// 256 bits to the base of 62, the highest digit first.
fn digits(mut number: [u8; 32]) -> [char; RANDOM] {
    let mut written = ['0'; RANDOM];
    for place in written.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            // Less than 256: what is carried is less than 62.
            *byte = (value / 62) as u8;
            rest = value % 62;
        }
        *place = digit(rest);
    }
    written
}

fn checksum(told: &str) -> [char; CHECKSUM] {
    let mut sum = CRC.checksum(told.as_bytes());
    let mut written = ['0'; CHECKSUM];
    for place in written.iter_mut().rev() {
        *place = digit(sum % 62);
        sum /= 62;
    }
    written
}

fn digit(value: u32) -> char {
    char::from(DIGITS[value as usize % DIGITS.len()])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_look_like_this() {
        let key = KeyText::new([0; 32]);
        assert_eq!(key.expose(), format!("orchd_{}{}", "0".repeat(43), &key.expose()[49..]));
        assert_eq!(key.beginning(), "orchd_000000");
        assert_eq!(KeyText::new([255; 32]).expose().len(), LENGTH);
        assert_eq!(digits([255; 32])[0], 'y', "the largest number fills the first place, and none is lost");
        assert!(!format!("{key:?}").contains("orchd_"));
        // printf abc | sha256sum
        assert!(KeyHash(Sha256::digest("abc").into()).to_string().starts_with("ba7816bf8f01cfea"));
    }

    #[test]
    fn a_checksum_is_that_of_zlib() {
        assert_eq!(CRC.checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_token_is_told_from_a_key() {
        assert!(matches!("a.b.c".parse::<Presented>(), Ok(Presented::Token(_))));
        assert!(matches!(KeyText::new([7; 32]).expose().parse::<Presented>(), Ok(Presented::Key(_))));
        for neither in ["", "a.b", "a.b.c.d", "orchd_", "ghp_0123456789012345678901234567890123456789"] {
            assert!(neither.parse::<Presented>().is_err(), "{neither}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_parses(random: [u8; 32], other: [u8; 32]) {
            let key = KeyText::new(random);
            let read: KeyText = key.expose().parse().unwrap();
            prop_assert_eq!(read.hash(), key.hash());
            prop_assert_eq!(random == other, key.hash() == KeyText::new(other).hash());
        }

        #[test]
        fn any_one_changed_character_is_refused(random: [u8; 32], at in 0..LENGTH, to in any::<char>()) {
            let mut changed: Vec<char> = KeyText::new(random).expose().chars().collect();
            prop_assume!(changed[at] != to);
            changed[at] = to;
            prop_assert_eq!(changed.iter().collect::<String>().parse::<KeyText>().err(), Some(NotAKey));
        }

        #[test]
        fn a_key_that_is_cut_or_goes_on_is_refused(random: [u8; 32], left in 0..LENGTH, more in "[0-9a-zA-Z ]{1,3}") {
            let key = KeyText::new(random);
            prop_assert!(key.expose()[..left].parse::<KeyText>().is_err());
            let longer = format!("{}{more}", key.expose());
            prop_assert!(longer.parse::<KeyText>().is_err());
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = text.parse::<Presented>();
        }
    }
}
