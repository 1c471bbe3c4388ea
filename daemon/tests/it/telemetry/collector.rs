//! A collector of traces: takes OTLP over HTTP as protobuf, and keeps what it got.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Takes,
    /// Takes the connection and never answers.
    Hangs,
}

/// What it got.
#[derive(Default)]
pub(super) struct Got {
    pub(super) spans: Vec<Span>,
    /// Heads and bodies, as they came.
    pub(super) raw: Vec<u8>,
}

pub(super) struct Collector {
    pub(super) url: String,
    got: Arc<Mutex<Got>>,
}

impl Collector {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let got: Arc<Mutex<Got>> = Arc::default();
        let kept = Arc::clone(&got);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, manner, Arc::clone(&kept)));
            }
        });
        Self { url, got }
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&Got) -> T) -> T {
        look(&self.got.lock().unwrap())
    }

    /// The spans of one trace.
    pub(super) fn trace(&self, event: &str) -> Vec<Span> {
        let id = event.replace('-', "");
        self.with(|got| got.spans.iter().filter(|span| hex(&span.trace_id) == id).cloned().collect())
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, got: Arc<Mutex<Got>>) {
    let mut read = Vec::new();
    loop {
        let mut more = [0; 16 * 1024];
        let new = match stream.read(&mut more).await {
            Ok(0) | Err(_) => return,
            Ok(bytes) => &more[..bytes],
        };
        read.extend_from_slice(new);
        got.lock().unwrap().raw.extend_from_slice(new);
        if manner == Manner::Hangs {
            continue;
        }
        let Some(head) = read.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8(read[..head].to_vec()).unwrap().to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap().trim();
        let end = head + 4 + length.parse::<usize>().unwrap();
        if read.len() < end {
            continue;
        }
        assert!(text.starts_with("post /v1/traces "), "{text}");
        let request = ExportTraceServiceRequest::decode(&read[head + 4..end]).unwrap();
        let spans = request.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans);
        got.lock().unwrap().spans.extend(spans);
        read.drain(..end);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An attribute of a span, as text.
pub(super) fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(flag) => Some(flag.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}
