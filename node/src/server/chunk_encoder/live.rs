//! A chunk while it is being encoded: one writes, any number read, each at its own pace.

use bytes::{Bytes, BytesMut};
use media_protocol::{
    ErrorCode, WireError,
    chunk::{self, ChunkWriter, PacketLength},
};
use tokio::sync::watch;

/// What there is of a chunk.
#[derive(Debug)]
enum Progress {
    /// What was published so far.
    Growing(Vec<Bytes>),
    /// All of it, in the one piece that the cache holds too, so that slow listeners hold no second copy.
    Whole(Bytes),
    /// What was published, then the refusal, and its kind.
    Failed(Vec<Bytes>, ErrorCode),
}

/// The writing end. Dropping it unfinished ends the chunk where it is; a client misses the trailer then.
#[derive(Debug)]
pub(super) struct LiveChunk(watch::Sender<Progress>);

impl LiveChunk {
    /// A chunk of which nothing is published.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Progress::Growing(Vec::new())))
    }

    /// A listener, from the first byte on.
    pub(super) fn listen(&self) -> ChunkStream {
        ChunkStream(Inner::Live { progress: self.0.subscribe(), parts: 0, bytes: 0 })
    }

    /// Whether anybody listens.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Publishes the next bytes.
    pub(super) fn push(&self, part: Bytes) {
        self.0.send_modify(|it| {
            if let Progress::Growing(parts) = it {
                parts.push(part);
            }
        });
    }

    /// All that was published, and `trailer`, in one piece.
    pub(super) fn with(&self, trailer: &[u8]) -> Bytes {
        let progress = self.0.borrow();
        let parts = match &*progress {
            Progress::Growing(parts) | Progress::Failed(parts, _) => parts.as_slice(),
            Progress::Whole(whole) => std::slice::from_ref(whole),
        };
        let length = parts.iter().map(Bytes::len).sum::<usize>() + trailer.len();
        let mut whole = BytesMut::with_capacity(length);
        parts.iter().for_each(|it| whole.extend_from_slice(it));
        whole.extend_from_slice(trailer);
        whole.freeze()
    }

    /// Ends the chunk, unless a refusal has; `whole` is what [`LiveChunk::with`] gave.
    pub(super) fn finish(&self, whole: Bytes) {
        self.0.send_modify(|it| {
            if matches!(it, Progress::Growing(_)) {
                *it = Progress::Whole(whole);
            }
        });
    }

    /// Ends the chunk with a refusal in the place of what is missing.
    pub(super) fn fail(&self, error: &WireError) {
        self.0.send_modify(|it| {
            if let Progress::Growing(parts) = it {
                parts.push(chunk::refusal(error));
                *it = Progress::Failed(std::mem::take(parts), error.code);
            }
        });
    }
}

/// What is made of a chunk and not published yet. Each publishing wakes the tasks of all who listen and makes a datagram,
/// so what is made goes out after the first packet, after [`Batch::SECOND`], and then whenever it has doubled: a node that
/// encodes twice as fast as music plays keeps ahead of it. What is left when it is dropped goes out too: that is of use,
/// whatever became of the rest.
pub(super) struct Batch<'a> {
    live: &'a LiveChunk,
    packets: u32,
    writer: ChunkWriter,
}

impl<'a> Batch<'a> {
    /// Packets. Doubled twice it is 12, about what a player begins with.
    const SECOND: u32 = 3;

    /// Of a chunk that `writer` has begun; its header goes out with the first packet.
    pub(super) fn new(live: &'a LiveChunk, writer: ChunkWriter) -> Self {
        Self { live, packets: 0, writer }
    }

    /// Adds a packet, and publishes if it is time.
    ///
    /// # Errors
    /// As [`ChunkWriter::packet`].
    pub(super) fn add(&mut self, packet: &[u8]) -> Result<(), PacketLength> {
        self.writer.packet(packet)?;
        self.packets += 1;
        let doubled =
            self.packets.is_multiple_of(Self::SECOND) && (self.packets / Self::SECOND).is_power_of_two();
        if self.packets == 1 || doubled {
            self.publish();
        }
        Ok(())
    }

    fn publish(&mut self) {
        let part = self.writer.take();
        if !part.is_empty() {
            self.live.push(part);
        }
    }

    /// What is left and the trailer, not published.
    pub(super) fn end(mut self) -> Bytes {
        self.writer.finish()
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.publish();
    }
}

/// One listener's way through a chunk.
#[derive(Debug)]
pub(in crate::server) struct ChunkStream(Inner);

#[derive(Debug)]
enum Inner {
    Whole(Option<Bytes>),
    /// How many parts and bytes were read.
    Live {
        progress: watch::Receiver<Progress>,
        parts: usize,
        bytes: usize,
    },
}

impl ChunkStream {
    /// A chunk that is complete.
    pub(super) fn of(whole: Bytes) -> Self {
        Self(Inner::Whole(Some(whole)))
    }

    /// The next bytes, as soon as they are there and without a copy; `None` at the end. Cancel-safe.
    pub(in crate::server) async fn next(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Inner::Whole(whole) => whole.take(),
            Inner::Live { progress, parts, bytes } => {
                let is_news = |it: &Progress| !matches!(it, Progress::Growing(all) if all.len() <= *parts);
                let next = match &*progress.wait_for(is_news).await.ok()? {
                    Progress::Growing(all) | Progress::Failed(all, _) => all.get(*parts).cloned(),
                    Progress::Whole(whole) => (*bytes < whole.len()).then(|| whole.slice(*bytes..)),
                }?;
                *parts += 1;
                *bytes += next.len();
                Some(next)
            }
        }
    }

    /// The kind of refusal that the chunk ends with, if it does.
    pub(in crate::server) fn refused(&self) -> Option<ErrorCode> {
        match &self.0 {
            Inner::Whole(_) => None,
            Inner::Live { progress, .. } => match &*progress.borrow() {
                Progress::Failed(_, code) => Some(*code),
                Progress::Growing(_) | Progress::Whole(_) => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn writer() -> ChunkWriter {
        ChunkWriter::new(media_protocol::ChunkIndex(0), 144_000, false)
    }

    async fn rest(reader: &mut ChunkStream) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(bytes) = reader.next().await {
            all.extend_from_slice(&bytes);
        }
        all
    }

    #[tokio::test]
    async fn every_listener_gets_every_byte_however_late_it_comes() {
        let chunk = LiveChunk::new();
        let (mut quick, mut slow) = (chunk.listen(), chunk.listen());
        chunk.push(Bytes::from_static(b"one "));
        assert_eq!(quick.next().await.unwrap(), "one ");
        chunk.push(Bytes::from_static(b"two "));
        let mut late = chunk.listen();
        chunk.finish(chunk.with(b"three"));
        assert_eq!(rest(&mut quick).await, b"two three");
        assert_eq!(rest(&mut slow).await, b"one two three");
        assert_eq!(rest(&mut late).await, b"one two three");
        assert_eq!(rest(&mut chunk.listen()).await, b"one two three");
    }

    #[tokio::test]
    async fn a_failure_follows_what_was_published() {
        let chunk = LiveChunk::new();
        let mut reader = chunk.listen();
        chunk.push(Bytes::from_static(b"one"));
        assert_eq!(reader.refused(), None);
        let error = WireError::new(ErrorCode::Unreadable, "damaged");
        chunk.fail(&error);
        // A node that stops refuses what may still be with a thread.
        chunk.finish(Bytes::from_static(b"one two"));
        assert_eq!(rest(&mut reader).await, [&b"one"[..], &chunk::refusal(&error)].concat());
        assert_eq!(reader.refused(), Some(ErrorCode::Unreadable));
    }

    #[test]
    fn the_first_packet_goes_out_at_once_and_later_ones_together() {
        let live = LiveChunk::new();
        let mut batch = Batch::new(&live, writer());
        let (mut reader, mut published) = (live.listen(), Vec::new());
        for _ in 0..100 {
            batch.add(b"p").unwrap();
            let next = pin!(reader.next());
            if let Poll::Ready(part) = next.poll(&mut Context::from_waker(Waker::noop())) {
                published.push(part.unwrap().len());
            }
        }
        // Each packet is a byte and its length.
        assert_eq!(published, [chunk::HEADER + 5, 2 * 5, 3 * 5, 6 * 5, 12 * 5, 24 * 5, 48 * 5]);
        let rest = batch.end();
        assert_eq!(rest.len(), 4 * 5 + chunk::TRAILER);
        assert_eq!(live.with(&rest).len(), chunk::HEADER + 100 * 5 + chunk::TRAILER);

        let live = LiveChunk::new();
        let mut failed = Batch::new(&live, writer());
        (0..2).for_each(|_| failed.add(b"p").unwrap());
        assert_eq!(live.with(b"").len(), chunk::HEADER + 5);
        drop(failed);
        assert_eq!(live.with(b"").len(), chunk::HEADER + 2 * 5, "what is whole goes out");
    }

    #[tokio::test]
    async fn a_listener_of_a_chunk_that_was_given_up_ends() {
        let chunk = LiveChunk::new();
        let mut reader = chunk.listen();
        assert!(chunk.is_wanted());
        drop(chunk);
        assert_eq!(rest(&mut reader).await, b"");
    }
}
