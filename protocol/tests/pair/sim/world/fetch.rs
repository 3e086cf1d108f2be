use bytes::Bytes;
use media_protocol::{
    Answer, Info, Position,
    chunk::{ChunkError, ChunkEvent, ChunkReader},
    session::client::{ClientInput, RequestId},
};

use super::World;

/// The client's end of a stream.
pub(super) enum Fetch {
    /// The bytes of the answer, and the instant whose chunk may follow it.
    Info(Vec<u8>, Position),
    Chunk(Box<ChunkReader>),
}

impl World {
    pub(super) fn on_piece(&mut self, id: RequestId, bytes: Bytes) {
        let (mut events, mut part) = (Vec::new(), 0);
        let error = match self.fetches.get_mut(&id) {
            Some(Fetch::Chunk(reader)) => {
                reader.push(bytes);
                loop {
                    match reader.next() {
                        Ok(Some(event)) => events.push(event),
                        Ok(None) => {
                            part = reader.partial_packet() as u64;
                            break None;
                        }
                        Err(error) => break Some(error),
                    }
                }
            }
            Some(Fetch::Info(answer, _)) => {
                answer.extend_from_slice(&bytes);
                return self.on_info(id);
            }
            None => None,
        };
        let ended = events.iter().any(|it| matches!(it, ChunkEvent::Packet(_)));
        events.into_iter().for_each(|event| self.feed(ClientInput::Chunk { request: id, event }));
        if part > 0 && !ended {
            self.feed(ClientInput::PartialPacket { request: id, bytes: part });
        }
        if let Some(error) = error {
            self.fetches.remove(&id);
            match error {
                ChunkError::Refused(error) => self.feed(ClientInput::Refused { request: id, error }),
                error => {
                    self.listener.damaged += 1;
                    self.feed(ClientInput::Damaged { request: id, reason: error.to_string() });
                }
            }
        }
    }

    /// Handles new bytes of an info answer. The bytes after its line are a chunk.
    fn on_info(&mut self, id: RequestId) {
        let Some(Fetch::Info(answer, at)) = self.fetches.get(&id) else { return };
        let Some(end) = answer.iter().position(|byte| *byte == b'\n') else { return };
        let (line, rest) = (&answer[..end], Bytes::copy_from_slice(&answer[end + 1..]));
        if rest.is_empty() {
            return;
        }
        let Answer::Ok(info) = serde_json::from_slice::<Answer<Info>>(line).unwrap() else {
            panic!("a chunk follows a refusal")
        };
        let index = info.rendition.chunk_at(*at).expect("a chunk past the end");
        let (frames, most) = (info.rendition.frames_in(index), info.rendition.max_chunk_bytes());
        let reader = Box::new(ChunkReader::new(index, frames, most));
        self.fetches.insert(id, Fetch::Chunk(reader));
        self.feed(ClientInput::Info { request: id, info: Box::new(info), chunk_follows: true });
        self.on_piece(id, rest);
    }

    pub(super) fn on_finished(&mut self, id: RequestId) {
        match self.fetches.remove(&id) {
            Some(Fetch::Chunk(reader)) if !reader.is_done() => self.broken(id, "cut short"),
            Some(Fetch::Chunk(_)) | None => {}
            Some(Fetch::Info(json, _)) => match serde_json::from_slice::<Answer<Info>>(&json) {
                Ok(Answer::Ok(info)) => {
                    self.feed(ClientInput::Info { request: id, info: Box::new(info), chunk_follows: false });
                }
                Ok(Answer::Error(error)) => self.feed(ClientInput::Refused { request: id, error }),
                Err(_) => self.broken(id, "cut short"),
            },
        }
    }

    pub(super) fn broken(&mut self, request: RequestId, reason: &str) {
        self.feed(ClientInput::Broken { request, reason: reason.into() });
    }
}
