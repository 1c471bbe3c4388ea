//! What a delivery costs before it is stored: the signature, then the envelope.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use orchd::github::webhook::{Encoding, Signature, read_envelope, verify};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use sha2::Sha256;

const SECRET: &str = "a webhook secret";

fn account(login: &str) -> Value {
    let mut account = json!({"login": login, "id": 21_031_067, "type": "User", "site_admin": false});
    for link in ["followers", "gists", "repos", "events", "received_events", "organizations", "subscriptions"] {
        account[format!("{link}_url")] = json!(format!("https://api.github.com/users/{login}/{link}{{/more}}"));
    }
    account
}

fn repository() -> Value {
    let mut fields = Map::new();
    for number in 0..80 {
        let url = format!("https://api.github.com/repos/acme/application/collection-{number}{{/id}}");
        fields.insert(format!("collection_{number}_url"), json!(url));
    }
    for number in 0..20 {
        fields.insert(format!("has_feature_{number}"), json!(number % 2 == 0));
    }
    fields.extend([
        ("id".to_owned(), json!(186_853_002)),
        ("full_name".to_owned(), json!("acme/application")),
        ("private".to_owned(), json!(false)),
        ("html_url".to_owned(), json!("https://github.com/acme/application")),
        ("description".to_owned(), json!("An application")),
        ("default_branch".to_owned(), json!("main")),
        ("owner".to_owned(), account("acme")),
    ]);
    Value::Object(fields)
}

/// The size and the shape of what GitHub sends: an issue of about 9 kB, a pull request of about 25 kB.
fn payloads() -> Vec<(&'static str, Bytes)> {
    let body = "Some *text* with \"quotes\"\r\nand lines.\r\n".repeat(10);
    let issue = json!({"number": 1, "title": "A title", "body": body, "user": account("alice"),
        "labels": [], "updated_at": "2026-01-02T03:04:05Z"});
    let side = || json!({"ref": "main", "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "repo": repository()});
    let pull = json!({"number": 2, "title": "A title", "body": body, "user": account("alice"),
        "head": side(), "base": side(), "updated_at": "2026-01-02T03:04:05Z"});
    let around = |name: &str, item: Value| {
        let payload = json!({"action": "opened", name: item, "repository": repository(), "sender": account("alice"),
            "installation": {"id": 5}});
        Bytes::from(payload.to_string())
    };
    vec![("issue", around("issue", issue)), ("pull_request", around("pull_request", pull))]
}

fn signature(body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else { return String::new() };
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

fn envelope(criterion: &mut Criterion) {
    let secrets = [SecretString::from(SECRET)];
    let mut group = criterion.benchmark_group("envelope");
    for (name, body) in payloads() {
        let Ok(signature) = Signature::from_header(Some(signature(&body).as_bytes())) else { continue };
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("verify", name), &body, |bencher, body| {
            bencher.iter(|| verify(black_box(&secrets), signature, body.clone()));
        });
        let Ok(verified) = verify(&secrets, signature, body) else { continue };
        group.bench_with_input(BenchmarkId::new("read", name), &verified, |bencher, verified| {
            bencher.iter(|| read_envelope(black_box(verified), Encoding::Json));
        });
    }
    group.finish();
}

criterion_group!(benches, envelope);
criterion_main!(benches);
