//! The relay: its sockets, its clock, and the packets in flight.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::link::{Link, Pipe};

/// A change that a script makes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Both directions.
    Both(Link),
    /// Towards the server.
    Up(Link),
    /// Towards the client.
    Down(Link),
    /// Drops all packets in the directions that are set, up and down. The other conditions stay.
    Silence(bool, bool),
    /// Gives the client another address: opens a new upstream socket and closes the old one.
    Rebind,
    /// Moves the server to this address.
    Server(SocketAddr),
}

/// Counters of packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets of the client.
    pub up: u64,
    /// Packets of the server.
    pub down: u64,
    /// Lost packets of both.
    pub lost: u64,
    /// Bytes that the client sent.
    pub up_bytes: u64,
    /// Changes that a script made.
    pub changes: usize,
}

/// A relay between one client and one server. Ends when dropped.
pub struct Relay {
    /// Address for the client to connect to.
    pub address: SocketAddr,
    changes: mpsc::UnboundedSender<Change>,
    tally: Arc<Mutex<Tally>>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// A packet in flight: its arrival, a number that keeps the order, its direction, its bytes.
type OnWay = (Duration, u64, usize, Vec<u8>);

impl Relay {
    /// Starts a relay in front of `server`.
    pub async fn start(server: SocketAddr, seed: u64, link: Link) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket for the client");
        let address = front.local_addr().expect("its address");
        let (changes, changing) = mpsc::unbounded_channel();
        let tally = Arc::<Mutex<Tally>>::default();
        let wire = Wire {
            front,
            back: upstream().await,
            server,
            client: None,
            links: [link; 2],
            silent: [false; 2],
            pipes: [Pipe::new(seed), Pipe::new(!seed)],
            began: Instant::now(),
            on_way: BinaryHeap::new(),
            sent: 0,
            tally: Arc::clone(&tally),
        };
        let task = tokio::spawn(wire.run(changing));
        Self { address, changes, tally, tasks: Mutex::new(vec![task.abort_handle()]) }
    }

    /// Makes a change now.
    pub fn change(&self, change: Change) {
        self.changes.send(change).expect("the relay runs");
    }

    /// Makes changes at times counted from now.
    pub fn play(&self, script: &[(Duration, Change)]) {
        let (began, script, changes) = (Instant::now(), script.to_vec(), self.changes.clone());
        let task = tokio::spawn(async move {
            for (at, change) in script {
                sleep_until(began + at).await;
                let _ = changes.send(change);
            }
        });
        self.tasks.lock().expect("no panic").push(task.abort_handle());
    }

    /// Returns the counters.
    pub fn tally(&self) -> Tally {
        *self.tally.lock().expect("no panic")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.lock().expect("no panic").iter().for_each(AbortHandle::abort);
    }
}

async fn upstream() -> UdpSocket {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.expect("a socket for the server")
}

const UP: usize = 0;
const DOWN: usize = 1;

struct Wire {
    front: UdpSocket,
    back: UdpSocket,
    server: SocketAddr,
    /// Last known address of the client.
    client: Option<SocketAddr>,
    links: [Link; 2],
    silent: [bool; 2],
    pipes: [Pipe; 2],
    began: Instant,
    /// Packets in flight, the next arrival first.
    on_way: BinaryHeap<Reverse<OnWay>>,
    sent: u64,
    tally: Arc<Mutex<Tally>>,
}

impl Wire {
    async fn run(mut self, mut changes: mpsc::UnboundedReceiver<Change>) {
        let (mut above, mut below) = (vec![0; 65_536], vec![0; 65_536]);
        loop {
            let due = self.on_way.peek().map(|Reverse(next)| self.began + next.0);
            tokio::select! {
                Some(change) = changes.recv() => self.apply(change).await,
                Ok((len, from)) = self.front.recv_from(&mut above) => {
                    self.client = Some(from);
                    self.take(UP, &above[..len]);
                }
                Ok((len, _)) = self.back.recv_from(&mut below) => self.take(DOWN, &below[..len]),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.deliver(),
            }
        }
    }

    async fn apply(&mut self, change: Change) {
        self.tally.lock().expect("no panic").changes += 1;
        match change {
            Change::Both(link) => self.links = [link; 2],
            Change::Up(link) => self.links[UP] = link,
            Change::Down(link) => self.links[DOWN] = link,
            Change::Silence(up, down) => self.silent = [up, down],
            Change::Rebind => self.back = upstream().await,
            Change::Server(server) => self.server = server,
        }
    }

    fn take(&mut self, way: usize, packet: &[u8]) {
        let link = Link { silent: self.links[way].silent || self.silent[way], ..self.links[way] };
        let arrivals = self.pipes[way].send(&link, self.began.elapsed(), packet.len());
        let mut tally = self.tally.lock().expect("no panic");
        let count = if way == UP { &mut tally.up } else { &mut tally.down };
        *count += 1;
        tally.lost += u64::from(arrivals == [None; 2]);
        tally.up_bytes += if way == UP { packet.len() as u64 } else { 0 };
        drop(tally);
        for due in arrivals.into_iter().flatten() {
            self.sent += 1;
            self.on_way.push(Reverse((due, self.sent, way, packet.to_vec())));
        }
    }

    fn deliver(&mut self) {
        let now = self.began.elapsed();
        while let Some(Reverse((due, ..))) = self.on_way.peek()
            && *due <= now
            && let Some(Reverse((_, _, way, packet))) = self.on_way.pop()
        {
            // A packet that the system does not take is lost, as on a real path.
            let _ = match (way, self.client) {
                (UP, _) => self.back.try_send_to(&packet, self.server),
                (_, Some(client)) => self.front.try_send_to(&packet, client),
                (_, None) => continue,
            };
        }
    }
}
