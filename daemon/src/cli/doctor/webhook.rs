//! The webhook's URL, asked as GitHub would, but without a signature: is it this orchd that answers, and does a body get to it?

use bytes::Bytes;
use http::header::LOCATION;
use http::{Method, StatusCode, Uri};
use serde::Deserialize;

use super::probe::{self, Reached, Unreached, host_and_port};
use super::scene::Scene;
use super::{Check, Seen, public};

pub(super) const CHECK: Check =
    Check { name: "webhook", after: &["tls", "daemon"], afar: true, look: |scene| Box::pin(look(scene)) };

/// Where deliveries go, below `server.public_url`.
pub(super) const PATH: &str = "/webhooks/github";

/// Bytes: what common proxies let pass when nobody has told them otherwise is no more than this.
const LARGE: usize = 1 << 20;

/// What of `/health` is looked at.
#[derive(Deserialize)]
struct Health {
    config: Running,
}

#[derive(Deserialize)]
struct Running {
    revision: String,
}

/// What of a refusal is looked at.
#[derive(Deserialize)]
struct Problem {
    title: String,
}

async fn look(scene: &Scene) -> Seen {
    let Some(url) = public::url(scene) else { return Seen::skipped(public::NONE) };
    let Some(running) = scene.running.get() else { return Seen::skipped("no daemon runs that could answer") };
    let base = url.to_string().trim_end_matches('/').to_owned();
    let (Ok(health), Ok(hook)) = (format!("{base}/health").parse::<Uri>(), format!("{base}{PATH}").parse::<Uri>())
    else {
        return Seen::skipped("server.public_url is no URL");
    };
    let listen = scene.config.server.listen;
    if let Err(wrong) = is_ours(&health, running, &format!("http://{listen}")).await {
        return wrong;
    }
    let small = Bytes::from_static(b"{}");
    if let Err(wrong) = is_refused(&hook, small, &format!("http://{listen}{PATH}")).await {
        return wrong;
    }
    let large = Bytes::from(vec![b' '; LARGE]);
    match probe::ask(Method::POST, &hook, large).await {
        Ok(answer) if is_refusal(&answer) => Seen::well(format!("{hook} is answered by this orchd, 1 MiB bodies too")),
        Ok(answer) => too_large(&hook, &format!("answers {} ({})", answer.status, answer.server())),
        Err(why) => too_large(&hook, &words(&hook, why)),
    }
}

/// Whether the daemon that was asked over its socket answers there.
async fn is_ours(url: &Uri, running: &str, behind: &str) -> Result<(), Seen> {
    let answer = probe::ask(Method::GET, url, Bytes::new()).await.map_err(|why| {
        Seen::fault(format!("{url} {}", words(url, why)), format!("have the proxy pass everything on to {behind}"))
    })?;
    match serde_json::from_slice::<Health>(&answer.body) {
        Ok(health) if health.config.revision == *running => Ok(()),
        Ok(health) => Err(Seen::fault(
            format!("another orchd answers at {url}: it runs revision {}, this one {running}", health.config.revision),
            format!("lead the name to this machine, or have the proxy pass everything on to {behind}"),
        )),
        Err(_) => Err(not_orchd(url, &answer, behind)),
    }
}

async fn is_refused(url: &Uri, body: Bytes, behind: &str) -> Result<(), Seen> {
    let answer = probe::ask(Method::POST, url, body).await.map_err(|why| {
        Seen::fault(format!("{url} {}", words(url, why)), format!("have the proxy pass POST {PATH} on to {behind}"))
    })?;
    if is_refusal(&answer) { Ok(()) } else { Err(not_orchd(url, &answer, behind)) }
}

/// orchd's own words: without a signature, or from an address that `webhook_allow` does not name.
fn is_refusal(answer: &Reached) -> bool {
    let title = serde_json::from_slice::<Problem>(&answer.body).map(|problem| problem.title);
    let title = title.unwrap_or_default();
    match answer.status {
        StatusCode::UNAUTHORIZED => title == "not authenticated",
        StatusCode::FORBIDDEN => title == "not allowed",
        _ => false,
    }
}

fn not_orchd(url: &Uri, answer: &Reached, behind: &str) -> Seen {
    let status = answer.status;
    if let Some(to) = answer.header(LOCATION).filter(|_| status.is_redirection()) {
        return Seen::fault(
            format!("{url} redirects ({status}) to {to}, and GitHub follows no redirect"),
            "set server.public_url and the App's webhook URL to where it leads, or take the redirect out of the proxy",
        );
    }
    Seen::fault(
        format!("{url} is not answered by orchd: {} answers {status}", answer.server()),
        format!("have the proxy pass everything on to {behind}"),
    )
}

fn too_large(url: &Uri, what: &str) -> Seen {
    Seen::fault(
        format!("a body of 1 MiB does not get through: {url} {what}"),
        "let bodies of 25 MB pass the proxy: client_max_body_size 25m in nginx, LimitRequestBody 26214400 in Apache, \
         request_body max_size 25MB in Caddy",
    )
}

fn words(url: &Uri, why: Unreached) -> String {
    match why {
        Unreached::Connection(why) => {
            let port = host_and_port(url).map_or(0, |(_, port)| port);
            format!("takes no connection on port {port}: {why}")
        }
        Unreached::Certificate(why) => format!("shows a certificate that is not trusted: {why}"),
        Unreached::Tls(why) => format!("does not speak TLS: {why}"),
        Unreached::Answer(why) => format!("gives no answer: {why}"),
    }
}
