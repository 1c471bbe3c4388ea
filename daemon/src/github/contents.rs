//! One file of a repository, at a branch or commit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::client::Reader;
use super::{GitHubError, path};
use crate::core::event::RepoName;

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Text {
        /// Git's id of the content.
        sha: String,
        text: String,
    },
    /// Nothing, or nothing that the App may see.
    Nothing,
    /// A file of so many bytes, which is more than was asked for.
    TooLarge { sha: String, size: u64 },
    /// Something else; the text says what.
    Other(String),
}

/// The answer for a file. GitHub gives a list for a directory.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    sha: String,
    size: u64,
    encoding: Option<String>,
    content: Option<String>,
}

/// Reads a file of at most `most` bytes; `None` as reference: at the default branch. One request.
///
/// # Errors
/// As the request fails. "Not found" is an answer.
pub async fn file(
    reader: &Reader,
    repository: &RepoName,
    file: &str,
    reference: Option<&str>,
    most: u64,
) -> Result<Found, GitHubError> {
    let below: String = file.split('/').map(|part| format!("/{}", path::segment(part))).collect();
    let at = reference.map(|reference| format!("?ref={}", path::segment(reference))).unwrap_or_default();
    let url = path::repository(repository, format_args!("/contents{below}{at}"));
    let shown = match reader.get::<Value>(&url).await {
        Err(GitHubError::NotFound(_)) => return Ok(Found::Nothing),
        shown => shown?,
    };
    if shown.is_array() {
        return Ok(Found::Other("it is a directory".to_owned()));
    }
    let file = File::deserialize(&shown).map_err(|error| GitHubError::Unreadable(format!("{url}: {error}")))?;
    Ok(found(file, most))
}

fn found(file: File, most: u64) -> Found {
    if file.kind != "file" {
        return Found::Other(format!("it is no file but a {}", file.kind));
    }
    if file.size > most {
        return Found::TooLarge { sha: file.sha, size: file.size };
    }
    let (Some("base64"), Some(content)) = (file.encoding.as_deref(), file.content) else {
        return Found::Other("GitHub gives no content for it".to_owned());
    };
    // GitHub breaks its lines.
    let encoded: String = content.split_ascii_whitespace().collect();
    match STANDARD.decode(encoded).map(String::from_utf8) {
        Ok(Ok(text)) => Found::Text { sha: file.sha, text },
        _ => Found::Other("it is not UTF-8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::github::client::GitHub;
    use crate::github::stand_in::{StandIn, reply};

    #[tokio::test]
    async fn what_lies_at_a_path() {
        let server = StandIn::start(|seen| {
            let file = |content: &str, size: u64| {
                json!({"type": "file", "sha": "abc", "size": size, "encoding": "base64", "content": content})
            };
            match seen.path.as_str() {
                "/repos/acme/web/contents/.github/orchd.yml" => reply(200, &file("cnVs\nZXM6\n", 6)),
                "/repos/acme/web/contents/a%20b?ref=main%2F1" => reply(200, &file("/w==", 1)),
                "/repos/acme/web/contents/large" => reply(200, &file("", 2_000_000)),
                "/repos/acme/web/contents/dir" => reply(200, &json!([])),
                "/repos/acme/web/contents/link" => reply(200, &json!({"type": "symlink", "sha": "x", "size": 3})),
                _ => reply(404, &json!({"message": "Not Found"})),
            }
        })
        .await;
        let reader = GitHub::new(server.settings()).unwrap().reader(None);
        let repository = RepoName::parse("acme/web").unwrap();
        let at = async |path: &str, reference| file(&reader, &repository, path, reference, 100).await.unwrap();
        let text = Found::Text { sha: "abc".to_owned(), text: "rules:".to_owned() };
        assert_eq!(at(".github/orchd.yml", None).await, text);
        assert_eq!(at("a b", Some("main/1")).await, Found::Other("it is not UTF-8".to_owned()));
        assert_eq!(at("large", None).await, Found::TooLarge { sha: "abc".to_owned(), size: 2_000_000 });
        assert_eq!(at("dir", None).await, Found::Other("it is a directory".to_owned()));
        assert_eq!(at("link", None).await, Found::Other("it is no file but a symlink".to_owned()));
        assert_eq!(at("absent", None).await, Found::Nothing);
    }
}
