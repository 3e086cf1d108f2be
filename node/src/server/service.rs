//! Answers to list, search, info and chunk requests for any caller, with the quotas of each caller.
//!
//! The service knows neither connections nor streams. Any code with a [`Caller`] can use it: the session of a
//! peer, or other code of this node through [`LocalLibrary`], which is a [`Provider`].

use std::sync::{Arc, atomic::AtomicBool};

use bytes::Bytes;
use media_plugin_host::Registry;
use media_plugin_sdk::transport::BoxFuture;
use media_protocol::{
    ChunkIndex, ChunkRequest, ErrorCode, GetInfo, Info, List, ListPage, PathKind, Rendition, RenditionId,
    WireError,
    chunk::{self, ChunkEvent, ChunkReader},
};

use super::{
    caller::Caller,
    chunk_encoder::{ChunkEncoder, ChunkStream},
    config::ServerConfig,
    disk_slots::DiskSlots,
    negotiate::{self, rendition_bounds::RenditionBounds},
    openings::Openings,
    send_quota::{SendQuota, SendReservation},
    stats::{ServerCounters, ServerStats},
};
use crate::{
    access::{AccessRefusal, Grant, Right},
    library::{Catalog, ChunkPackets, Provider, ProviderError, Scope, provider, unknown_track},
};

/// The tracks of this machine, for any number of callers.
pub struct Service {
    config: ServerConfig,
    registry: Arc<Registry>,
    catalog: Arc<Catalog>,
    encoder: ChunkEncoder,
    counters: Arc<ServerCounters>,
    send_quota: Arc<SendQuota>,
    list_slots: DiskSlots,
    openings: Arc<Openings>,
}

impl Service {
    /// Starts the encoder threads and the disk cache.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(super) fn start(
        config: ServerConfig,
        registry: Arc<Registry>,
        catalog: Arc<Catalog>,
    ) -> std::io::Result<Self> {
        let encoder = ChunkEncoder::start(
            config.encoders,
            config.cache,
            config.disk_cache.as_ref(),
            Arc::clone(&registry),
            Arc::clone(&catalog),
        )?;
        Ok(Self {
            config,
            registry,
            catalog,
            encoder,
            counters: Arc::default(),
            send_quota: Arc::default(),
            list_slots: DiskSlots::new(),
            openings: Arc::new(Openings::new()),
        })
    }

    /// This library as a [`Provider`]. Its requests count towards the quotas of `caller`.
    #[must_use]
    pub fn for_caller(self: &Arc<Self>, caller: Caller) -> LocalLibrary {
        LocalLibrary { service: Arc::clone(self), caller }
    }

    /// Returns a page of the tracks that the caller may see, or of those that match [`List::search`].
    ///
    /// # Errors
    /// `BadRequest` for a search over [`List::MAX_SEARCH`] bytes; the refusals of [`Grant::check`].
    pub(super) async fn list(self: &Arc<Self>, caller: &Caller, list: List) -> Result<ListPage, WireError> {
        let page = if list.search.len() > List::MAX_SEARCH {
            let message = format!("the search is over {} bytes", List::MAX_SEARCH);
            Err(WireError::new(ErrorCode::BadRequest, message))
        } else {
            match caller.grant().check(Right::Listen) {
                Err(refusal) => Err(refused(&refusal)),
                Ok(()) => {
                    let (catalog, scope) = (Arc::clone(&self.catalog), self.scope(caller));
                    let page = self.list_slots.run(caller, move || catalog.list_in(&list, &scope)).await;
                    page.map_err(|_| failed())
                }
            }
        };
        self.counted(page)
    }

    /// Opens a track that the caller may see, and chooses its rendition within the caller's bounds. Ignores
    /// [`GetInfo::then_chunk_at`].
    ///
    /// # Errors
    /// `UnknownTrack`, `Unreadable`, `NoCommonCodec`, `BadRequest`; `Internal` if the request failed in this node; the refusals of
    /// [`Grant::check`].
    pub(super) async fn info(self: &Arc<Self>, caller: &Caller, request: GetInfo) -> Result<Info, WireError> {
        if let Err(refusal) = caller.grant().check(Right::Listen) {
            return self.counted(Err(refused(&refusal)));
        }
        // Callers with other scopes share the opening.
        let scope = self.scope(caller);
        if scope != Scope::All && !self.catalog.contains(&request.track, &scope) {
            return self.counted(Err(unknown_track(&request.track)));
        }
        let bounds = RenditionBounds::of(caller.grant());
        let catalog = Arc::clone(&self.catalog);
        let id = request.track.clone();
        let open = move |cancelled: &Arc<AtomicBool>| catalog.open(&id, cancelled);
        let track = self.openings.open(caller, &request.track, open).await;
        let info = track.and_then(|track| {
            let options = &self.config.codec_options;
            negotiate::choose(&self.registry, options, &request, track.track(), track.facts(), bounds)
        });
        self.counted(info)
    }

    /// Requests a chunk and returns at once. The answer delivers the chunk's bytes as they are encoded, with the loss part if
    /// `report_loss`. If the request itself is refused, the refusal can come in the answer's bytes.
    ///
    /// # Errors
    /// `Busy` if the caller exceeds its share of bytes being sent, or too many chunks wait to be encoded;
    /// `UnknownTrack` and `OutOfScope` for a track or a rendition beyond the caller's bounds; the refusals of
    /// [`Grant::check`].
    pub(super) fn chunk(
        self: &Arc<Self>,
        caller: &Caller,
        request: &ChunkRequest,
        report_loss: bool,
    ) -> Result<ChunkAnswer, WireError> {
        let permitted = self.permit_chunk(caller, &request.rendition);
        let bytes = negotiate::chunk_bytes(&self.registry, &request.rendition);
        let reservation = permitted.and_then(|()| self.send_quota.reserve(caller, bytes));
        let answer = reservation.and_then(|reservation| {
            // A chunk in the cache outlives its file.
            let is_ready = self.encoder.is_cached(request) || self.catalog.is_open(&request.rendition.track);
            let stream = if is_ready {
                AnswerStream::Encoder(self.encoder.request(caller, request)?.reporting_loss(report_loss))
            } else {
                AnswerStream::Opening(self.open_and_request(caller, request, report_loss))
            };
            let (counters, grant) = (Arc::clone(&self.counters), caller.grant().clone());
            Ok(ChunkAnswer { stream, grant, counters, has_ended: false, _reservation: reservation })
        });
        self.counted(answer)
    }

    /// Opens the chunk's track before the chunk is queued, so that no encoder thread waits for an opening.
    fn open_and_request(
        self: &Arc<Self>,
        caller: &Caller,
        request: &ChunkRequest,
        report_loss: bool,
    ) -> BoxFuture<'static, Result<ChunkStream, WireError>> {
        let service = Arc::clone(self);
        let caller = caller.clone();
        let request = request.clone();
        Box::pin(async move {
            let catalog = Arc::clone(&service.catalog);
            let id = request.rendition.track.clone();
            let open = move |cancelled: &Arc<AtomicBool>| catalog.open(&id, cancelled);
            service.openings.open(&caller, &request.rendition.track, open).await?;
            Ok(service.encoder.request(&caller, &request)?.reporting_loss(report_loss))
        })
    }

    /// Queues a chunk that the caller will probably request soon, if the caller may request it. An encoder thread takes it once
    /// no requested chunk waits.
    pub(super) fn encode_ahead(&self, caller: &Caller, request: ChunkRequest) {
        if self.permit_chunk(caller, &request.rendition).is_ok() {
            self.encoder.encode_ahead(request);
        }
    }

    /// Checks that the caller may request chunks of this rendition.
    fn permit_chunk(&self, caller: &Caller, rendition: &RenditionId) -> Result<(), WireError> {
        caller.grant().check(Right::Listen).map_err(|refusal| refused(&refusal))?;
        let scope = self.scope(caller);
        if scope != Scope::All && !self.catalog.contains(&rendition.track, &scope) {
            return Err(unknown_track(&rendition.track));
        }
        let bounds = RenditionBounds::of(caller.grant());
        let permitted = bounds.check_id(&self.registry, rendition);
        permitted.map_err(|reason| refused(&AccessRefusal::OutOfScope(reason)))
    }

    /// The tracks that the caller may see.
    fn scope(&self, caller: &Caller) -> Scope {
        self.catalog.scope(&caller.grant().bounds().folders)
    }

    /// True if this node has the codec.
    pub(super) fn has_codec(&self, id: &str) -> bool {
        self.registry.codec(id).is_ok()
    }

    pub(super) fn config(&self) -> &ServerConfig {
        &self.config
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(super) fn counters(&self) -> &ServerCounters {
        &self.counters
    }

    /// The statistics, without the number of connected peers.
    pub(super) fn stats(&self) -> ServerStats {
        let (encoder, cache, disk) = self.encoder.stats();
        let encode_time = self.encoder.encode_time();
        ServerStats { encode_time, encoder, cache, disk, ..self.counters.snapshot() }
    }

    /// Refuses the chunks that wait, and lets the encoder threads end.
    pub(super) fn stop(&self) {
        self.encoder.stop();
    }

    /// Counts the refusal, if the answer is one.
    fn counted<T>(&self, answer: Result<T, WireError>) -> Result<T, WireError> {
        answer.inspect_err(|error| self.counters.refusal(error.code))
    }
}

fn failed() -> WireError {
    WireError::new(ErrorCode::Internal, "the node failed at this request; see its log")
}

/// The refusal of a grant, as the wire carries it.
pub(super) fn refused(refusal: &AccessRefusal) -> WireError {
    WireError::new(ErrorCode::from(refusal.code()), refusal.to_string())
}

/// One chunk for one caller, as it goes over the wire. Holds its reservation in the send quota until it is dropped.
pub(super) struct ChunkAnswer {
    stream: AnswerStream,
    grant: Grant,
    counters: Arc<ServerCounters>,
    has_ended: bool,
    _reservation: SendReservation,
}

impl ChunkAnswer {
    /// Returns the next bytes as soon as they are encoded; `None` at the end. Counts them for the caller's quota; a refusal
    /// takes the place of bytes over it. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        if self.has_ended {
            return None;
        }
        if let AnswerStream::Opening(opening) = &mut self.stream {
            match opening.await {
                Ok(stream) => self.stream = AnswerStream::Encoder(stream),
                Err(error) => {
                    self.has_ended = true;
                    self.counters.refusal(error.code);
                    return Some(chunk::refusal(&error));
                }
            }
        }
        let AnswerStream::Encoder(stream) = &mut self.stream else { return None };
        let Some(bytes) = stream.next().await else {
            self.has_ended = true;
            if let Some(code) = stream.refused() {
                self.counters.refusal(code);
            }
            return None;
        };
        // The pieces of a stream end between packets, where a refusal can stand.
        match self.grant.charge(bytes.len()) {
            Ok(()) => Some(bytes),
            Err(refusal) => {
                self.has_ended = true;
                let error = refused(&refusal);
                self.counters.refusal(error.code);
                Some(chunk::refusal(&error))
            }
        }
    }
}

/// Origin of a chunk's bytes.
enum AnswerStream {
    /// The track is being opened. Then the chunk is requested from the encoder.
    Opening(BoxFuture<'static, Result<ChunkStream, WireError>>),
    Encoder(ChunkStream),
}

/// The tracks of this machine as a [`Provider`], for one caller.
#[derive(Clone)]
pub struct LocalLibrary {
    service: Arc<Service>,
    caller: Caller,
}

impl Provider for LocalLibrary {
    fn list(&self, offset: u32, limit: u32) -> BoxFuture<'_, provider::Result<ListPage>> {
        self.search("", offset, limit)
    }

    fn search<'a>(
        &'a self,
        text: &'a str,
        offset: u32,
        limit: u32,
    ) -> BoxFuture<'a, provider::Result<ListPage>> {
        let list = List { offset, limit, search: text.to_owned(), detail: false };
        Box::pin(async move { Ok(self.service.list(&self.caller, list).await?) })
    }

    fn search_detail<'a>(
        &'a self,
        text: &'a str,
        offset: u32,
        limit: u32,
    ) -> BoxFuture<'a, provider::Result<ListPage>> {
        let list = List { offset, limit, search: text.to_owned(), detail: true };
        Box::pin(async move { Ok(self.service.list(&self.caller, list).await?) })
    }

    fn info<'a>(&'a self, request: &'a GetInfo) -> BoxFuture<'a, provider::Result<Info>> {
        let mut request = request.clone();
        if request.path.kind == PathKind::Unknown {
            request.path.kind = PathKind::Memory;
        }
        Box::pin(async move { Ok(self.service.info(&self.caller, request).await?) })
    }

    fn chunk<'a>(
        &'a self,
        rendition: &'a Rendition,
        index: ChunkIndex,
    ) -> BoxFuture<'a, provider::Result<Box<dyn ChunkPackets>>> {
        Box::pin(async move {
            let request = ChunkRequest { rendition: rendition.id.clone(), index };
            let answer = self.service.chunk(&self.caller, &request, false)?;
            let following = std::iter::successors(index.next(), |index| index.next());
            let following = following.take_while(|index| index.0 < rendition.chunks);
            for index in following.take(self.service.config.encode_ahead as usize) {
                self.service.encode_ahead(&self.caller, ChunkRequest { index, ..request.clone() });
            }
            let frames = rendition.frames_in(index);
            let reader = ChunkReader::new(index, frames, rendition.max_chunk_bytes());
            let packets: Box<dyn ChunkPackets> = Box::new(LocalPackets { answer, reader });
            Ok(packets)
        })
    }
}

struct LocalPackets {
    answer: ChunkAnswer,
    reader: ChunkReader,
}

impl ChunkPackets for LocalPackets {
    fn next(&mut self) -> BoxFuture<'_, provider::Result<Option<Bytes>>> {
        Box::pin(async move {
            loop {
                while let Some(event) = self.reader.next()? {
                    if let ChunkEvent::Packet(packet) = event {
                        return Ok(Some(packet));
                    }
                }
                if self.reader.is_done() {
                    return Ok(None);
                }
                let stopped = || ProviderError::Unreachable("the node is stopping".into());
                self.reader.push(self.answer.next().await.ok_or_else(stopped)?);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use tokio::task::{JoinSet, yield_now};

    use super::*;
    use crate::plugins;

    #[tokio::test]
    async fn listing_does_not_wait_for_openings() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::recall(&[folder.path().to_owned()], false, None).unwrap();
        let config = ServerConfig { encoders: 1, ..ServerConfig::default() };
        let service = Arc::new(Service::start(config, plugins::registry(), Arc::new(catalog)).unwrap());
        let (shut, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let begun = Arc::new(Mutex::new(0));
        let mut openings = JoinSet::new();
        // Four peers open as many files as they may at once, and wait.
        for number in 0..8 {
            let (service, gate, begun) = (service.clone(), gate.clone(), begun.clone());
            let track = format!("t{number}").parse().unwrap();
            let open = move |_: &Arc<AtomicBool>| {
                *begun.lock().unwrap() += 1;
                // Blocks until `shut` is dropped.
                let _ = gate.lock().unwrap().recv();
                Err(WireError::new(ErrorCode::Unreadable, "zeros"))
            };
            let caller = Caller::peer(&(number % 4).to_string());
            openings.spawn(async move { service.openings.open(&caller, &track, open).await.is_err() });
        }
        while *begun.lock().unwrap() < 8 {
            yield_now().await;
        }
        for caller in ["0", "another"] {
            let list = List { limit: 10, search: "a".into(), ..List::default() };
            assert!(service.list(&Caller::peer(caller), list).await.is_ok());
        }
        drop(shut);
        assert!(openings.join_all().await.into_iter().all(|refused| refused));
    }
}
