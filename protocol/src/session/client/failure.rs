//! What the session does when something fails: asks again, goes on in another codec, or gives the track up.

use std::{sync::Arc, time::Duration};

use super::{ClientAction, ClientSession, DecoderFailed, Failure, RequestId, Want, Wanted, wanted::Playing};
use crate::{ChunkIndex, ErrorCode, FrameIndex, GetInfo, Position, Rendition, TrackId, WireError};

impl ClientSession {
    /// The codecs that failed, on the node or here: of no use to this session any more. At most
    /// [`GetInfo::MAX_CODECS`], the last ones.
    #[must_use]
    pub fn failed_codecs(&self) -> &[String] {
        &self.failed
    }

    pub(super) fn on_refused(&mut self, request: RequestId, error: WireError) {
        if !self.is_current(request) {
            return;
        }
        self.end_request();
        if error.code == ErrorCode::Busy {
            let named =
                error.retry_after_ms.map(|ms| Duration::from_millis(ms.into()).min(Self::LONGEST_WAIT));
            return self.retry(error.message, named);
        }
        let is_codec = matches!(error.code, ErrorCode::CodecFailed | ErrorCode::UnknownRendition);
        match &self.want {
            Want::Chunk(wanted) if is_codec => {
                let (playing, at) = (wanted.playing.clone(), (wanted.index, wanted.audible()));
                let failed = Arc::clone(&playing.rendition);
                let reason = format!("{} failed on the node ({error})", failed.id.codec);
                self.fall_back(playing, &failed, at, reason);
            }
            _ => self.fail(error.into()),
        }
    }

    pub(super) fn on_broken(&mut self, request: RequestId, reason: String) {
        if self.is_current(request) {
            self.end_request();
            self.retry(reason, None);
        }
    }

    /// The request under way is none any more, its chunk not whole. The choice is told of what came of that.
    pub(super) fn end_request(&mut self) -> Option<RequestId> {
        let (request, _) = self.request.take()?;
        if let Want::Chunk(wanted) = &mut self.want {
            let bytes = std::mem::take(&mut wanted.bytes) + std::mem::take(&mut wanted.part);
            if bytes > 0 {
                self.choice.abandoned(bytes);
            }
        }
        Some(request)
    }

    /// Gives up the request under way.
    pub(super) fn abandon(&mut self) {
        if let Some(request) = self.end_request() {
            self.outputs.push_back(ClientAction::Abandon { request, silent: false });
        }
    }

    pub(super) fn on_timeout(&mut self) {
        if self.retry_at.is_some_and(|at| at <= self.now) {
            self.retry_at = None;
        }
        if let Some((request, alive)) = self.request
            && self.now >= alive + self.config.timeout
        {
            self.end_request();
            self.outputs.push_back(ClientAction::Abandon { request, silent: true });
            self.retry(format!("no answer for {} s", self.config.timeout.as_secs()), None);
        } else if self.request.is_some() && self.now >= self.look_at() {
            self.reconsider();
        }
    }

    /// Goes back to the frame that the decoder could not give, and fetches from there on in another codec, whatever of
    /// that track or of later ones was there already.
    pub(super) fn on_decoder_failed(&mut self, DecoderFailed { play, rendition, at, reason }: DecoderFailed) {
        // Of before the last play: it is not to be heard any more.
        if play < self.first_play {
            return;
        }
        self.abandon();
        self.recovered();
        self.held = Duration::ZERO;
        self.outputs.push_back(ClientAction::Rewind);
        let reason = format!("{} failed here ({reason})", rendition.id.codec);
        let Some(place) = self.begun.iter().position(|(it, _)| *it == play) else {
            self.begun.clear();
            self.first_play = self.next_play;
            self.want = Want::Nothing;
            self.outputs.push_back(ClientAction::TrackEnd);
            return self.give_up(rendition.id.track.clone(), Failure::NoCodec(reason));
        };
        if let Want::Info { track, again, .. } = &self.want {
            self.again.push_front((track.clone(), *again));
        }
        for (_, later) in self.begun.drain(place + 1..).rev() {
            self.again.push_front((later.track, true));
        }
        let playing = self.begun[place].1.clone();
        let rate = rendition.id.rate;
        match at.chunk(rate).filter(|_| at.0 < rendition.frames) {
            Some(index) => {
                let had = Position::of_frame(FrameIndex(at.0 - index.first_frame(rate).0), rate);
                self.fall_back(playing, &rendition, (index, had), reason);
            }
            None => {
                self.note_failed(&rendition);
                self.end_track();
            }
        }
    }

    /// Goes on in another codec than that of `failed`, behind what it `had` of chunk `index`.
    fn fall_back(
        &mut self,
        mut playing: Playing,
        failed: &Arc<Rendition>,
        (index, had): (ChunkIndex, Position),
        reason: String,
    ) {
        self.note_failed(failed);
        playing.all = playing.all.iter().filter(|it| !self.failed.contains(&it.id.codec)).cloned().collect();
        // They stand in the order of the client's wishes.
        let Some(to) = playing.all.first().cloned() else {
            self.want = Want::Chunk(Wanted::new(playing, index));
            return self.fail(Failure::NoCodec(reason));
        };
        let reason = format!("{reason}; it is not asked for again");
        (playing.rendition, playing.reason) = (Arc::clone(&to), reason.as_str().into());
        self.before.track = Some(playing.clone());
        self.want = Want::Chunk(Wanted { had, ..Wanted::new(playing, index) });
        self.outputs.push_back(ClientAction::Switched { from: Arc::clone(failed), to, reason });
    }

    /// What is known in a codec that failed is negotiated anew.
    fn note_failed(&mut self, rendition: &Rendition) {
        let codec = &rendition.id.codec;
        self.known.retain(|info| info.rendition.id.codec != *codec);
        if !self.failed.contains(codec) {
            self.failed.truncate(GetInfo::MAX_CODECS - 1);
            self.failed.insert(0, codec.clone());
        }
    }

    /// Tries again after the time that the node named, else after a wait that grows.
    fn retry(&mut self, reason: String, named: Option<Duration>) {
        let since = *self.failing_since.get_or_insert(self.now);
        if self.now - since >= self.config.give_up {
            return self.fail(Failure::Unreachable(reason));
        }
        let grown = (Self::FIRST_BACKOFF * 2_u32.pow(self.attempts.min(8))).min(Self::LONGEST_BACKOFF);
        let after = named.unwrap_or(grown);
        self.attempts += 1;
        self.retry_at = Some(self.now + after);
        self.outputs.push_back(ClientAction::Retrying { reason, after });
    }

    /// Gives up the track that is wanted.
    pub(super) fn fail(&mut self, error: Failure) {
        let track = match std::mem::replace(&mut self.want, Want::Nothing) {
            Want::Nothing => return,
            Want::Info { track, .. } => track,
            Want::Chunk(wanted) => {
                self.begun.pop_back();
                self.outputs.push_back(ClientAction::TrackEnd);
                wanted.playing.track
            }
        };
        self.give_up(track, error);
    }

    fn give_up(&mut self, track: TrackId, error: Failure) {
        self.recovered();
        self.follow = None;
        self.again.clear();
        self.outputs.push_back(ClientAction::Failed { track, error });
    }
}

#[cfg(test)]
pub(super) mod tests;
