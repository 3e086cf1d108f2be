use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use media_plugin_sdk::transport::{BoxFuture, RecvStream, Result, SendStream, Stream, TransportError};
use tokio::sync::mpsc;

use crate::link::Side;

/// Size limit of one queued piece, in bytes.
const PIECE: usize = 64 * 1024;
/// Limit of queued pieces per stream and direction, 1 MiB in all. Tested by `sending_waits_while_a_mebibyte_is_unread`.
const PIECES: usize = 16;

/// Creates both ends of a stream: each end's sender feeds the other end's receiver.
pub(crate) fn pair(near: &Arc<Side>, far: &Arc<Side>) -> (Stream, Stream) {
    let (near_send, far_recv) = pipe(near, far);
    let (far_send, near_recv) = pipe(far, near);
    (Stream { send: near_send, recv: near_recv }, Stream { send: far_send, recv: far_recv })
}

fn pipe(from: &Arc<Side>, to: &Arc<Side>) -> (Box<dyn SendStream>, Box<dyn RecvStream>) {
    let (queue, pieces) = mpsc::channel(PIECES);
    let finished = Arc::new(AtomicBool::new(false));
    let send = Sender { queue: Some(queue), finished: finished.clone(), side: from.clone() };
    let recv = Receiver { pieces, rest: Bytes::new(), finished, side: to.clone() };
    (Box::new(send), Box::new(recv))
}

struct Sender {
    /// `None` after `finish`.
    queue: Option<mpsc::Sender<Bytes>>,
    finished: Arc<AtomicBool>,
    side: Arc<Side>,
}

impl SendStream for Sender {
    fn send(&mut self, mut bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let queue =
                self.queue.as_ref().ok_or_else(|| closed("cannot send: the stream is already finished"))?;
            while !bytes.is_empty() {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                tokio::select! {
                    biased;
                    reason = self.side.link().closed() => return Err(lost(&reason)),
                    sent = queue.send(piece) => sent.map_err(|_| closed("cannot send: the peer stopped reading"))?,
                }
            }
            Ok(())
        })
    }

    fn finish(&mut self) -> Result<()> {
        if let Some(reason) = self.side.link().reason() {
            return Err(lost(&reason));
        }
        if self.queue.is_none() {
            return Err(closed("cannot finish: the stream is already finished"));
        }
        // The receiver reads the flag after the end of the queue, so the flag is set before the queue ends.
        self.finished.store(true, Ordering::Release);
        self.queue = None;
        Ok(())
    }
}

struct Receiver {
    pieces: mpsc::Receiver<Bytes>,
    /// Unread remainder of the last piece.
    rest: Bytes,
    finished: Arc<AtomicBool>,
    side: Arc<Side>,
}

impl RecvStream for Receiver {
    fn recv(&mut self, max: usize) -> BoxFuture<'_, Result<Option<Bytes>>> {
        Box::pin(async move {
            if self.rest.is_empty() {
                let next = tokio::select! {
                    biased;
                    next = self.pieces.recv() => next,
                    reason = self.side.link().closed() => return Err(lost(&reason)),
                };
                match next {
                    Some(piece) => self.rest = piece,
                    None if self.finished.load(Ordering::Acquire) => return Ok(None),
                    None => return Err(closed("the peer aborted the stream")),
                }
            }
            Ok(Some(self.rest.split_to(self.rest.len().min(max))))
        })
    }
}

fn closed(why: &str) -> TransportError {
    TransportError::Closed(why.to_owned())
}

pub(crate) fn lost(reason: &str) -> TransportError {
    TransportError::Closed(format!("the connection ended: {reason}"))
}
