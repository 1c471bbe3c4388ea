//! GitHub's API as everybody reaches it, and this machine's clock beside GitHub's.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::header::DATE;
use http::{Method, Uri};

use super::probe::{self, Reached, Unreached, host_and_port};
use super::scene::Scene;
use super::{Check, Seen};

pub(super) const REACHED: Check =
    Check { name: "github", after: &[], afar: true, look: |scene| Box::pin(reach(scene)) };

pub(super) const CHECK: Check =
    Check { name: "clock", after: &["github"], afar: true, look: |scene| Box::pin(async move { compare(scene) }) };

/// A JWT of ours begins a minute ago and ends in nine, and GitHub takes none for more than ten (github/auth.rs): a clock that
/// is this far ahead makes one that GitHub refuses.
const TOO_FAR: TimeDelta = TimeDelta::seconds(55);

/// A clock that is this far behind makes one that has ended when it is made.
const OVER: TimeDelta = TimeDelta::minutes(9);

/// Further than a clock that something sets.
const FAR: TimeDelta = TimeDelta::seconds(10);

/// What everybody may ask at no cost.
const ASKED: &str = "/rate_limit";

async fn reach(scene: &Scene) -> Seen {
    let api = &scene.config.github.api_url;
    let Some((host, port)) = host_and_port(api) else { return Seen::skipped("github.api_url names no host") };
    if let Err(why) = probe::resolve(&host, port).await {
        let told = format!("the name {host} does not resolve: {why}");
        return Seen::fault(told, format!("see /etc/resolv.conf (resolvectl query {host}) and github.api_url"));
    }
    let url = format!("{}{ASKED}", api.to_string().trim_end_matches('/'));
    let Ok(url) = url.parse::<Uri>() else { return Seen::skipped("github.api_url is no URL") };
    let before = Utc::now();
    match probe::ask(Method::GET, &url, Bytes::new()).await {
        // An Enterprise Server that limits nothing answers 404, and may ask who one is.
        Ok(reached) if !reached.status.is_server_error() => {
            if let Some(ahead) = ahead(before, &reached) {
                // Set once: there is one such check.
                let _ = scene.ahead.set(ahead);
            }
            Seen::well(format!("{api} answers"))
        }
        Ok(reached) => Seen::fault(
            format!("{api} answers {} ({})", reached.status, reached.server()),
            "see https://www.githubstatus.com (or your Enterprise Server), and any proxy on the way",
        ),
        Err(why) => unreached(&host, port, why),
    }
}

fn unreached(host: &str, port: u16, why: Unreached) -> Seen {
    match why {
        Unreached::Connection(why) => Seen::fault(
            format!("{host} takes no connection on port {port}: {why}"),
            format!("let this machine out to {host}:{port} (firewall, route); curl -v https://{host} says more"),
        ),
        Unreached::Certificate(why) => Seen::fault(
            format!("the certificate of {host} is not trusted: {why}"),
            "apt install ca-certificates; of an Enterprise Server with its own authority: put that into \
             /usr/local/share/ca-certificates and run update-ca-certificates",
        ),
        Unreached::Tls(why) | Unreached::Answer(why) => Seen::fault(
            format!("{host} does not answer as GitHub: {why}"),
            format!("curl -v https://{host} says more: is there a proxy on the way? See github.api_url"),
        ),
    }
}

/// By the middle of the question; GitHub tells whole seconds.
fn ahead(before: DateTime<Utc>, reached: &Reached) -> Option<TimeDelta> {
    let theirs = DateTime::parse_from_rfc2822(reached.header(DATE)?).ok()?.with_timezone(&Utc);
    let ours = before + (reached.at - before) / 2;
    Some(ours - (theirs + TimeDelta::milliseconds(500)))
}

fn compare(scene: &Scene) -> Seen {
    let Some(ahead) = scene.ahead.get().copied() else {
        return Seen::warning("GitHub's answer tells no time", "compare date -u with another clock by hand");
    };
    let seconds = ahead.num_seconds().abs();
    let (where_to, then) = match ahead {
        ahead if ahead > TimeDelta::zero() => ("ahead of", "GitHub refuses what the App signs"),
        behind if behind.abs() >= OVER => ("behind", "GitHub refuses what the App signs"),
        _ => ("behind", "at 9 minutes GitHub refuses what the App signs"),
    };
    let told = format!("this machine's clock is {seconds} s {where_to} GitHub's");
    let advice = "timedatectl set-ntp true; timedatectl timesync-status says how far it has come";
    match ahead.abs() {
        far if far >= TOO_FAR => Seen::fault(format!("{told}: {then}"), advice),
        far if far >= FAR => Seen::warning(told, advice),
        _ => Seen::well("it is GitHub's to within a few seconds"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn how_far_ahead_is_told_by_the_date_of_the_answer() {
        let at: DateTime<Utc> = "2026-03-01T12:00:10Z".parse().unwrap();
        let headers = http::HeaderMap::from_iter([(DATE, "Sun, 01 Mar 2026 12:00:00 GMT".parse().unwrap())]);
        let reached = Reached { status: http::StatusCode::OK, headers, body: Bytes::new(), at };
        assert_eq!(ahead(at - TimeDelta::seconds(2), &reached), Some(TimeDelta::milliseconds(8_500)));
    }
}
