//! What a thread does for one chunk, before anybody is told that it is whole.

use bytes::Bytes;
use media_protocol::WireError;

use super::{Job, Shared, encode};
use crate::server::{chunk_cache::Name, negotiate};

/// A whole chunk.
pub(super) enum Made {
    /// As it lay on the disk.
    Found(Bytes),
    /// And the name under which it is to be kept there.
    Encoded(Bytes, Option<Name>),
}

impl Shared {
    /// The chunk from the disk where it is there, else encoded, and published as it is encoded.
    ///
    /// # Errors
    /// As [`encode::encode`], and what is wrong with the request itself.
    pub(super) fn make(&self, Job { request, live, ahead }: &Job) -> Result<Made, WireError> {
        let span = tracing::debug_span!("chunk", rendition = %request.rendition, index = request.index.0);
        let _entered = span.entered();
        let track = self.catalog.open(&request.rendition.track)?;
        let plan = negotiate::plan(&self.registry, &request.rendition, track.material())?;
        let kept = self.disk.as_ref().and_then(|it| Some((it, it.name(&track, &plan, request.index)?)));
        if let Some((disk, name)) = &kept
            && let Some(whole) = disk.load(name, plan.rendition.max_chunk_bytes())
        {
            tracing::debug!(ahead, "from the disk");
            return Ok(Made::Found(whole));
        }
        tracing::debug!(ahead, "encoding");
        let trailer = encode::encode(&track, &plan, request.index, live)?;
        Ok(Made::Encoded(live.with(&trailer), kept.map(|(_, name)| name)))
    }
}
