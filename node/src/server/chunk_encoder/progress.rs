//! A chunk while it is encoded: one thread writes it, any number of readers follow at their own pace.

use bytes::{Bytes, BytesMut};
use media_protocol::{
    ErrorCode, WireError,
    chunk::{self, ChunkWriter, PacketLength},
};
use tokio::sync::watch;

use crate::server::chunk_cache::CachedChunk;

/// The published part of a chunk.
#[derive(Debug)]
enum Published {
    /// Parts published so far.
    Growing(Vec<Bytes>),
    /// The whole chunk, in the same memory as in the cache, so that slow readers hold no second copy.
    Whole(CachedChunk),
    /// The published parts, of which the last is a refusal, and the code of the refusal.
    Failed(Vec<Bytes>, ErrorCode),
}

/// The writing end of a chunk. If it is dropped before it is finished, the chunk ends early, and readers notice that
/// the trailer is missing.
#[derive(Debug)]
pub(super) struct ChunkProgress(watch::Sender<Published>);

impl ChunkProgress {
    /// A chunk without published bytes.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Published::Growing(Vec::new())))
    }

    /// A new reader, from the first byte on.
    pub(super) fn subscribe(&self) -> ChunkStream {
        let reading = Reading::Growing { published: self.0.subscribe(), parts: 0, bytes: 0 };
        ChunkStream { reading, report_loss: false }
    }

    /// True if the chunk has readers.
    pub(super) fn has_readers(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Publishes the next bytes.
    pub(super) fn publish(&self, part: Bytes) {
        self.0.send_modify(|published| {
            if let Published::Growing(parts) = published {
                parts.push(part);
            }
        });
    }

    /// Returns the published bytes and `trailer` in one piece.
    pub(super) fn with_trailer(&self, trailer: &[u8]) -> Bytes {
        let published = self.0.borrow();
        let parts = match &*published {
            Published::Growing(parts) | Published::Failed(parts, _) => parts.as_slice(),
            Published::Whole(whole) => std::slice::from_ref(&whole.bytes),
        };
        let length = parts.iter().map(Bytes::len).sum::<usize>() + trailer.len();
        let mut whole = BytesMut::with_capacity(length);
        parts.iter().for_each(|part| whole.extend_from_slice(part));
        whole.extend_from_slice(trailer);
        whole.freeze()
    }

    /// Ends the chunk, unless a refusal has ended it already. Its bytes come from [`ChunkProgress::with_trailer`].
    pub(super) fn finish(&self, whole: CachedChunk) {
        self.0.send_modify(|published| {
            if matches!(published, Published::Growing(_)) {
                *published = Published::Whole(whole);
            }
        });
    }

    /// Ends the chunk with a refusal in place of its rest.
    pub(super) fn fail(&self, error: &WireError) {
        self.0.send_modify(|published| {
            if let Published::Growing(parts) = published {
                parts.push(chunk::refusal(error));
                *published = Published::Failed(std::mem::take(parts), error.code);
            }
        });
    }
}

/// Packets that are encoded and not yet published. Each publication wakes all readers and costs a datagram.
/// So the batch publishes after packet 1, after packet [`PacketBatch::SECOND`], and then each time the number
/// of packets has doubled. With this rule, a node that encodes twice as fast as real time stays ahead of
/// playback. When the batch is dropped, it publishes the rest, which a client can play even if the chunk fails.
pub(super) struct PacketBatch<'a> {
    progress: &'a ChunkProgress,
    packets: u32,
    writer: ChunkWriter,
}

impl<'a> PacketBatch<'a> {
    /// Number of packets at the second publication. Two publications later it is 12 packets, about the start level
    /// of a player. Tested by `the_first_packet_goes_out_at_once_and_later_ones_together`.
    const SECOND: u32 = 3;

    /// A batch for the chunk that `writer` has begun. The first packet publishes the chunk's header too.
    pub(super) fn new(progress: &'a ChunkProgress, writer: ChunkWriter) -> Self {
        Self { progress, packets: 0, writer }
    }

    /// Adds a packet, and publishes if due.
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
            self.progress.publish(part);
        }
    }

    /// Returns the rest that is not published yet, with the trailer. Does not publish it.
    pub(super) fn end(mut self) -> Bytes {
        self.writer.finish()
    }
}

impl Drop for PacketBatch<'_> {
    fn drop(&mut self) {
        self.publish();
    }
}

/// One reader of a chunk's bytes, as they go over the wire.
#[derive(Debug)]
pub(in crate::server) struct ChunkStream {
    reading: Reading,
    /// True if the reader wants the loss part.
    report_loss: bool,
}

#[derive(Debug)]
enum Reading {
    Whole(Option<CachedChunk>),
    /// A chunk that is being encoded, with the numbers of parts and bytes already read.
    Growing {
        published: watch::Receiver<Published>,
        parts: usize,
        bytes: usize,
    },
}

impl ChunkStream {
    /// A reader of a complete chunk.
    pub(super) fn whole(chunk: CachedChunk) -> Self {
        Self { reading: Reading::Whole(Some(chunk)), report_loss: false }
    }

    /// Adds the loss part if the reader wants it and the chunk has loss. Call it before the first bytes are read.
    pub(in crate::server) fn reporting_loss(self, report_loss: bool) -> Self {
        Self { report_loss, ..self }
    }

    /// Returns the next bytes as soon as they are published, without copying them; `None` at the end.
    /// Cancel-safe.
    pub(in crate::server) async fn next(&mut self) -> Option<Bytes> {
        let report_loss = self.report_loss;
        match &mut self.reading {
            Reading::Whole(whole) => whole.take().map(|whole| whole.into_answer(report_loss)),
            Reading::Growing { published, parts, bytes } => {
                let has_more =
                    |now: &Published| !matches!(now, Published::Growing(all) if all.len() <= *parts);
                let next = match &*published.wait_for(has_more).await.ok()? {
                    Published::Growing(all) | Published::Failed(all, _) => all.get(*parts).cloned(),
                    // The published parts are without the end, before which the loss part stands.
                    Published::Whole(whole) => {
                        let is_rest = *bytes < whole.bytes.len();
                        is_rest.then(|| whole.clone().into_answer(report_loss).slice(*bytes..))
                    }
                }?;
                *parts += 1;
                *bytes += next.len();
                Some(next)
            }
        }
    }

    /// The code of the refusal that ends the chunk, if one does.
    pub(in crate::server) fn refused(&self) -> Option<ErrorCode> {
        match &self.reading {
            Reading::Whole(_) => None,
            Reading::Growing { published, .. } => match &*published.borrow() {
                Published::Failed(_, code) => Some(*code),
                Published::Growing(_) | Published::Whole(_) => None,
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

    fn whole(bytes: Bytes) -> CachedChunk {
        CachedChunk { bytes, silenced: 0 }
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
        let chunk = ChunkProgress::new();
        let mut quick = chunk.subscribe();
        let mut slow = chunk.subscribe();
        chunk.publish(Bytes::from_static(b"one "));
        assert_eq!(quick.next().await.unwrap(), "one ");
        chunk.publish(Bytes::from_static(b"two "));
        let mut late = chunk.subscribe();
        chunk.finish(whole(chunk.with_trailer(b"three")));
        assert_eq!(rest(&mut quick).await, b"two three");
        assert_eq!(rest(&mut slow).await, b"one two three");
        assert_eq!(rest(&mut late).await, b"one two three");
        assert_eq!(rest(&mut chunk.subscribe()).await, b"one two three");
    }

    #[tokio::test]
    async fn a_failure_follows_what_was_published() {
        let chunk = ChunkProgress::new();
        let mut reader = chunk.subscribe();
        chunk.publish(Bytes::from_static(b"one"));
        assert_eq!(reader.refused(), None);
        let error = WireError::new(ErrorCode::Unreadable, "damaged");
        chunk.fail(&error);
        // A stopping node refuses chunks that a thread still encodes. The end of that encoding then changes nothing.
        chunk.finish(whole(Bytes::from_static(b"one two")));
        assert_eq!(rest(&mut reader).await, [&b"one"[..], &chunk::refusal(&error)].concat());
        assert_eq!(reader.refused(), Some(ErrorCode::Unreadable));
    }

    #[tokio::test]
    async fn only_readers_that_want_the_loss_get_it() {
        let progress = ChunkProgress::new();
        let mut batch = PacketBatch::new(&progress, writer());
        batch.add(b"packet").unwrap();
        let mut plain = progress.subscribe();
        let mut early = progress.subscribe().reporting_loss(true);
        let first = early.next().await.unwrap();
        let trailer = batch.end();
        let bytes = progress.with_trailer(&trailer);
        let chunk = CachedChunk { bytes: bytes.clone(), silenced: 480 };
        progress.finish(chunk.clone());
        let with_loss = chunk::with_loss(&bytes, 480);
        assert_ne!(with_loss, bytes);
        assert_eq!([&first[..], &rest(&mut early).await].concat(), with_loss);
        assert_eq!(rest(&mut plain).await, bytes);
        assert_eq!(rest(&mut ChunkStream::whole(chunk.clone())).await, bytes);
        assert_eq!(rest(&mut ChunkStream::whole(chunk).reporting_loss(true)).await, with_loss);
    }

    #[test]
    fn the_first_packet_goes_out_at_once_and_later_ones_together() {
        let progress = ChunkProgress::new();
        let mut batch = PacketBatch::new(&progress, writer());
        let mut reader = progress.subscribe();
        let mut published = Vec::new();
        for _ in 0..100 {
            batch.add(b"p").unwrap();
            let next = pin!(reader.next());
            if let Poll::Ready(part) = next.poll(&mut Context::from_waker(Waker::noop())) {
                published.push(part.unwrap().len());
            }
        }
        // Each packet takes 1 byte and its length 4.
        assert_eq!(published, [chunk::HEADER + 5, 2 * 5, 3 * 5, 6 * 5, 12 * 5, 24 * 5, 48 * 5]);
        let rest = batch.end();
        assert_eq!(rest.len(), 4 * 5 + chunk::TRAILER);
        assert_eq!(progress.with_trailer(&rest).len(), chunk::HEADER + 100 * 5 + chunk::TRAILER);

        let progress = ChunkProgress::new();
        let mut failed = PacketBatch::new(&progress, writer());
        (0..2).for_each(|_| failed.add(b"p").unwrap());
        assert_eq!(progress.with_trailer(b"").len(), chunk::HEADER + 5);
        drop(failed);
        assert_eq!(progress.with_trailer(b"").len(), chunk::HEADER + 2 * 5, "whole packets are published");
    }

    #[tokio::test]
    async fn a_reader_of_an_abandoned_chunk_ends() {
        let chunk = ChunkProgress::new();
        let mut reader = chunk.subscribe();
        assert!(chunk.has_readers());
        drop(chunk);
        assert_eq!(rest(&mut reader).await, b"");
    }
}
