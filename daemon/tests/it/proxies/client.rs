//! Who comes through a proxy: from an address of its own, over TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Response};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use uuid::Uuid;

use super::server::{Front, NAME};
use crate::site::signature;

/// Longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Client<'a> {
    front: &'a Front,
    from: Ipv4Addr,
    http: reqwest::Client,
}

impl<'a> Client<'a> {
    /// At 127.0.0.`last`. The proxy talks to the daemon from 127.0.0.1.
    pub fn from(front: &'a Front, last: u8) -> Self {
        let from = Ipv4Addr::new(127, 0, 0, last);
        let authority = Certificate::from_pem(front.authority.as_bytes()).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([authority])
            .resolve(NAME, front.address)
            .local_address(std::net::IpAddr::from(from))
            // Each request on a connection of its own: an answer before the whole body may end one.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none());
        Self { front, from, http: http.build().unwrap() }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.front.address.port())
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(self.url(path)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// A signed delivery with these headers more; gives the status.
    pub async fn delivers(&self, body: String, more: &[(&str, &str)]) -> u16 {
        let mut request = self.http.post(self.url("/webhooks/github"));
        for (name, value) in delivery_headers(body.as_bytes()) {
            request = request.header(name, value);
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        request.body(body).send().await.unwrap().status().as_u16()
    }

    /// Server-sent events.
    pub async fn listens(&self, path: &str, key: &str) -> Page {
        let answer = self.http.get(self.url(path)).bearer_auth(key).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Page { answer, text: String::new() }
    }

    async fn connects(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((self.from, 0))).unwrap();
        let socket = socket.connect(self.front.address).await.unwrap();
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_slice(self.front.authority.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut config = config.with_root_certificates(trusted).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME).unwrap(), socket).await.unwrap()
    }

    /// A signed delivery that may be refused before it was sent whole; `said`: how large it is.
    pub async fn delivers_too_much(&self, body: String, said: bool) -> Option<u16> {
        let (mut reading, mut writing) = tokio::io::split(self.connects(&[b"http/1.1"]).await);
        let length =
            if said { format!("Content-Length: {}", body.len()) } else { "Transfer-Encoding: chunked".to_owned() };
        let head = head(body.as_bytes(), &length);
        let writer = tokio::spawn(async move {
            writing.write_all(head.as_bytes()).await?;
            for chunk in body.as_bytes().chunks(64 * 1024) {
                if !said {
                    writing.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
                }
                writing.write_all(chunk).await?;
                if !said {
                    writing.write_all(b"\r\n").await?;
                }
            }
            if !said {
                writing.write_all(b"0\r\n\r\n").await?;
            }
            writing.flush().await
        });
        let status = status_of(&mut reading).await;
        writer.abort();
        status
    }

    /// A signed delivery, some bytes at a time, for as long as somebody takes them. `None`: cut off without an answer.
    pub async fn drips(&self, body: &[u8]) -> Option<u16> {
        let (mut reading, mut writing) = tokio::io::split(self.connects(&[b"http/1.1"]).await);
        let head = head(body, &format!("Content-Length: {}", body.len()));
        let body = body.to_vec();
        let writer = tokio::spawn(async move {
            writing.write_all(head.as_bytes()).await?;
            for chunk in body.chunks(10) {
                writing.write_all(chunk).await?;
                writing.flush().await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok::<_, std::io::Error>(())
        });
        let status = status_of(&mut reading).await;
        writer.abort();
        status
    }
}

fn delivery_headers(body: &[u8]) -> [(&'static str, String); 4] {
    [
        ("content-type", "application/json".to_owned()),
        ("x-github-event", "issues".to_owned()),
        ("x-github-delivery", Uuid::new_v4().to_string()),
        ("x-hub-signature-256", signature(body)),
    ]
}

fn head(body: &[u8], length: &str) -> String {
    let headers: String = delivery_headers(body).iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("POST /webhooks/github HTTP/1.1\r\nHost: {NAME}\r\n{headers}{length}\r\n\r\n")
}

/// Of the first answer; `None`: the connection ended before one.
async fn status_of(reading: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<u16> {
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
        match timeout(PATIENCE, reading.read(&mut piece)).await.expect("neither an answer nor an end") {
            Ok(count @ 1..) => seen.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
    String::from_utf8_lossy(&seen).split(' ').nth(1)?.parse().ok()
}

/// What proxy and client speak when the client can do both.
pub async fn agreed_protocol(front: &Front) -> Option<Vec<u8>> {
    let connected = Client::from(front, 2).connects(&[b"h2", b"http/1.1"]).await;
    connected.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
}

/// A live page, and what it was told.
pub struct Page {
    answer: Response,
    text: String,
}

impl Page {
    /// Reads until something was told.
    pub async fn until(&mut self, words: &str) {
        while !self.text.contains(words) {
            let chunk = timeout(PATIENCE, self.answer.chunk()).await.expect("nothing is told").unwrap();
            self.text += std::str::from_utf8(&chunk.expect("it goes on")).unwrap();
        }
    }
}
