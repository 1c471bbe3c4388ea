//! Which addresses may send webhooks. A second fence: the signature is what counts.

use std::net::{IpAddr, SocketAddr};

use arc_swap::ArcSwapOption;
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use super::arrival::Peer;
use crate::config::Allow;

/// Entries of `X-Forwarded-For` that are looked at, from the right. A longer chain of own proxies is a mistake.
const LONGEST_CHAIN: usize = 32;

/// GitHub's ranges, as last fetched.
#[derive(Debug, Default)]
pub struct Allowlist {
    github: ArcSwapOption<Vec<IpNet>>,
}

/// What the allow list says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Allowed,
    Refused,
    /// Only GitHub's ranges could allow it, and they have not been fetched yet.
    NotYetKnown,
}

impl Allowlist {
    /// Takes over what `GET /meta` lists under `hooks`.
    pub fn set_github(&self, ranges: Vec<IpNet>) {
        self.github.store(Some(std::sync::Arc::new(ranges)));
    }

    /// An empty list allows everybody.
    pub fn judge(&self, list: &[Allow], address: IpAddr) -> Judgement {
        if list.is_empty() {
            return Judgement::Allowed;
        }
        let address = address.to_canonical();
        let mut verdict = Judgement::Refused;
        for allow in list {
            match allow {
                Allow::Net(net) if net.contains(&address) => return Judgement::Allowed,
                Allow::Net(_) => {}
                Allow::GitHub => match &*self.github.load() {
                    Some(ranges) if ranges.iter().any(|net| net.contains(&address)) => return Judgement::Allowed,
                    Some(_) => {}
                    None => verdict = Judgement::NotYetKnown,
                },
            }
        }
        verdict
    }
}

/// The client's address: the peer's, or behind trusted proxies the rightmost address of `X-Forwarded-For` that is not
/// one of them. Whatever stands further left was written by the client and is not looked at. `None`: an entry that
/// counts is not an address.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut client = peer.to_canonical();
    if trusted.is_empty() || !is_trusted(&client) {
        return Some(client);
    }
    // Several headers are one list, in order.
    let lines: Vec<&HeaderValue> = headers.get_all("x-forwarded-for").iter().collect();
    let mut looked_at = 0;
    for line in lines.iter().rev() {
        // By bytes: what the client wrote, further left, may be no text.
        for entry in line.as_bytes().rsplit(|byte| *byte == b',') {
            looked_at += 1;
            let entry = std::str::from_utf8(entry).ok()?;
            client = parse_entry(entry.trim()).filter(|_| looked_at <= LONGEST_CHAIN)?;
            if !is_trusted(&client) {
                return Some(client);
            }
        }
    }
    Some(client)
}

/// Whose address counts in limits and records: as [`client_address`], and the peer's own where that cannot be told. Nobody
/// over the network gets around a limit by an unreadable header. `None`: a process of this machine.
pub(super) fn counted_address(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    match peer {
        Peer::Network(peer) => Some(client_address(peer, headers, trusted).unwrap_or(peer.to_canonical())),
        Peer::Local { .. } => None,
    }
}

/// `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1`, `[2001:db8::1]:443`.
fn parse_entry(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse::<IpAddr>().or_else(|_| entry.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_empty_list_allows_everybody() {
        assert_eq!(Allowlist::default().judge(&[], ip("203.0.113.9")), Judgement::Allowed);
    }

    #[test]
    fn github_alone_is_closed_until_its_ranges_are_known() {
        let allowlist = Allowlist::default();
        let list = [Allow::GitHub, Allow::Net(net("10.0.0.0/8"))];
        assert_eq!(allowlist.judge(&list, ip("140.82.115.1")), Judgement::NotYetKnown);
        assert_eq!(allowlist.judge(&list, ip("10.1.2.3")), Judgement::Allowed);
        allowlist.set_github(vec![net("140.82.112.0/20")]);
        assert_eq!(allowlist.judge(&list, ip("140.82.115.1")), Judgement::Allowed);
        assert_eq!(allowlist.judge(&list, ip("::ffff:140.82.115.1")), Judgement::Allowed);
        assert_eq!(allowlist.judge(&list, ip("203.0.113.9")), Judgement::Refused);
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let trusted = [net("127.0.0.0/8"), net("10.0.0.0/8")];
        type Lines = &'static [&'static [u8]];
        let cases: [(&str, Lines, Option<&str>); 11] = [
            ("203.0.113.9", &[b"140.82.115.1"], Some("203.0.113.9")),
            ("127.0.0.1", &[b"140.82.115.1"], Some("140.82.115.1")),
            ("127.0.0.1", &[b"140.82.115.1, 203.0.113.9"], Some("203.0.113.9")),
            ("127.0.0.1", &[b"140.82.115.1, 203.0.113.9, 10.0.0.7"], Some("203.0.113.9")),
            ("127.0.0.1", &[b"140.82.115.1", b"203.0.113.9"], Some("203.0.113.9")),
            ("127.0.0.1", &[b"[2001:db8::1]:443"], Some("2001:db8::1")),
            ("127.0.0.1", &[b"140.82.115.1, unknown"], None),
            ("127.0.0.1", &[b"140.82.115.1,"], None),
            ("127.0.0.1", &[], Some("127.0.0.1")),
            ("127.0.0.1", &[b"\xff, 203.0.113.9"], Some("203.0.113.9")),
            ("127.0.0.1", &[b"203.0.113.9, \xff"], None),
        ];
        for (peer, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
            }
            assert_eq!(client_address(ip(peer), &headers, &trusted), expected.map(ip), "{peer} {lines:?}");
            let counted = counted_address(Peer::Network(ip(peer)), &headers, &trusted);
            assert_eq!(counted, Some(ip(expected.unwrap_or(peer))), "{peer} {lines:?}");
        }
    }
}
