use bytes::Bytes;
use media_protocol::{
    Answer, Info,
    chunk::{ChunkDecoder, ChunkError},
    session::client::{Input, RequestId},
};

use super::World;

/// The client's end of a stream.
pub(super) enum Fetch {
    Info(Vec<u8>),
    Chunk(Box<ChunkDecoder>),
}

impl World {
    pub(super) fn on_piece(&mut self, id: RequestId, bytes: Bytes) {
        let mut events = Vec::new();
        let error = match self.fetches.get_mut(&id) {
            Some(Fetch::Chunk(decoder)) => {
                decoder.push(bytes);
                loop {
                    match decoder.next() {
                        Ok(Some(event)) => events.push(event),
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                }
            }
            Some(Fetch::Info(json)) => return json.extend(bytes),
            None => None,
        };
        events.into_iter().for_each(|event| self.feed(Input::Chunk { request: id, event }));
        if let Some(error) = error {
            self.fetches.remove(&id);
            match error {
                ChunkError::Refused(error) => self.feed(Input::Refused { request: id, error }),
                error => self.broken(id, &error.to_string()),
            }
        }
    }

    pub(super) fn on_finished(&mut self, id: RequestId) {
        match self.fetches.remove(&id) {
            Some(Fetch::Chunk(decoder)) if !decoder.is_done() => self.broken(id, "cut short"),
            Some(Fetch::Chunk(_)) | None => {}
            Some(Fetch::Info(json)) => match serde_json::from_slice::<Answer<Info>>(&json) {
                Ok(Answer::Ok(info)) => self.feed(Input::Info { request: id, info: Box::new(info) }),
                Ok(Answer::Error(error)) => self.feed(Input::Refused { request: id, error }),
                Err(_) => self.broken(id, "cut short"),
            },
        }
    }

    pub(super) fn broken(&mut self, request: RequestId, reason: &str) {
        self.feed(Input::Broken { request, reason: reason.into() });
    }
}
