//! `GET /meta`: the address ranges that GitHub sends webhooks from.

use ipnet::IpNet;
use serde::Deserialize;

use super::GitHubError;
use super::client::Reader;

#[derive(Deserialize)]
struct Meta {
    hooks: Vec<String>,
}

/// Ranges that deliveries come from (`hooks`). They change now and then: ask again daily or so. GitHub tells them to
/// everyone ([`super::client::GitHub::anonymous`]); an Enterprise Server may want to know who asks.
///
/// # Errors
/// As the request fails; `Unreadable` when one of the ranges is none, since a list with a hole would refuse deliveries.
pub async fn hook_ranges(reader: &Reader) -> Result<Vec<IpNet>, GitHubError> {
    let meta: Meta = reader.get("/meta").await?;
    let parse = |text: &String| {
        let range = text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from));
        range.ok_or_else(|| GitHubError::Unreadable("/meta: a range of `hooks` is no address range".to_owned()))
    };
    meta.hooks.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::github::client::GitHub;
    use crate::github::stand_in::{StandIn, reply};

    #[tokio::test]
    async fn the_ranges_of_hooks_are_read_without_signing_in() {
        let hooks = ["192.30.252.0/22", "2a0a:a440::/29", "203.0.113.7"];
        let server = StandIn::start(move |_| reply(200, &json!({"hooks": hooks, "web": ["x"]}))).await;
        let ranges = hook_ranges(&GitHub::new(server.settings()).unwrap().anonymous()).await.unwrap();
        let texts: Vec<String> = ranges.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["192.30.252.0/22", "2a0a:a440::/29", "203.0.113.7/32"]);
        assert!(!server.requests()[0].headers.contains_key("authorization"));
    }

    #[tokio::test]
    async fn a_range_that_is_none_is_not_left_out_silently() {
        let server = StandIn::start(|_| reply(200, &json!({"hooks": ["10.0.0.0/8", "everywhere"]}))).await;
        let refused = hook_ranges(&GitHub::new(server.settings()).unwrap().anonymous()).await.unwrap_err();
        assert!(matches!(refused, GitHubError::Unreadable(_)));
    }
}
