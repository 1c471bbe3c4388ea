//! Random words that let somebody in: a session's cookie, `state`, the cookie of a browser on its way to GitHub.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

/// 256 bits in base64url.
const LENGTH: usize = 43;

/// 256 random bits, as 43 characters of base64url.
#[derive(Clone, Debug)]
pub struct Token(SecretString);

impl Token {
    pub fn random() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// `None`: the text has not the form of a token.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (text.len() == LENGTH && text.bytes().all(fits)).then(|| Self(SecretString::from(text)))
    }

    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// As it is stored and looked up: SHA-256 in hexadecimal digits. Nobody finds 256 random bits by trying, so no salt.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.0.expose_secret());
        digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_nothing_else_is_one() {
        let token = Token::random();
        let text = token.secret().expose_secret();
        assert_eq!(Token::parse(text).unwrap().hash(), token.hash());
        assert_ne!(Token::random().hash(), token.hash());
        for odd in ["", "short", &format!("{text}a"), &text[1..], &format!("{}=", &text[1..]), &"é".repeat(21)] {
            assert!(Token::parse(odd).is_none(), "{odd}");
        }
        assert!(!format!("{token:?}").contains(text));
    }
}
