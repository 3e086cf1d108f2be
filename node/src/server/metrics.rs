//! The server's statistics over HTTP in the text format of Prometheus (OpenMetrics 1.0), for this machine
//! only.
//!
//! Limited are the connections at once, the bytes and lines of a request's head, and the time of a connection.
//! Each connection serves one request. All labels come from fixed lists, so their number is bounded: protocols,
//! codecs of the registry, kinds of path, refusal codes.

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
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

use super::stats::ServerStats;
use crate::files::accept_problem;

/// Greatest number of connections at once. Further ones wait in the system's queue. One scraper uses one.
const MAX_CONNECTIONS: usize = 4;
/// Longest head of a request, in bytes. hyper accepts no smaller buffer.
const MAX_HEAD: usize = 8 * 1024;
/// Greatest number of header lines of a request.
const MAX_HEADERS: usize = 64;
/// Time within which a request's head must arrive. Tested by `a_connection_without_a_request_ends_after_5_s`.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit of a whole connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after an error of `accept`, for example when the process has no file descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);
/// Media type of the page.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The statistics at one instant, as Prometheus metrics.
#[derive(Debug)]
struct Metrics(ServerStats);

impl Collector for Metrics {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = &self.0;
        let gauges = [
            ("peers", "Connected peers", stats.peers as u64),
            ("cache_chunks", "Encoded chunks in memory", stats.cache.chunks as u64),
            ("cache_bytes", "Bytes of encoded chunks in memory", stats.cache.bytes as u64),
            ("disk_cache_bytes", "Bytes of encoded chunks on disk", stats.disk.bytes),
        ];
        for (name, help, value) in gauges {
            ConstGauge::new(value).encode(to.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let counters = [
            ("peers_served", "Peers that connected", stats.peers_served),
            ("peers_turned_away", "Peers turned away because the node was full", stats.peers_turned_away),
            ("sent_bytes", "Bytes of answers handed to the transport", stats.bytes_sent),
            ("chunks_encoded", "Chunks encoded", stats.encoder.encoded),
            ("chunks_encoded_ahead", "Chunks encoded before a request", stats.encoder.ahead),
            ("chunks_failed", "Chunks that could not be encoded", stats.encoder.failed),
            ("cache_hits", "Chunks answered from memory", stats.cache.hits),
            ("cache_misses", "Chunks not found in memory", stats.cache.misses),
            ("cache_evictions", "Chunks removed from memory to make room", stats.cache.evictions),
            ("disk_cache_hits", "Chunks read from disk instead of encoded", stats.disk.hits),
            ("disk_cache_misses", "Chunks missing or damaged on disk", stats.disk.misses),
            ("disk_cache_writes", "Chunks written to disk", stats.disk.writes),
            (
                "disk_cache_unwritten",
                "Chunks not written to disk because it was full or slow",
                stats.disk.unwritten,
            ),
            ("disk_cache_evictions", "Chunks removed from disk to make room", stats.disk.evictions),
            ("disk_cache_damaged", "Damaged chunks removed from disk", stats.disk.damaged),
        ];
        for (name, help, value) in counters {
            ConstCounter::new(value).encode(to.encode_descriptor(
                name,
                help,
                None,
                MetricType::Counter,
            )?)?;
        }
        let help = "Time that encoder threads spent on chunks";
        let seconds = to.encode_descriptor("encode", help, Some(&Unit::Seconds), MetricType::Counter)?;
        ConstCounter::new(stats.encode_time.as_secs_f64()).encode(seconds)?;
        self.encode_families(&mut to)
    }
}

impl Metrics {
    /// Encodes the metrics with labels.
    fn encode_families(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let stats = &self.0;
        let requests = [
            ("list", stats.requests.list),
            ("get_info", stats.requests.get_info),
            ("request_chunk", stats.requests.request_chunk),
            ("unknown", stats.requests.unknown),
        ];
        let mut family = to.encode_descriptor("requests", "Requests received", None, MetricType::Counter)?;
        for (protocol, count) in requests {
            ConstCounter::new(count).encode(family.encode_family(&[("protocol", protocol)])?)?;
        }
        let mut family = to.encode_descriptor("refusals", "Requests refused", None, MetricType::Counter)?;
        for (kind, count) in &stats.refusals {
            ConstCounter::new(*count).encode(family.encode_family(&[("kind", *kind)])?)?;
        }
        let help = "Bytes of chunks handed to the transport";
        let mut family = to.encode_descriptor("chunk_bytes", help, None, MetricType::Counter)?;
        for sent in &stats.chunk_bytes {
            let labels = [("codec", sent.codec.as_str()), ("path", sent.path)];
            ConstCounter::new(sent.bytes).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn page(stats: ServerStats) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("media_node");
    registry.register_collector(Box::new(Metrics(stats)));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(page)
}

/// Answers each request with what `stats` returns at that moment, until `stopping` becomes true.
pub(super) async fn serve(
    stats: impl Fn() -> ServerStats + Send + Sync + 'static,
    mut stopping: watch::Receiver<bool>,
    listener: TcpListener,
) {
    let stats = Arc::new(stats);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let stats = Arc::clone(&stats);
                tokio::spawn(async move {
                    let _ = timeout(CONNECTION_TIMEOUT, serve_connection(stats.as_ref(), stream)).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!("the address of the metrics takes no connection: {}", accept_problem(&error));
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve_connection(stats: &impl Fn() -> ServerStats, stream: TcpStream) {
    let service = service_fn(|request| {
        let answer = answer(stats, &request);
        async { answer }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("metrics: {error}");
    }
}

fn answer(
    stats: &impl Fn() -> ServerStats,
    request: &Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else if request.method() != Method::GET {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET"));
    } else if let Ok(page) = page(stats()) {
        response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(FORMAT));
        *response.body_mut() = Full::new(page.into());
    } else {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}

/// Listens on the address.
///
/// # Errors
/// If it is not a loopback address, or is in use.
pub(super) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        let message =
            "metrics are served on this machine only: use a loopback address such as 127.0.0.1:9190";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
    }
    TcpListener::bind(address).await
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, time::Instant};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_ends_after_5_s() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = watch::Sender::new(false);
        let serving = tokio::spawn(serve(ServerStats::default, stopping.subscribe(), listener));
        let began = Instant::now();
        let mut connection = TcpStream::connect(address).await.unwrap();
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer).await;
        assert_eq!(began.elapsed().as_secs(), 5, "{}", String::from_utf8_lossy(&answer));
        stopping.send_replace(true);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn another_address_than_loopback_is_refused() {
        let error = bind("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}
