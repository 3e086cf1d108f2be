//! The server's figures in the text format of Prometheus (OpenMetrics 1.0), over HTTP, on this machine alone.
//!
//! Bounded: the connections at once, the bytes and lines of a request's head, and the time that one connection has. A connection has
//! one request. Labels take values from closed lists: protocols, codecs of the registry, kinds of path and of refusal.

use std::{convert::Infallible, fmt, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{Node, ServerStats};

/// Connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 4;
/// The longest head of a request: hyper takes no less for its buffer.
const MAX_HEAD: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;
/// For the head, and for the whole of a connection.
const HEAD_TIME: Duration = Duration::from_secs(5);
const WHOLE_TIME: Duration = Duration::from_secs(10);
/// Before the next attempt, when the system has no connection to give.
const RETRY: Duration = Duration::from_secs(1);
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The figures at an instant, by their names.
#[derive(Debug)]
struct Figures(ServerStats);

impl Collector for Figures {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let it = &self.0;
        let gauges = [
            ("peers", "Peers connected now", it.peers as u64),
            ("cache_chunks", "Encoded chunks that are kept", it.cache.chunks as u64),
            ("cache_bytes", "Bytes of encoded chunks that are kept", it.cache.bytes as u64),
            ("disk_cache_bytes", "Bytes of encoded chunks on disk", it.disk.bytes),
        ];
        for (name, help, value) in gauges {
            ConstGauge::new(value).encode(to.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let counters = [
            ("peers_served", "Peers that were connected", it.peers_served),
            ("peers_turned_away", "Peers for which there was no room", it.peers_turned_away),
            ("sent_bytes", "Bytes of answers handed to the transport", it.bytes_sent),
            ("chunks_encoded", "Chunks encoded", it.encoder.encoded),
            ("chunks_encoded_ahead", "Those of them that nobody had asked for yet", it.encoder.ahead),
            ("chunks_failed", "Chunks that could not be encoded", it.encoder.failed),
            ("cache_hits", "Chunks answered from the cache", it.cache.hits),
            ("cache_misses", "Chunks that were not in the cache", it.cache.misses),
            ("cache_evictions", "Chunks that made room for others", it.cache.evictions),
            ("disk_cache_hits", "Chunks read from disk and not encoded", it.disk.hits),
            ("disk_cache_misses", "Chunks looked for on disk and not found whole", it.disk.misses),
            ("disk_cache_writes", "Chunks written to disk", it.disk.writes),
            ("disk_cache_unwritten", "Chunks that could not be written to disk", it.disk.unwritten),
            ("disk_cache_evictions", "Chunks on disk that made room for others", it.disk.evictions),
            ("disk_cache_damaged", "Chunks on disk that were not what was written", it.disk.damaged),
        ];
        for (name, help, value) in counters {
            ConstCounter::new(value).encode(to.encode_descriptor(
                name,
                help,
                None,
                MetricType::Counter,
            )?)?;
        }
        let (name, help) = ("encode", "Time of the encoder threads in chunks");
        let seconds = to.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Counter)?;
        ConstCounter::new(it.encode_time.as_secs_f64()).encode(seconds)?;
        self.families(&mut to)
    }
}

impl Figures {
    /// What has labels.
    fn families(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let it = &self.0;
        let requests = [
            ("list", it.requests.list),
            ("get_info", it.requests.get_info),
            ("request_chunk", it.requests.request_chunk),
            ("unknown", it.requests.unknown),
        ];
        let mut family =
            to.encode_descriptor("requests", "Requests that came in", None, MetricType::Counter)?;
        for (protocol, count) in requests {
            ConstCounter::new(count).encode(family.encode_family(&[("protocol", protocol)])?)?;
        }
        let mut family = to.encode_descriptor("refusals", "Requests refused", None, MetricType::Counter)?;
        for (kind, count) in &it.refusals {
            ConstCounter::new(*count).encode(family.encode_family(&[("kind", *kind)])?)?;
        }
        let help = "Bytes of chunks handed to the transport";
        let mut family = to.encode_descriptor("chunk_bytes", help, None, MetricType::Counter)?;
        for sent in &it.chunk_bytes {
            let labels = [("codec", sent.codec.as_str()), ("path", sent.path)];
            ConstCounter::new(sent.bytes).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn page(stats: ServerStats) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("media_node");
    registry.register_collector(Box::new(Figures(stats)));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(page)
}

/// Answers until the node stops.
pub(super) async fn serve(node: Arc<Node>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut stopping = node.stopping.subscribe();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|it| *it) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let node = Arc::clone(&node);
                tokio::spawn(async move {
                    let _ = timeout(WHOLE_TIME, attend(node, stream)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("metrics: {error}");
                sleep(RETRY).await;
            }
        }
    }
}

async fn attend(node: Arc<Node>, stream: TcpStream) {
    let service = service_fn(|request| {
        let answer = answer(&node, &request);
        async { answer }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("metrics: {error}");
    }
}

fn answer(node: &Node, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else if request.method() != Method::GET {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET"));
    } else if let Ok(page) = page(node.stats()) {
        response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(FORMAT));
        *response.body_mut() = Full::new(page.into());
    } else {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}

/// Takes the address.
///
/// # Errors
/// When it is not this machine's alone, or is taken.
pub(super) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        let message = "the figures are for this machine alone: name an address such as 127.0.0.1:9190";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
    }
    TcpListener::bind(address).await
}
