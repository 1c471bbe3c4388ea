//! Readers of single values: each takes a node, reports what is wrong with it, or gives the value.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;

use super::Allow;
use super::findings::Findings;
use super::marked::{Node, Tree};
use super::suggest::did_you_mean;
use super::table::{Key, Kind};

/// Refuses a value: reports and gives nothing.
pub(super) fn refuse<T>(node: &Node, findings: &mut Findings, message: impl Into<String>) -> Option<T> {
    findings.report(node.place, message);
    None
}

pub(super) fn text(node: &Node, key: &Key, findings: &mut Findings) -> Option<String> {
    match node.as_text() {
        Some("") => refuse(node, findings, format!("`{}` is empty", key.name)),
        Some(text) => Some(text.to_owned()),
        None if matches!(node.tree, Tree::Scalar(_)) => {
            refuse(node, findings, format!("`{}` expects text, not {}: put it in quotes", key.name, node.kind()))
        }
        None => refuse(node, findings, format!("`{}` expects text, not {}", key.name, node.kind())),
    }
}

pub(super) fn flag(node: &Node, key: &Key, findings: &mut Findings) -> Option<bool> {
    match node.tree {
        Tree::Scalar(Value::Bool(flag)) => Some(flag),
        _ => refuse(node, findings, format!("`{}` expects true or false", key.name)),
    }
}

pub(super) fn count(node: &Node, key: &Key, findings: &mut Findings) -> Option<u64> {
    let Kind::Count { least, most } = key.kind else { return None };
    let number = match &node.tree {
        Tree::Scalar(Value::Number(number)) => number.as_u64(),
        _ => None,
    };
    match number {
        Some(number) if (least..=most).contains(&number) => Some(number),
        _ => refuse(node, findings, format!("`{}` expects a whole number from {least} to {most}", key.name)),
    }
}

/// A part of a whole.
pub(super) fn share(node: &Node, key: &Key, findings: &mut Findings) -> Option<f64> {
    let number = match &node.tree {
        Tree::Scalar(Value::Number(number)) => number.as_f64(),
        _ => None,
    };
    match number.filter(|number| (0.0..=1.0).contains(number)) {
        Some(number) => Some(number),
        None => refuse(node, findings, format!("`{}` expects a number from 0 to 1, such as 0.1", key.name)),
    }
}

pub(super) fn duration(node: &Node, key: &Key, findings: &mut Findings) -> Option<Duration> {
    let Kind::Duration { least, most } = key.kind else { return None };
    let Some(found) = node.as_text().and_then(parse_duration) else {
        return refuse(
            node,
            findings,
            format!("`{}` expects a time with its unit (ms, s, m, h, d), such as {least}", key.name),
        );
    };
    let within = parse_duration(least)? <= found && found <= parse_duration(most)?;
    if within { Some(found) } else { refuse(node, findings, format!("`{}` must be from {least} to {most}", key.name)) }
}

/// `30s`, `5m`, `1h30m`, `365d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let millis = match &rest[..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(millis)?))?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total)
}

pub(super) fn size(node: &Node, key: &Key, findings: &mut Findings) -> Option<u64> {
    let Kind::Size { least, most } = key.kind else { return None };
    let Some(found) = node.as_text().and_then(parse_size) else {
        return refuse(
            node,
            findings,
            format!("`{}` expects a size with its unit (B, KiB, MiB, GiB), such as {most}", key.name),
        );
    };
    let within = parse_size(least)? <= found && found <= parse_size(most)?;
    if within { Some(found) } else { refuse(node, findings, format!("`{}` must be from {least} to {most}", key.name)) }
}

/// `512B`, `64KiB`, `25MiB`; also the decimal `kB`, `MB`, `GB`.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

pub(super) fn address(node: &Node, key: &Key, findings: &mut Findings) -> Option<SocketAddr> {
    match node.as_text().map(str::parse) {
        Some(Ok(address)) => Some(address),
        _ => refuse(
            node,
            findings,
            format!("`{}` expects an IP address and a port: 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080", key.name),
        ),
    }
}

/// A path; a relative one starts at `dir`.
pub(super) fn path(dir: &Path, node: &Node, key: &Key, findings: &mut Findings) -> Option<PathBuf> {
    text(node, key, findings).map(|text| dir.join(text))
}

/// An http or https URL without user, query or slash at the end.
pub(super) fn url(node: &Node, key: &Key, findings: &mut Findings) -> Option<http::Uri> {
    let written = text(node, key, findings)?;
    let fits = |uri: &http::Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty())
            && uri.query().is_none()
    };
    match written.trim_end_matches('/').parse::<http::Uri>() {
        Ok(uri) if fits(&uri) => Some(uri),
        _ => refuse(
            node,
            findings,
            format!("`{}` expects a URL such as https://HOST/path, without user name, password or query", key.name),
        ),
    }
}

/// A word of a fixed list.
pub(super) fn one_of(node: &Node, key: &Key, findings: &mut Findings) -> Option<&'static str> {
    let Kind::OneOf(words) = key.kind else { return None };
    let written = node.as_text().unwrap_or_default();
    words.iter().find(|word| **word == written).copied().or_else(|| {
        let hint = did_you_mean(written, words.iter().copied());
        refuse(node, findings, format!("`{}` expects one of {}{hint}", key.name, words.join(", ")))
    })
}

/// The items of a list.
pub(super) fn list<'n>(node: &'n Node, key: &Key, findings: &mut Findings) -> Option<&'n [Node]> {
    match &node.tree {
        Tree::List(items) => Some(items),
        _ => refuse(node, findings, format!("`{}` expects a list, not {}", key.name, node.kind())),
    }
}

/// The items of a list, or the one thing that stands alone in its place.
pub(super) fn one_or_more<'n>(node: &'n Node, key: &Key, findings: &mut Findings) -> Option<&'n [Node]> {
    match node.tree {
        Tree::Scalar(_) => Some(std::slice::from_ref(node)),
        _ => list(node, key, findings),
    }
}

pub(super) fn networks(node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<IpNet>> {
    let read: Vec<_> = list(node, key, findings)?.iter().map(|item| network(item, findings, "")).collect();
    read.into_iter().collect()
}

pub(super) fn allow(node: &Node, key: &Key, findings: &mut Findings) -> Option<Vec<Allow>> {
    let items = list(node, key, findings)?;
    let one = |item: &Node, findings: &mut Findings| match item.as_text() {
        Some("github") => Some(Allow::GitHub),
        _ => network(item, findings, " or the word github").map(Allow::Net),
    };
    let read: Vec<_> = items.iter().map(|item| one(item, findings)).collect();
    read.into_iter().collect()
}

fn network(node: &Node, findings: &mut Findings, or_else: &str) -> Option<IpNet> {
    let written = node.as_text().unwrap_or_default();
    let net = written.parse().ok().or_else(|| written.parse().ok().map(|address: std::net::IpAddr| address.into()));
    net.or_else(|| refuse(node, findings, format!("expected a network such as 192.0.2.0/24, an address{or_else}")))
}
