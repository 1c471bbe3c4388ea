//! TLS to GitHub: the daemon trusts the machine's certificates, and nothing else.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use orchd_fake::NewItem;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::road::DOCS_RULE;
use crate::story::{Database, Story, WEB};

/// Ends TLS in front of a server, as a proxy would; its certificate authority is written to `authority`.
pub(crate) async fn end_tls_before(server: SocketAddr, authority: &Path) -> SocketAddr {
    end_tls_showing(server, authority, &["localhost"], |_| {}).await
}

/// As [`end_tls_before`], with a certificate for these names that is as `change` makes it.
pub(crate) async fn end_tls_showing(
    server: SocketAddr,
    authority: &Path,
    names: &[&str],
    change: impl FnOnce(&mut rcgen::CertificateParams),
) -> SocketAddr {
    let issuer_key = rcgen::KeyPair::generate().unwrap();
    let mut issuer = rcgen::CertificateParams::new([]).unwrap();
    issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(authority, issuer.self_signed(&issuer_key).unwrap().pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(issuer, issuer_key);
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut leaf = rcgen::CertificateParams::new(names).unwrap();
    change(&mut leaf);
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust the certificate ends here.
                let Ok(mut inside) = acceptor.accept(socket).await else { return };
                let Ok(mut outside) = TcpStream::connect(server).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn github_is_reached_over_tls_when_its_certificate_is_one_that_the_machine_trusts() {
    let mut story = Story::prepare(Database::Sqlite, DOCS_RULE, "").await;
    let behind = story.github.url().trim_start_matches("http://").parse().unwrap();
    let front = end_tls_before(behind, &story.path("ca.pem")).await;
    story.reach_github_at(&format!("https://localhost:{}", front.port()));
    story.write_rules(DOCS_RULE);

    // Without the authority nothing is read and nothing is changed, and the job that waits says why.
    story.start();
    let number = story.github.person("alice").opens_pull(WEB, NewItem::titled("Mend a typo").file("docs/guide.md"));
    story.wait_for("the job waits for want of trust", |story| {
        let jobs = story.json_lines(&["jobs", "list"]);
        jobs.iter().any(|job| job["last_error"].as_str().is_some_and(|error| error.contains("certificate")))
    });
    assert!(story.github.requests().is_empty());
    assert_eq!(story.stop(), Some(0));

    story.set_environment("SSL_CERT_FILE", &story.path("ca.pem"));
    story.start();
    story.settles().await;
    assert_eq!(story.github.issue(WEB, number).labels(), ["documentation"]);
}
