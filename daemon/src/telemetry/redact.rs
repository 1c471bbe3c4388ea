//! What is taken out of every line, whoever wrote it (invariant 11).

use std::borrow::Cow;
use std::io;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// What takes the place of a token.
const REDACTED: &[u8] = b"[redacted]";

/// GitHub's tokens: `ghp_`, `gho_`, `ghu_`, `ghs_`, `ghr_` and what may follow, up to some 520 characters; and
/// fine-grained personal ones. Our own keys, and tokens of the form that JWTs have. No word boundary is asked for before them: in JSON a line end stands as `\n`, whose `n`
/// would be part of the word.
static TOKENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?-u)(?:gh[a-z]_[A-Za-z0-9._-]{36,}|github_pat_[A-Za-z0-9_]{36,}|orchd_[0-9A-Za-z]{40,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})").ok()
});

/// The text without tokens.
pub(super) fn redact(text: &[u8]) -> Cow<'_, [u8]> {
    match &*TOKENS {
        Some(tokens) => tokens.replace_all(text, |_: &Captures<'_>| REDACTED),
        None => Cow::Borrowed(REDACTED),
    }
}

pub(super) fn redact_text(text: &str) -> String {
    String::from_utf8_lossy(&redact(text.as_bytes())).into_owned()
}

/// A writer that takes tokens out. Loggers write whole lines at once, so no token is split between two writes.
pub(super) struct Redacting<W>(pub(super) W);

impl<W: io::Write> io::Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(&redact(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::lines::{Flat, tests::Lines};
    use super::*;
    use std::io::Write;
    use tracing_subscriber::layer::SubscriberExt;

    const TOKEN: &str = "ghs_0123456789abcdefghijABCDEFGHIJ0123456789";

    #[test]
    fn invariant_11_tokens_leave_no_line() {
        let mut written = Vec::new();
        let line = format!("GET /x failed: Bearer {TOKEN}, retrying with ghs_short\n");
        Redacting(&mut written).write_all(line.as_bytes()).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written, "GET /x failed: Bearer [redacted], retrying with ghs_short\n");
    }

    #[test]
    fn a_token_after_a_line_end_leaves_no_json_line() {
        let fine = format!("github_pat_{}", "0aB_".repeat(20));
        let lines = Lines::default();
        let into = lines.clone();
        let writer = move || Redacting(into.clone());
        let json = tracing_subscriber::fmt::layer().json().event_format(Flat).with_writer(writer);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(json), || {
            tracing::info!(field = format!("tokens:\n{TOKEN}\n{fine}"), "sent\n{TOKEN}\r\n{fine}");
        });
        let written = lines.written();
        assert_eq!(written.matches("[redacted]").count(), 4, "{written}");
        assert!(!written.contains("0123456789abc") && !written.contains("0aB_"), "{written}");
        serde_json::from_str::<serde_json::Value>(&written).unwrap();
    }

    #[test]
    fn our_own_keys_and_tokens_are_taken_out_too() {
        let key = crate::core::access::KeyText::new([7; 32]).expose().to_owned();
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJvcmNoZCJ9.c2lnbmF0dXJlLW9m";
        assert_eq!(redact_text(&format!("a {key} b {token} c")), "a [redacted] b [redacted] c");
        assert_eq!(redact_text("the header orchd_events_total is none"), "the header orchd_events_total is none");
    }
}
