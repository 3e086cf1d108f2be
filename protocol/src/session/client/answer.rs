//! What the session makes of a node's answers.

use std::sync::Arc;

use super::{ClientAction, ClientSession, RequestId, Want, Wanted};
use crate::{ErrorCode, FrameIndex, Info, WireError, chunk::ChunkEvent};

impl ClientSession {
    /// Whether `request` is the one under way; then it has just given a sign of life.
    pub(super) fn is_current(&mut self, request: RequestId) -> bool {
        match &mut self.request {
            Some((current, alive)) if *current == request => {
                *alive = self.now;
                true
            }
            _ => false,
        }
    }

    pub(super) fn on_info(&mut self, request: RequestId, info: Info, chunk_follows: bool) {
        if !self.is_current(request) {
            return;
        }
        self.request = None;
        let Want::Info { track, at, again } = &self.want else { return };
        let (track, at, again) = (track.clone(), *at, *again);
        if let Err(error) = info.rendition.check() {
            return self.fail(error.into());
        }
        if info.track.id != track || info.rendition.id.track != track {
            let error = WireError::new(ErrorCode::Internal, "the node answered for another track");
            return self.fail(error.into());
        }
        self.recovered();
        let info = Arc::new(info);
        self.known.retain(|it| it.track.id != track);
        self.known.push_back(Arc::clone(&info));
        if self.known.len() > Self::KNOWN {
            self.known.pop_front();
        }
        self.begin(&info, at, again);
        if let Want::Chunk(wanted) = &mut self.want
            && chunk_follows
        {
            wanted.sent = self.now;
            self.request = Some((request, self.now));
            self.check_first();
        }
    }

    pub(super) fn on_part(&mut self, request: RequestId, bytes: u64) {
        if let Some((current, alive)) = &mut self.request
            && *current == request
            && let Want::Chunk(wanted) = &mut self.want
        {
            if bytes / Self::PROGRESS > wanted.part / Self::PROGRESS {
                *alive = self.now;
            }
            (wanted.part, wanted.is_behind) = (bytes, false);
            self.reconsider();
        }
    }

    pub(super) fn on_behind(&mut self, request: RequestId) {
        if self.is_current(request)
            && let Want::Chunk(wanted) = &mut self.want
        {
            wanted.is_behind = true;
            self.reconsider();
        }
    }

    pub(super) fn on_chunk(&mut self, request: RequestId, event: ChunkEvent) {
        if !self.is_current(request) {
            return;
        }
        self.recovered();
        let Want::Chunk(wanted) = &mut self.want else { return };
        wanted.is_behind = false;
        match event {
            ChunkEvent::Header { .. } => {
                wanted.header = Some(self.now);
                if !wanted.started {
                    wanted.started = true;
                    let (index, playing) = (wanted.index, &wanted.playing);
                    let (rendition, reason) = (Arc::clone(&playing.rendition), Arc::clone(&playing.reason));
                    let from = FrameIndex(index.first_frame(rendition.id.rate).0 + wanted.had_frames());
                    self.outputs.push_back(ClientAction::ChunkStart { index, from, rendition, reason });
                }
            }
            ChunkEvent::Packet(packet) => {
                wanted.seen += 1;
                wanted.bytes += packet.len() as u64;
                wanted.part = 0;
                if wanted.seen > wanted.delivered {
                    wanted.delivered = wanted.seen;
                    self.outputs.push_back(ClientAction::Packet(packet));
                }
                self.reconsider();
            }
            ChunkEvent::End => {
                self.request = None;
                self.outputs.push_back(ClientAction::ChunkEnd);
                self.choice.delivered(wanted.delivery(self.now));
                let next = wanted.index.next().filter(|_| !wanted.playing.rendition.is_last(wanted.index));
                match next {
                    Some(index) => *wanted = Wanted::new(wanted.playing.clone(), index),
                    None => self.end_track(),
                }
            }
        }
    }
}
