//! The App's key pair, its JWTs, and webhook signatures.

use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

/// An RSA key pair of a GitHub App.
#[derive(Clone)]
pub struct AppKey {
    pem: String,
    /// PKCS#1.
    public_der: Vec<u8>,
}

impl std::fmt::Debug for AppKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AppKey")
    }
}

impl AppKey {
    /// A new 2,048-bit key. Takes about a tenth of a second.
    ///
    /// # Panics
    /// When the operating system gives no randomness.
    pub fn generate() -> Self {
        let Ok(pair) = rsa::KeyPair::generate(rsa::KeySize::Rsa2048) else {
            panic!("no RSA key could be generated");
        };
        let Ok(private) = pair.as_der() else {
            panic!("the generated RSA key could not be written");
        };
        Self { pem: pem(private.as_ref()), public_der: pair.public_key().as_ref().to_vec() }
    }

    /// One key for all fakes of this process, so that tests do not wait for a new one each.
    pub fn shared() -> Self {
        static SHARED: OnceLock<AppKey> = OnceLock::new();
        SHARED.get_or_init(Self::generate).clone()
    }

    /// The private key as PEM (PKCS#8), as orchd's `github.private_key` wants it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The public key (PKCS#1).
    pub fn public_der(&self) -> &[u8] {
        &self.public_der
    }

    /// Checks an App's JWT as GitHub does: RS256, not expired, at most 10 minutes to run, issued by `issuers`.
    ///
    /// # Errors
    /// GitHub's message for the 401.
    pub fn check_jwt(&self, jwt: &str, issuers: &[String], now: i64) -> Result<(), &'static str> {
        let mut rules = Validation::new(Algorithm::RS256);
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Value>(jwt, &DecodingKey::from_rsa_der(&self.public_der), &rules)
            .map_err(|_| "A JSON web token could not be decoded")?
            .claims;
        let number = |name: &str| claims.get(name).and_then(Value::as_i64);
        let (Some(issued), Some(expires)) = (number("iat"), number("exp")) else {
            return Err("Missing 'issued at' claim ('iat') or 'expiration time' claim ('exp')");
        };
        if expires <= now {
            return Err("'Expiration time' claim ('exp') must be a numeric value representing the future time");
        }
        if expires - now > 600 || expires - issued > 660 {
            return Err("'Expiration time' claim ('exp') is too far in the future");
        }
        if issued > now + 5 {
            return Err(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            );
        }
        let issuer = claims.get("iss").map(|iss| iss.as_str().map_or_else(|| iss.to_string(), str::to_owned));
        match issuer {
            Some(issuer) if issuers.contains(&issuer) => Ok(()),
            _ => Err("'Issuer' claim ('iss') must be an Integer or a client id"),
        }
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}

/// The value of `X-Hub-Signature-256` for a body.
pub fn sign_webhook(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

#[cfg(test)]
mod tests {
    use super::sign_webhook;

    #[test]
    fn githubs_published_signature_comes_out() {
        assert_eq!(
            sign_webhook("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
