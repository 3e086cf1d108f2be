//! The library of another node.

use std::sync::Arc;

use bytes::Bytes;
use media_plugin_sdk::transport::{BoxFuture, TransportError};
use media_protocol::{ChunkIndex, ErrorCode, GetInfo, Info, List, ListPage, Rendition, WireError};

use super::fetch::{self, ChunkDownload, FetchError, NodeLink};
use crate::library::provider::{self, ChunkPackets, Provider, ProviderError};

/// The library of the node at the other end of a link. Requests run in parallel, each on a stream of its own.
#[derive(Clone)]
pub struct RemoteLibrary {
    link: Arc<NodeLink>,
}

impl RemoteLibrary {
    /// Creates a library over a link. Does not connect yet.
    #[must_use]
    pub fn new(link: Arc<NodeLink>) -> Self {
        Self { link }
    }

    async fn page(&self, request: List) -> provider::Result<ListPage> {
        if request.search.len() > List::MAX_SEARCH {
            let message = format!("the search is over {} bytes", List::MAX_SEARCH);
            return Err(WireError::new(ErrorCode::BadRequest, message).into());
        }
        let page = fetch::list(&self.link, &request).await?;
        let most = request.limit.min(List::MAX) as usize;
        if page.tracks.len() > most {
            let text = format!("a page of {} tracks, {most} at most", page.tracks.len());
            return Err(ProviderError::BrokenAnswer(text));
        }
        Ok(page)
    }
}

impl Provider for RemoteLibrary {
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
        Box::pin(self.page(list))
    }

    fn search_detail<'a>(
        &'a self,
        text: &'a str,
        offset: u32,
        limit: u32,
    ) -> BoxFuture<'a, provider::Result<ListPage>> {
        let list = List { offset, limit, search: text.to_owned(), detail: true };
        Box::pin(self.page(list))
    }

    fn info<'a>(&'a self, request: &'a GetInfo) -> BoxFuture<'a, provider::Result<Info>> {
        Box::pin(async move {
            let request = GetInfo { then_chunk_at: None, ..request.clone() };
            let mut info = fetch::info(&self.link, &request).await?;
            let rendition = info.rendition.check();
            rendition.map_err(|error| ProviderError::BrokenAnswer(error.to_string()))?;
            if info.track.id != request.track || info.rendition.id.track != request.track {
                return Err(ProviderError::BrokenAnswer("it is about another track".into()));
            }
            // Without an invalid alternative the client has one choice less, but the answer is still good.
            info.alternatives
                .retain(|rendition| rendition.check().is_ok() && rendition.id.track == request.track);
            Ok(info)
        })
    }

    fn chunk<'a>(
        &'a self,
        rendition: &'a Rendition,
        index: ChunkIndex,
    ) -> BoxFuture<'a, provider::Result<Box<dyn ChunkPackets>>> {
        Box::pin(async move {
            let download = ChunkDownload::start(&self.link, rendition, index).await?;
            let packets: Box<dyn ChunkPackets> = Box::new(RemotePackets(download));
            Ok(packets)
        })
    }
}

struct RemotePackets(ChunkDownload);

impl ChunkPackets for RemotePackets {
    fn next(&mut self) -> BoxFuture<'_, provider::Result<Option<Bytes>>> {
        Box::pin(async move { Ok(self.0.next().await?) })
    }
}

impl From<FetchError> for ProviderError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Refused(error) => Self::Refused(error),
            FetchError::Transport(TransportError::Full { retry_after }) => {
                Self::Refused(WireError::busy("the node is full", retry_after))
            }
            FetchError::Invalid(..) => Self::BrokenAnswer(error.to_string()),
            FetchError::Transport(_)
            | FetchError::Silent(_)
            | FetchError::Slow(..)
            | FetchError::Replaced => Self::Unreachable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
