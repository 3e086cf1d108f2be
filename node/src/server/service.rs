//! Answers to list, search, info and chunk requests for any caller, with the quotas of each caller.
//!
//! The service knows neither connections nor streams. Any code with a [`Caller`] can use it: the session of a
//! peer, or other code of this node through [`LocalLibrary`], which is a [`Provider`].

use std::sync::Arc;

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
    disk_slots: DiskSlots,
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
            disk_slots: DiskSlots::new(),
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
                    let (service, scope) = (Arc::clone(self), self.scope(caller));
                    self.on_disk(caller, move || Ok(service.catalog.list_in(&list, &scope))).await
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
        let (service, scope) = (Arc::clone(self), self.scope(caller));
        let bounds = RenditionBounds::of(caller.grant());
        let info = self.on_disk(caller, move || {
            let track = service.catalog.open_in(&request.track, &scope)?;
            let options = &service.config.codec_options;
            negotiate::choose(&service.registry, options, &request, track.track(), track.facts(), bounds)
        });
        self.counted(info.await)
    }

    /// Requests a chunk and returns at once. The answer delivers the chunk's bytes as they are encoded, with the loss part if
    /// `report_loss`. If the request itself is refused, the refusal can come in the answer's bytes.
    ///
    /// # Errors
    /// `Busy` if the caller exceeds its share of bytes being sent, or too many chunks wait to be encoded;
    /// `UnknownTrack` and `OutOfScope` for a track or a rendition beyond the caller's bounds; the refusals of
    /// [`Grant::check`].
    pub(super) fn chunk(
        &self,
        caller: &Caller,
        request: &ChunkRequest,
        report_loss: bool,
    ) -> Result<ChunkAnswer, WireError> {
        let permitted = self.permit_chunk(caller, &request.rendition);
        let bytes = negotiate::chunk_bytes(&self.registry, &request.rendition);
        let reservation = permitted.and_then(|()| self.send_quota.reserve(caller, bytes));
        let answer = reservation.and_then(|reservation| {
            let stream = self.encoder.request(caller, request)?.reporting_loss(report_loss);
            let (counters, grant) = (Arc::clone(&self.counters), caller.grant().clone());
            Ok(ChunkAnswer { stream, grant, counters, has_ended: false, _reservation: reservation })
        });
        self.counted(answer)
    }

    /// Encodes a chunk that the caller will request soon, if it may and no request waits.
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

    /// Runs work that waits for the disk on a blocking thread, within the caller's slots.
    async fn on_disk<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce() -> Result<T, WireError> + Send + 'static,
    ) -> Result<T, WireError> {
        let failed = |_| WireError::new(ErrorCode::Internal, "the node failed at this request; see its log");
        self.disk_slots.run(caller, work).await.map_err(failed)?
    }

    /// Counts the refusal, if the answer is one.
    fn counted<T>(&self, answer: Result<T, WireError>) -> Result<T, WireError> {
        answer.inspect_err(|error| self.counters.refusal(error.code))
    }
}

/// The refusal of a grant, as the wire carries it.
pub(super) fn refused(refusal: &AccessRefusal) -> WireError {
    WireError::new(ErrorCode::from(refusal.code()), refusal.to_string())
}

/// One chunk for one caller, as it goes over the wire. Holds its reservation in the send quota until it is dropped.
pub(super) struct ChunkAnswer {
    stream: ChunkStream,
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
        let Some(bytes) = self.stream.next().await else {
            self.has_ended = true;
            if let Some(code) = self.stream.refused() {
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
        let list = List { offset, limit, search: text.to_owned() };
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
