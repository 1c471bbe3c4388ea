//! What ingest is compared with: the same accept loop and the same warp, the signature, and nothing behind it.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use bytes::Bytes;
use http::HeaderMap;
use orchd::github::webhook::{self, Signature};
use orchd::http::listen::{self, Limits, Listener};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use warp::Filter;
use warp::http::StatusCode;
use warp::reply::{Reply, Response};

use super::load::SECRET;

pub fn serve(port: u16) -> Result<()> {
    orchd::app::runtime()?.block_on(async {
        let secrets: &'static [SecretString] = Box::leak(Box::new([SECRET.to_owned().into()]));
        let routes = warp::path!("webhooks" / "github")
            .and(warp::post())
            .and(warp::header::headers_cloned())
            .and(warp::body::bytes())
            .map(move |headers: HeaderMap, body: Bytes| answer(secrets, &headers, body))
            .recover(|_| std::future::ready(Ok::<_, std::convert::Infallible>(StatusCode::NOT_FOUND.into_response())))
            .unify()
            .boxed();
        let listener = Listener::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        listen::serve(listener, routes, Limits::default(), CancellationToken::new()).await;
        Ok(())
    })
}

fn answer(secrets: &[SecretString], headers: &HeaderMap, body: Bytes) -> Response {
    let signature = headers.get("x-hub-signature-256").map(|value| value.as_bytes());
    match Signature::from_header(signature).and_then(|signature| webhook::verify(secrets, signature, body)) {
        Ok(_) => warp::reply::with_status("{}", StatusCode::ACCEPTED).into_response(),
        Err(_) => StatusCode::UNAUTHORIZED.into_response(),
    }
}
