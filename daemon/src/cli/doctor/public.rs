//! The address people and GitHub use: its name, and its certificate.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use http::Uri;
use http::uri::Scheme;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};

use super::probe::{self, Unreached, host_and_port};
use super::scene::Scene;
use super::{Check, Seen};

pub(super) const NAME: Check =
    Check { name: "public url", after: &[], afar: true, look: |scene| Box::pin(resolve(scene)) };

pub(super) const TLS: Check =
    Check { name: "tls", after: &["public url"], afar: true, look: |scene| Box::pin(certificate(scene)) };

/// Whoever renews certificates by itself does so earlier.
const SOON: TimeDelta = TimeDelta::days(14);

/// `server.public_url`, for the checks of what lies behind it.
pub(super) fn url(scene: &Scene) -> Option<Uri> {
    scene.config.server.public_url.as_ref()?.parse().ok()
}

/// What is said where there is none.
pub(super) const NONE: &str = "server.public_url is not set";

async fn resolve(scene: &Scene) -> Seen {
    let Some(url) = url(scene) else {
        let told = format!("{NONE}: nobody can sign in, and the webhook cannot be looked at from here");
        return Seen::warning(told, "set server.public_url to https://HOST, where GitHub reaches this daemon");
    };
    let Some((host, port)) = host_and_port(&url) else { return Seen::skipped("server.public_url names no host") };
    match probe::resolve(&host, port).await {
        Ok(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            Seen::well(format!("{host} is {}", addresses.join(", ")))
        }
        Err(why) => Seen::fault(
            format!("the name {host} does not resolve: {why}"),
            format!(
                "make an A or AAAA record for {host} that leads to this machine or its proxy, or mend server.public_url"
            ),
        ),
    }
}

async fn certificate(scene: &Scene) -> Seen {
    let Some(url) = url(scene) else { return Seen::skipped(NONE) };
    let Some((host, port)) = host_and_port(&url) else { return Seen::skipped("server.public_url names no host") };
    if url.scheme() != Some(&Scheme::HTTPS) {
        return Seen::warning(
            format!("{url} is not https: deliveries and sessions travel in clear"),
            "put a proxy with a certificate before orchd and set server.public_url to its https:// address",
        );
    }
    match probe::certificate(&url).await {
        Ok(Some(shown)) => judge(&host, &shown, Utc::now()),
        Ok(None) => Seen::skipped("no certificate was shown"),
        Err(Unreached::Certificate(why)) => refused(&host, &why),
        Err(Unreached::Connection(why)) => Seen::fault(
            format!("{host} takes no connection on port {port}: {why}"),
            format!("start the proxy that listens on {port}, and let port {port} in (firewall, port forwarding)"),
        ),
        Err(Unreached::Tls(why) | Unreached::Answer(why)) => Seen::fault(
            format!("{host}:{port} does not speak TLS: {why}"),
            format!("end TLS in the proxy on {host}:{port}; openssl s_client -connect {host}:{port} says more"),
        ),
    }
}

fn judge(host: &str, shown: &CertificateDer<'_>, now: DateTime<Utc>) -> Seen {
    let Some(ends) = ends_at(shown) else {
        return Seen::well(format!("the certificate of {host} is trusted"));
    };
    let days = (ends - now).num_days();
    let day = ends.format("%Y-%m-%d");
    if ends - now < SOON {
        let told = format!("the certificate of {host} ends in {days} days, on {day}");
        return Seen::warning(told, format!("renew it (certbot renew, or see why your proxy has not): {host}"));
    }
    Seen::well(format!("the certificate of {host} is trusted, and good for {days} days more"))
}

fn refused(host: &str, why: &CertificateError) -> Seen {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Seen::fault(
            format!("the certificate of {host} has expired"),
            format!("renew it (certbot renew, or see why your proxy has not) and reload the proxy: {host}"),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Seen::fault(
            format!("the certificate of {host} is not valid yet"),
            "see this machine's clock (timedatectl) and the certificate's first day",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Seen::fault(
            format!("the certificate that {host} shows is for another name"),
            format!("get one for {host} (certbot -d {host}), or set server.public_url to the name it is for"),
        ),
        // An authority that is called as a known one is, and is another.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Seen::fault(
            format!("the certificate of {host} is from nobody this machine trusts: GitHub would trust it no more"),
            "get one from a public authority (certbot, Caddy), and have the proxy send the whole chain (fullchain.pem)",
        ),
        other => Seen::fault(
            format!("the certificate of {host} is not trusted: {other}"),
            format!("get another one for {host} (certbot -d {host}) and reload the proxy"),
        ),
    }
}

/// The last moment of a certificate. What verifies certificates tells it when it is asked about a time long after.
fn ends_at(shown: &CertificateDer<'_>) -> Option<DateTime<Utc>> {
    /// Year 9999: no certificate of a website is good for so long.
    const LONG_AFTER: u64 = 253_370_764_800;
    let mut roots = RootCertStore::empty();
    // Never got to: how long it is good for is looked at first.
    roots.add(shown.clone().into_owned()).ok()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
    let then = UnixTime::since_unix_epoch(std::time::Duration::from_secs(LONG_AFTER));
    let any = ServerName::try_from("orchd.invalid").ok()?;
    match verifier.verify_server_cert(shown, &[], &any, &[], then) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            DateTime::from_timestamp(i64::try_from(not_after.as_secs()).ok()?, 0)
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;

    fn made(year: i32, month: u8, day: u8) -> CertificateDer<'static> {
        let mut params = rcgen::CertificateParams::new(["orchd.example.com".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_that_ends_within_a_fortnight_is_worth_a_look() {
        let now: DateTime<Utc> = "2026-03-01T00:00:00Z".parse().unwrap();
        let far = judge("orchd.example.com", &made(2026, 5, 30), now);
        assert_eq!((far.state, far.told.contains("90 days")), (State::Well, true), "{}", far.told);
        let near = judge("orchd.example.com", &made(2026, 3, 6), now);
        assert_eq!(near.state, State::Warning);
        assert_eq!(near.told, "the certificate of orchd.example.com ends in 5 days, on 2026-03-06");
    }
}
