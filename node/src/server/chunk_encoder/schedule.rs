//! What a thread does for one chunk, before anybody is told that it is whole.

use bytes::Bytes;
use media_protocol::WireError;

use super::{AGAIN, Job, Shared, encode};
use crate::server::{chunk_cache::Name, negotiate};

/// A whole chunk.
pub(super) struct Made {
    pub(super) whole: Bytes,
    pub(super) origin: Origin,
    /// Whether it is of the file that the key names. Otherwise the catalog has not seen yet that the file has changed.
    pub(super) is_listed: bool,
    /// Whether it was not cheap to make, or would not be again.
    pub(super) is_dear: bool,
}

/// Where a chunk comes from.
pub(super) enum Origin {
    /// It lay on the disk.
    Disk,
    /// And the name under which it is to be kept there.
    Encoder(Option<Name>),
}

impl Shared {
    /// The chunk from the disk where it is there, else encoded, and published as it is encoded. `None` where it gave way.
    ///
    /// # Errors
    /// As [`encode::encode`], and what is wrong with the request itself; `Busy` when the file was written to meanwhile.
    pub(super) fn make(&self, job: &Job) -> Result<Option<Made>, WireError> {
        let Job { key, live, ahead } = job;
        let request = &key.request;
        let span = tracing::debug_span!("chunk", rendition = %request.rendition, index = request.index.0);
        let _entered = span.entered();
        if self.comes_too_early(job) {
            tracing::debug!("not ahead: the track is being opened");
            return Ok(None);
        }
        let track = self.catalog.open(&request.rendition.track)?;
        let plan = negotiate::plan(&self.registry, &request.rendition, track.material())?;
        let is_listed = key.written == Some(track.written());
        let kept = self.disk.as_ref().and_then(|it| Some((it, it.name(&track, &plan, request.index)?)));
        if let Some((disk, name)) = &kept
            && let Some(whole) = disk.load(name, plan.rendition.max_chunk_bytes())
        {
            tracing::debug!(ahead, "from the disk");
            return Ok(Some(Made { whole, origin: Origin::Disk, is_listed, is_dear: true }));
        }
        tracing::debug!(ahead, "encoding");
        let Some(trailer) = encode::encode(&track, &plan, request.index, live, || self.gives_way(job))?
        else {
            tracing::debug!("nobody waits for it any more");
            return Ok(None);
        };
        if !track.is_current() {
            let message = format!("{:?} has changed on the node's disk meanwhile", track.title());
            return Err(WireError::busy(message, AGAIN));
        }
        let origin = Origin::Encoder(kept.map(|(_, name)| name));
        Ok(Some(Made { whole: live.with(&trailer), origin, is_listed, is_dear: plan.is_dear() }))
    }
}
