//! How GitHub's last deliveries went, as GitHub saw it.

use chrono::{DateTime, Utc};

use super::scene::Scene;
use super::{Check, Seen};
use crate::core::text;
use crate::github::app::{Tried, last_tried};

pub(super) const CHECK: Check =
    Check { name: "deliveries", after: &["app webhook"], afar: true, look: |scene| Box::pin(look(scene)) };

async fn look(scene: &Scene) -> Seen {
    let asked = match scene.github() {
        Ok(github) => last_tried(&github.reader(None)).await,
        Err(error) => Err(error),
    };
    match asked {
        // `daemon` was looked at in a round before, as far as it could be; it need not be well.
        Ok(tried) => judge(&tried, scene.started.get().copied(), &scene.settings_page()),
        Err(error) => {
            Seen::warning(format!("GitHub does not tell of its deliveries: {error}"), "run orchd doctor again later")
        }
    }
}

/// What `orchd setup` answers, and a proxy while no daemon runs behind it. From before its start it says nothing of now.
const NOBODY_THERE: [u16; 3] = [502, 503, 504];

/// The newest one counts: what failed before it was mended since, and recovery fetches it.
fn judge(tried: &[Tried], started: Option<DateTime<Utc>>, page: &str) -> Seen {
    let Some(last) = tried.first() else { return Seen::well("GitHub has delivered nothing in the last three days") };
    let failed = tried.iter().filter(|each| !each.succeeded()).count();
    let (count, at) = (tried.len(), text::time(last.delivered_at));
    if last.succeeded() {
        return match failed {
            0 => Seen::well(format!("the last {count} were taken, the last one at {at} UTC")),
            _ => Seen::warning(
                format!("{failed} of the last {count} failed, and the last one was taken at {at} UTC"),
                "orchd recover fetches what is missing",
            ),
        };
    }
    if NOBODY_THERE.contains(&last.status_code) && started.is_some_and(|started| last.delivered_at < started) {
        return Seen::warning(
            format!(
                "{failed} of the last {count} failed, and none has come since orchd was started; the last one at {at} UTC"
            ),
            "orchd recover fetches what is missing; the next delivery shows whether they arrive",
        );
    }
    let told = format!("{failed} of the last {count} failed; the last one, {} at {at} UTC: ", last.event);
    let again = format!("then {page}/advanced: redeliver one, and orchd recover fetches the others");
    let (what, advice) = match last.status_code {
        401 => (
            "orchd answered 401: the App's webhook secret is none of github.webhook_secrets".to_owned(),
            format!("set the same secret at {page} (Webhook secret) and in github.webhook_secrets"),
        ),
        403 => (
            "it was answered 403".to_owned(),
            "let GitHub's addresses in: server.webhook_allow: [github], with the proxy in server.trusted_proxies"
                .to_owned(),
        ),
        413 => (
            "it was answered 413: a proxy takes no body that large".to_owned(),
            "let bodies of 25 MB pass the proxy: client_max_body_size 25m in nginx".to_owned(),
        ),
        0 => (
            format!("GitHub reached nobody ({})", last.status),
            "let GitHub in from outside: DNS, firewall, port forwarding, the proxy".to_owned(),
        ),
        code => (
            format!("it was answered {code} ({})", last.status),
            "see why: journalctl -u orchd, and the log of the proxy".to_owned(),
        ),
    };
    Seen::fault(format!("{told}{what}"), advice).or(again)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use chrono::TimeDelta;

    fn failed(status_code: u16, delivered_at: DateTime<Utc>) -> Tried {
        Tried { event: "installation".to_owned(), delivered_at, status: "failed".to_owned(), status_code }
    }

    #[test]
    fn what_came_before_the_daemon_was_there_is_no_fault_of_now() {
        let started = Utc::now();
        let (before, after) = (started - TimeDelta::minutes(1), started + TimeDelta::minutes(1));
        let is_fault = |code, at, started| judge(&[failed(code, at)], started, "page").state == State::Fault;
        assert!(!is_fault(503, before, Some(started)), "setup answered it");
        assert!(is_fault(503, after, Some(started)), "the daemon or its proxy did");
        assert!(is_fault(503, before, None), "nobody knows since when it runs");
        assert!(is_fault(401, before, Some(started)), "another secret stays another secret");
    }
}
