//! The accept loop: our own, because the limits must be.
//!
//! One task a connection, HTTP/1.1, no task a request. Whatever a client sends or fails to send is bounded: bytes and
//! number of headers, time for headers, for a whole body and for reading the answer, connections at once.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;
use warp::reply::Response;

use super::arrival::{Arrival, Peer, RequestId, Wanted, X_REQUEST_ID};
pub use super::bind::{BindError, Inherited, Listener, SocketFile};
use super::error::HttpError;
use super::headers;
use super::reply::Beside;
use super::routes::Routes;
use super::socket::Impatient;

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// Bytes of a request's line and headers. Their number is at most 100, hyper's own limit: setting another one would
    /// cost an allocation a request.
    pub header_bytes: usize,
    /// For a request's headers to arrive, and for the next request on a connection that is kept alive.
    pub header_timeout: Duration,
    /// For a client to take some of an answer that waits to be sent.
    pub write_timeout: Duration,
    /// For a request to come over a connection that is open when the daemon stops: it may be on its way already.
    pub linger: Duration,
    /// For requests in flight to finish once the daemon stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            header_bytes: 16 * 1024,
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            linger: Duration::from_millis(250),
            drain: Duration::from_secs(5),
        }
    }
}

/// Most that a connection keeps of what it has read and of what it has yet to write, in bytes. Pipelined requests are
/// not answered any further while so much waits.
const BUFFER: usize = 64 * 1024;

/// Wait after `accept` failed for want of something (file descriptors): trying again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`. Then open connections get one more answer each, if they ask within [`Limits::linger`], and requests in
/// flight finish, at most [`Limits::drain`] long.
pub async fn serve(listener: Listener, routes: Routes, limits: Limits, stop: CancellationToken) {
    let connections = Connections::new(routes, limits);
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = connections.accept(&listener) => accepted,
        };
        // Finished tasks are kept until they are joined.
        while tasks.try_join_next().is_some() {}
        match accepted {
            Ok((Socket::Tcp(socket, peer), permit)) => connections.spawn(&mut tasks, socket, peer, permit),
            Ok((Socket::Unix(socket), permit)) => {
                let uid = socket.peer_cred().ok().map(|peer| peer.uid());
                connections.spawn(&mut tasks, socket, Peer::Local { uid }, permit);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.closing.store(true, Ordering::Relaxed);
    // No new connection from here on; the file of a Unix socket goes too.
    drop(listener);
    // A request may be on its way over one that is open: closed now, it would be a delivery that GitHub counts as failed.
    let all_ended = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(limits.linger, all_ended).await;
    let open = connections.graceful.count();
    if tokio::time::timeout(limits.drain, connections.graceful.shutdown()).await.is_err() {
        tracing::warn!(open, "requests in flight did not finish in time and are cut off");
    }
    tasks.shutdown().await;
}

enum Socket {
    Tcp(tokio::net::TcpStream, Peer),
    Unix(tokio::net::UnixStream),
}

struct Connections {
    http: http1::Builder,
    routes: Routes,
    write_timeout: Duration,
    places: Arc<Semaphore>,
    graceful: GracefulShutdown,
    /// No answer is followed by another on its connection.
    closing: Arc<AtomicBool>,
}

impl Connections {
    fn new(routes: Routes, limits: Limits) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_header_size(limits.header_bytes)
            .max_buf_size(BUFFER)
            .pipeline_flush(false);
        Self {
            http,
            routes,
            write_timeout: limits.write_timeout,
            places: Arc::new(Semaphore::new(limits.connections)),
            graceful: GracefulShutdown::new(),
            closing: Arc::default(),
        }
    }

    /// The next connection, once there is a place for it.
    async fn accept(&self, listener: &Listener) -> io::Result<(Socket, OwnedSemaphorePermit)> {
        let permit = self.places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let socket = match listener {
            Listener::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                // A response must not wait for more to send. Fails only on a connection that is gone.
                let _ = socket.set_nodelay(true);
                Socket::Tcp(socket, Peer::Network(address.ip().to_canonical()))
            }
            Listener::Unix(listener, _) => Socket::Unix(listener.accept().await?.0),
        };
        Ok((socket, permit))
    }

    fn spawn<S>(&self, tasks: &mut JoinSet<()>, socket: S, peer: Peer, permit: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routes = warp::service(self.routes.clone());
        let closing = Arc::clone(&self.closing);
        let service = hyper::service::service_fn(move |request| {
            let (answer, closing) = (respond(routes.clone(), request, peer), Arc::clone(&closing));
            async move {
                let mut response = answer.await?;
                if closing.load(Ordering::Relaxed) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let socket = Impatient::new(socket, self.write_timeout);
        let connection = self.graceful.watch(self.http.serve_connection(TokioIo::new(socket), service));
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(permit);
        });
    }
}

/// One request: its id goes in and out, and an error becomes its response.
async fn respond<R>(mut routes: R, mut request: Request<Incoming>, peer: Peer) -> Result<Response, Infallible>
where
    R: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let wanted = Wanted::of(request.uri().path(), request.headers());
    let request_id = RequestId::of(request.headers());
    let delivery_id = request.headers().get("x-github-delivery").cloned();
    request.extensions_mut().insert(Arrival { peer, request_id: request_id.clone() });
    let mut response = routes.call(request).await?;
    let beside = response.extensions_mut().remove::<Beside>();
    if let Some(error) = response.extensions_mut().remove::<HttpError>() {
        error.log(&request_id, delivery_id.as_ref());
        let headers = std::mem::take(response.headers_mut());
        response = error.render(wanted, &request_id);
        headers::carry_over(&headers, response.headers_mut());
    }
    if let Some(beside) = beside {
        beside.tell(response.headers_mut());
    }
    response.headers_mut().insert(X_REQUEST_ID, request_id.into_header());
    Ok(response)
}
