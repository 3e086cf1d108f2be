//! Orders of a player's owner to the session and to the playback thread.
//!
//! Orders are a state that replaces the one before, not a queue: none is lost, none waits for room, and only the newest counts.
//! The session and the playback thread get them at different times. So each order that belongs to a play names it, and they
//! ignore an order that names another one.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use media_protocol::{
    Position, TrackId,
    session::client::{NextPlay, PlayId},
};

/// Orders to the session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FetchOrders {
    /// The last jump.
    pub(crate) jump: Option<Jump>,
    /// The play that follows another one: that play, and the next.
    pub(crate) follow: Option<(PlayId, Option<NextPlay>)>,
    /// Number of follow orders so far. A repeated order counts again, since the session drops the successor of a failed track.
    pub(crate) follows: u64,
    /// True to stop requests.
    pub(crate) paused: bool,
}

/// A play that replaces all others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Jump {
    pub(crate) play: PlayId,
    pub(crate) track: TrackId,
    /// First audible position.
    pub(crate) at: Position,
}

/// Orders to the playback thread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PlaybackOrders {
    /// The play of the last jump. Audio of earlier plays is dropped.
    pub(crate) jump: Option<PlayId>,
    /// True while playback is paused. The buffer keeps its audio.
    pub(crate) paused: bool,
    /// True while the session requests audio. While it does not, an empty buffer is no underrun.
    pub(crate) expects_audio: bool,
    /// Volume, 0 to 1.
    pub(crate) volume: f32,
    /// The jump after which [`super::Event::Drained`] is due, once everything is heard.
    pub(crate) drain: Option<PlayId>,
    /// True to complete an output file at the end of the thread, although not everything was played.
    pub(crate) completes_file: bool,
}

impl PlaybackOrders {
    /// Orders of a new player.
    pub(crate) const fn new(volume: f32) -> Self {
        Self { jump: None, paused: false, expects_audio: true, volume, drain: None, completes_file: false }
    }
}

struct Shared {
    orders: PlaybackOrders,
    /// True if the receiver has not seen the orders yet.
    is_new: bool,
    is_closed: bool,
}

struct Channel {
    shared: Mutex<Shared>,
    changed: Condvar,
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives orders to the playback thread. Dropping it ends the thread.
pub(crate) struct OrderSender(Arc<Channel>);

/// Takes the orders to the playback thread.
pub(crate) struct OrderReceiver(Arc<Channel>);

/// Creates a channel with these first orders.
pub(crate) fn order_channel(orders: PlaybackOrders) -> (OrderSender, OrderReceiver) {
    let shared = Mutex::new(Shared { orders, is_new: true, is_closed: false });
    let channel = Arc::new(Channel { shared, changed: Condvar::new() });
    (OrderSender(Arc::clone(&channel)), OrderReceiver(channel))
}

impl OrderSender {
    /// Changes the orders. Never blocks.
    pub(crate) fn update(&self, change: impl FnOnce(&mut PlaybackOrders)) {
        let mut shared = self.0.lock();
        change(&mut shared.orders);
        shared.is_new = true;
        drop(shared);
        self.0.changed.notify_one();
    }
}

impl Drop for OrderSender {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_one();
    }
}

impl OrderReceiver {
    /// The newest orders, after a wait of at most `wait` for new ones. `None` once the sender is gone.
    pub(crate) fn receive(&self, wait: Duration) -> Option<PlaybackOrders> {
        let unchanged = |shared: &mut Shared| !shared.is_new && !shared.is_closed;
        let waited = self.0.changed.wait_timeout_while(self.0.lock(), wait, unchanged);
        let mut shared = waited.unwrap_or_else(PoisonError::into_inner).0;
        shared.is_new = false;
        (!shared.is_closed).then_some(shared.orders)
    }

    /// The newest orders, also once the sender is gone.
    pub(crate) fn latest(&self) -> PlaybackOrders {
        self.0.lock().orders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_orders_count_and_a_dropped_sender_ends_them() {
        let (sender, receiver) = order_channel(PlaybackOrders::new(0.5));
        assert_eq!(receiver.receive(Duration::MAX), Some(PlaybackOrders::new(0.5)));
        assert_eq!(receiver.receive(Duration::ZERO), Some(PlaybackOrders::new(0.5)), "unchanged");
        for volume in [0.1, 0.2] {
            sender.update(|orders| orders.volume = volume);
        }
        assert_eq!(receiver.receive(Duration::MAX), Some(PlaybackOrders::new(0.2)));
        drop(sender);
        assert_eq!(receiver.receive(Duration::MAX), None);
        assert_eq!(receiver.latest(), PlaybackOrders::new(0.2));
    }
}
