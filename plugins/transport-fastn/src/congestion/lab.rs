//! Two QUIC endpoints and a link in virtual time: no socket, no sleep, and the dice of the link are seeded.

#[path = "../../../../node/tests/common/net/link.rs"]
#[allow(dead_code, unreachable_pub, reason = "this takes a part of it")]
mod link;
#[path = "../../../../node/tests/common/net/rng.rs"]
#[allow(unreachable_pub, reason = "this takes a part of it")]
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
    congestion::ControllerFactory,
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
/// RFC 8410, section 10.3: what an Ed25519 seed in PKCS #8 begins with.
const PKCS8: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// One end; the server's connection comes with the client's first packet.
struct End {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    address: SocketAddr,
    pipe: Pipe,
    link: Link,
    /// Until then it does not get the processor.
    asleep_until: Instant,
}

/// When it arrives, a number that keeps the order, the end it goes to, and the packet.
type OnWay = (Duration, u64, usize, Vec<u8>);

/// A server that sends and a client that receives.
pub(super) struct Lab {
    ends: [End; 2],
    began: Instant,
    now: Instant,
    on_way: BinaryHeap<Reverse<OnWay>>,
    sent: u64,
    /// After each turn an end waits for the processor for up to so long.
    late: Duration,
    rng: Rng,
    /// What the client was opened.
    streams: Vec<StreamId>,
    /// What it has received.
    received: u64,
    /// How many of them were whole.
    ended: usize,
}

impl Lab {
    /// Connects them over `link`, the same in both directions.
    pub(super) fn new(
        factory: Arc<dyn ControllerFactory + Send + Sync>,
        link: Link,
        late: Duration,
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
        let mut lab = Self {
            ends,
            began: now,
            now,
            on_way: BinaryHeap::new(),
            sent: 0,
            late,
            rng: Rng::new(seed),
            streams: Vec::new(),
            received: 0,
            ended: 0,
        };
        while lab.ends[SERVER].connection.as_ref().is_none_or(|(_, connection)| connection.is_handshaking()) {
            lab.step();
        }
        lab
    }

    /// Virtual time since the first packet.
    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.began
    }

    /// The server sends so many bytes on a stream of its own.
    pub(super) fn send(&mut self, bytes: usize) -> StreamId {
        let (_, connection) = self.ends[SERVER].connection.as_mut().unwrap();
        let stream = connection.streams().open(Dir::Uni).unwrap();
        assert_eq!(connection.send_stream(stream).write(&vec![7; bytes]).unwrap(), bytes);
        connection.send_stream(stream).finish().unwrap();
        stream
    }

    /// The server sends no more of it.
    pub(super) fn reset(&mut self, stream: StreamId) {
        let (_, connection) = self.ends[SERVER].connection.as_mut().unwrap();
        connection.send_stream(stream).reset(0u32.into()).unwrap();
    }

    /// Runs until the client has received so many bytes in all.
    pub(super) fn until_received(&mut self, bytes: u64) {
        while self.received < bytes {
            self.step();
        }
    }

    /// Runs until the client has received so many streams whole.
    pub(super) fn until_ended(&mut self, streams: usize) {
        while self.ended < streams {
            self.step();
        }
    }

    /// Lets so much time pass.
    pub(super) fn rest(&mut self, time: Duration) {
        let until = self.now + time;
        self.transmit();
        while self.next() < until {
            self.step();
        }
        self.now = until;
    }

    /// From now on it is this link, both ways.
    pub(super) fn change(&mut self, link: Link) {
        self.ends.iter_mut().for_each(|end| end.link = link);
    }

    /// The server's numbers.
    pub(super) fn stats(&mut self) -> PathStats {
        self.ends[SERVER].connection.as_mut().unwrap().1.path_stats(PathId::ZERO).unwrap()
    }

    /// When something happens next.
    fn next(&mut self) -> Instant {
        let arrival = self.on_way.peek().map(|Reverse((due, ..))| self.began + *due);
        let timers = self.ends.iter_mut().filter_map(|end| {
            let timer = end.connection.as_mut()?.1.poll_timeout()?;
            Some(timer.max(end.asleep_until))
        });
        timers.chain(arrival).min().expect("there is always an idle timer").max(self.now)
    }

    fn step(&mut self) {
        self.transmit();
        self.now = self.next();
        let mut woken = [false; 2];
        while let Some(Reverse((due, ..))) = self.on_way.peek()
            && self.began + *due <= self.now
            && let Some(Reverse((_, number, to, packet))) = self.on_way.pop()
        {
            let asleep_until = self.ends[to].asleep_until;
            if asleep_until > self.now {
                self.on_way.push(Reverse((asleep_until - self.began, number, to, packet)));
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
            end.asleep_until = self.now + self.late.mul_f64(self.rng.share());
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
            // As many at a time as the driver of iroh takes on Linux.
            while let Some(transmit) = connection.poll_transmit(self.now, 10.try_into().unwrap(), &mut buffer)
            {
                for packet in buffer[..transmit.size].chunks(transmit.segment_size.unwrap_or(transmit.size)) {
                    let at = self.now - self.began;
                    for due in end.pipe.send(&end.link, at, packet.len()).into_iter().flatten() {
                        self.sent += 1;
                        self.on_way.push(Reverse((due, self.sent, 1 - from, packet.to_vec())));
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
    let key = any_eddsa_type(&PrivatePkcs8KeyDer::from([PKCS8, &[7; 32]].concat())).unwrap();
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
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone));
    QuicClientConfig::try_from(config.with_no_client_auth()).unwrap()
}

/// There is one server only.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
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
