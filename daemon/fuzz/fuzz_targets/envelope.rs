//! Any signed body: it is read or refused, and what is read is JSON that can be read again.
#![no_main]

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use orchd::github::webhook::{Encoding, Signature, read_envelope, verify};
use secrecy::SecretString;
use sha2::Sha256;

const SECRET: &str = "swordfish";

fuzz_target!(|body: &[u8]| {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let header = format!("sha256={digits}");
    let secrets = [SecretString::from(SECRET)];
    let signature = Signature::from_header(Some(header.as_bytes())).expect("the header is of its form");
    let body = verify(&secrets, signature, Bytes::copy_from_slice(body)).expect("the signature is right");
    for encoding in [Encoding::Json, Encoding::Form] {
        if let Ok((_, payload)) = read_envelope(&body, encoding) {
            serde_json::from_slice::<serde_json::Value>(&payload).expect("what was accepted can be read later");
        }
    }
});
