//! Two QUIC endpoints and a link in virtual time, without sockets or sleeps. The random events of the link
//! are seeded.

#[path = "../../../../node/tests/common/net/link.rs"]
#[allow(dead_code, unreachable_pub, reason = "the simulation uses a part of it")]
mod link;
#[path = "../../../../node/tests/common/net/rng.rs"]
#[allow(unreachable_pub, reason = "the simulation uses a part of it")]
mod rng;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use noq_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event,
    FourTuple, PathId, PathStats, ServerConfig, StreamId, TransportConfig,
    congestion::{Controller, ControllerFactory},
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
    rustls,
};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring::sign::any_eddsa_type,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    server::AlwaysResolvesServerRawPublicKeys,
    sign::CertifiedKey,
};

pub(super) use link::Link;
use link::Pipe;
use rng::Rng;

const CLIENT: usize = 0;
const SERVER: usize = 1;
/// Header of an Ed25519 seed in PKCS #8 (RFC 8410, section 10.3).
const PKCS8_HEADER: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// One end. The server's connection begins with the client's first packet.
struct End {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    address: SocketAddr,
    pipe: Pipe,
    link: Link,
    /// Time until which the end gets no processor time.
    asleep_until: Instant,
}

/// Arrival time, sequence number that keeps the order, receiving end, and bytes of a packet.
type PacketInFlight = (Duration, u64, usize, Vec<u8>);

/// A server that sends and a client that receives.
pub(super) struct Simulation {
    ends: [End; 2],
    began: Instant,
    now: Instant,
    in_flight: BinaryHeap<Reverse<PacketInFlight>>,
    sent: u64,
    /// Longest time that an end waits for the processor after each turn.
    max_wake_delay: Duration,
    rng: Rng,
    /// Streams that the server opened, as the client sees them.
    streams: Vec<StreamId>,
    /// Bytes that the client has received.
    received: u64,
    /// Number of streams that the client has received whole.
    ended: usize,
}

impl Simulation {
    /// Connects both ends over `link`, with equal properties in both directions.
    pub(super) fn new(
        factory: Arc<dyn ControllerFactory + Send + Sync>,
        link: Link,
        max_wake_delay: Duration,
        seed: u64,
    ) -> Self {
        let mut transport = TransportConfig::default();
        transport.congestion_controller_factory(factory);
        let transport = Arc::new(transport);
        let mut server_config = ServerConfig::with_crypto(Arc::new(server_crypto()));
        server_config.transport_config(Arc::clone(&transport));
        let mut client_config = ClientConfig::new(Arc::new(client_crypto()));
        client_config.transport_config(transport);

        let now = Instant::now();
        let end = |server: Option<ServerConfig>, port, seed: u64| {
            let mut config = EndpointConfig::default();
            config.rng_seed(Some([seed as u8; 32]));
            End {
                endpoint: Endpoint::new(Arc::new(config), server.map(Arc::new), true),
                connection: None,
                address: SocketAddr::from(([127, 0, 0, 1], port)),
                pipe: Pipe::new(seed),
                link,
                asleep_until: now,
            }
        };
        let mut ends = [end(None, 1, seed), end(Some(server_config), 2, !seed)];
        let server = ends[SERVER].address;
        ends[CLIENT].connection =
            Some(ends[CLIENT].endpoint.connect(now, client_config, server, "server").unwrap());
        let mut simulation = Self {
            ends,
            began: now,
            now,
            in_flight: BinaryHeap::new(),
            sent: 0,
            max_wake_delay,
            rng: Rng::new(seed),
            streams: Vec::new(),
            received: 0,
            ended: 0,
        };
        while simulation.ends[SERVER]
            .connection
            .as_ref()
            .is_none_or(|(_, connection)| connection.is_handshaking())
        {
            simulation.step();
        }
        simulation
    }

    /// Virtual time since the first packet.
    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.began
    }

    /// Sends `bytes` from the server on a new stream.
    pub(super) fn send(&mut self, bytes: usize) -> StreamId {
        let (_, connection) = self.ends[SERVER].connection.as_mut().unwrap();
        let stream = connection.streams().open(Dir::Uni).unwrap();
        assert_eq!(connection.send_stream(stream).write(&vec![7; bytes]).unwrap(), bytes);
        connection.send_stream(stream).finish().unwrap();
        stream
    }

    /// Aborts a stream at the server.
    pub(super) fn reset(&mut self, stream: StreamId) {
        let (_, connection) = self.ends[SERVER].connection.as_mut().unwrap();
        connection.send_stream(stream).reset(0u32.into()).unwrap();
    }

    /// Runs until the client has received `bytes` in all.
    pub(super) fn until_received(&mut self, bytes: u64) {
        while self.received < bytes {
            self.step();
        }
    }

    /// Runs until the client has received this number of streams whole.
    pub(super) fn until_ended(&mut self, streams: usize) {
        while self.ended < streams {
            self.step();
        }
    }

    /// Runs for `time`.
    pub(super) fn rest(&mut self, time: Duration) {
        let until = self.now + time;
        self.transmit();
        while self.next_event() < until {
            self.step();
        }
        self.now = until;
    }

    /// Replaces the link in both directions.
    pub(super) fn change(&mut self, link: Link) {
        self.ends.iter_mut().for_each(|end| end.link = link);
    }

    /// Copy of the server's congestion controller.
    pub(super) fn controller(&self) -> Box<dyn Controller> {
        let (_, connection) = self.ends[SERVER].connection.as_ref().unwrap();
        connection.congestion_state(PathId::ZERO).unwrap().clone_box()
    }

    /// Statistics of the server's path.
    pub(super) fn stats(&mut self) -> PathStats {
        self.ends[SERVER].connection.as_mut().unwrap().1.path_stats(PathId::ZERO).unwrap()
    }

    /// Time of the next event.
    fn next_event(&mut self) -> Instant {
        let arrival = self.in_flight.peek().map(|Reverse((due, ..))| self.began + *due);
        let timers = self.ends.iter_mut().filter_map(|end| {
            let timer = end.connection.as_mut()?.1.poll_timeout()?;
            Some(timer.max(end.asleep_until))
        });
        timers.chain(arrival).min().expect("there is always an idle timer").max(self.now)
    }

    fn step(&mut self) {
        self.transmit();
        self.now = self.next_event();
        let mut woken = [false; 2];
        while let Some(Reverse((due, ..))) = self.in_flight.peek()
            && self.began + *due <= self.now
            && let Some(Reverse((_, number, to, packet))) = self.in_flight.pop()
        {
            let asleep_until = self.ends[to].asleep_until;
            if asleep_until > self.now {
                self.in_flight.push(Reverse((asleep_until - self.began, number, to, packet)));
            } else {
                woken[to] = true;
                self.deliver(to, &packet);
            }
        }
        for (end, woken) in self.ends.iter_mut().zip(&mut woken) {
            let Some((_, connection)) = &mut end.connection else { continue };
            if connection.poll_timeout().is_some_and(|at| at <= self.now) && end.asleep_until <= self.now {
                *woken = true;
                connection.handle_timeout(self.now);
            }
        }
        self.transmit();
        self.receive();
        for (end, _) in self.ends.iter_mut().zip(woken).filter(|(_, woken)| *woken) {
            end.asleep_until = self.now + self.max_wake_delay.mul_f64(self.rng.share());
        }
    }

    fn deliver(&mut self, to: usize, packet: &[u8]) {
        let from = FourTuple::from_remote(self.ends[1 - to].address);
        let end = &mut self.ends[to];
        match end.endpoint.handle(self.now, from, None, BytesMut::from(packet), &mut Vec::new()) {
            Some(DatagramEvent::NewConnection(incoming)) => {
                let accepted = end.endpoint.accept(incoming, self.now, &mut Vec::new(), None);
                end.connection = Some(accepted.unwrap());
            }
            Some(DatagramEvent::ConnectionEvent(_, event)) => {
                end.connection.as_mut().unwrap().1.handle_event(event);
            }
            Some(DatagramEvent::Response(_)) | None => {}
        }
    }

    fn transmit(&mut self) {
        for (from, end) in self.ends.iter_mut().enumerate() {
            let Some((handle, connection)) = &mut end.connection else { continue };
            if end.asleep_until > self.now {
                continue;
            }
            while let Some(event) = connection.poll_endpoint_events() {
                if let Some(event) = end.endpoint.handle_event(*handle, event) {
                    connection.handle_event(event);
                }
            }
            let mut buffer = Vec::new();
            // iroh's driver on Linux also sends up to ten packets per call.
            while let Some(transmit) = connection.poll_transmit(self.now, 10.try_into().unwrap(), &mut buffer)
            {
                for packet in buffer[..transmit.size].chunks(transmit.segment_size.unwrap_or(transmit.size)) {
                    let at = self.now - self.began;
                    for due in end.pipe.send(&end.link, at, packet.len()).into_iter().flatten() {
                        self.sent += 1;
                        self.in_flight.push(Reverse((due, self.sent, 1 - from, packet.to_vec())));
                    }
                }
                buffer.clear();
            }
        }
    }

    fn receive(&mut self) {
        let (_, connection) = self.ends[CLIENT].connection.as_mut().unwrap();
        while let Some(event) = connection.poll() {
            if let Event::ConnectionLost { reason } = event {
                panic!("{reason}");
            }
        }
        self.streams.extend(std::iter::from_fn(|| connection.streams().accept(Dir::Uni)));
        for id in &self.streams {
            let mut stream = connection.recv_stream(*id);
            let Ok(mut chunks) = stream.read(true) else { continue };
            let mut next = chunks.next(usize::MAX);
            while let Ok(Some(chunk)) = next {
                self.received += chunk.bytes.len() as u64;
                next = chunks.next(usize::MAX);
            }
            self.ended += usize::from(matches!(next, Ok(None)));
            let _ = chunks.finalize();
        }
    }
}

fn server_crypto() -> QuicServerConfig {
    let key = any_eddsa_type(&PrivatePkcs8KeyDer::from([PKCS8_HEADER, &[7; 32]].concat())).unwrap();
    let spki = CertificateDer::from(key.public_key().unwrap().to_vec());
    let resolver = AlwaysResolvesServerRawPublicKeys::new(Arc::new(CertifiedKey::new(vec![spki], key)));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let config = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    QuicServerConfig::try_from(config.with_no_client_auth().with_cert_resolver(Arc::new(resolver))).unwrap()
}

fn client_crypto() -> QuicClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate));
    QuicClientConfig::try_from(config.with_no_client_auth()).unwrap()
}

/// Accepts any server certificate: the simulation has one server only.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
