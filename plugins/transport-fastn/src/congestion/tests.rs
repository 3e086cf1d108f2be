use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use iroh::{
    Endpoint, EndpointAddr, TransportAddr,
    endpoint::{Connection, QuicTransportConfig, presets},
};
use noq_proto::congestion::Controller as _;
use tokio::net::UdpSocket;

use super::{
    AutoController, FirstRoundTrip, NEAR_WINDOW_PACKETS, factory,
    simulation::{Link, Simulation},
};
use crate::options::Congestion;

const ALPN: &[u8] = b"test";

async fn endpoint() -> Endpoint {
    let config =
        QuicTransportConfig::builder().congestion_controller_factory(factory(Congestion::Auto)).build();
    Endpoint::builder(presets::Minimal)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .unwrap()
        .alpns(vec![ALPN.to_vec()])
        .transport_config(config)
        .bind()
        .await
        .unwrap()
}

/// Proxies datagrams between one client and `server`, each delayed by `delay`.
async fn delaying_proxy(server: SocketAddr, delay: Duration) -> SocketAddr {
    let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    far.connect(server).await.unwrap();
    let address = near.local_addr().unwrap();
    tokio::spawn(async move {
        let mut out = vec![0; 65_536];
        let mut back = vec![0; 65_536];
        let mut client = None;
        loop {
            tokio::select! {
                Ok((size, from)) = near.recv_from(&mut out) => {
                    client = Some(from);
                    let far = far.clone();
                    let datagram = out[..size].to_vec();
                    tokio::spawn(async move { tokio::time::sleep(delay).await; far.send(&datagram).await });
                }
                Ok(size) = far.recv(&mut back) => {
                    let Some(client) = client else { continue };
                    let near = near.clone();
                    let datagram = back[..size].to_vec();
                    tokio::spawn(async move { tokio::time::sleep(delay).await; near.send_to(&datagram, client).await });
                }
            }
        }
    });
    address
}

async fn connect(client: &Endpoint, server: &Endpoint, way: SocketAddr) -> Connection {
    let serving = server.clone();
    tokio::spawn(async move {
        let connection = serving.accept().await.unwrap().await.unwrap();
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            send.write_all(&recv.read_to_end(1 << 20).await.unwrap()).await.unwrap();
            send.finish().unwrap();
        }
    });
    client.connect(EndpointAddr::new(server.id()).with_ip_addr(way), ALPN).await.unwrap()
}

async fn round_trip(connection: &Connection, bytes: usize) {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&vec![1; bytes]).await.unwrap();
    send.finish().unwrap();
    recv.read_to_end(1 << 20).await.unwrap();
}

/// Returns true if BBR3 controls the path to `remote`, `None` if that path no longer exists.
fn uses_bbr(connection: &Connection, remote: SocketAddr) -> Option<bool> {
    let path = connection.paths().iter().find(|path| *path.remote_addr() == TransportAddr::Ip(remote))?.id();
    let controller = connection.congestion_state(path)?;
    Some(controller.into_any().downcast::<AutoController>().unwrap().uses_bbr)
}

#[tokio::test]
async fn loopback_gets_cubic() {
    let client = endpoint().await;
    let server = endpoint().await;
    let address = server.bound_sockets()[0];
    let connection = connect(&client, &server, address).await;
    // The first round trips may be long on a busy machine; a single short one is enough.
    let switch = async {
        while uses_bbr(&connection, address).unwrap() {
            round_trip(&connection, 1000).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), switch).await.unwrap();
    // These transfers would open an unlimited window further than that.
    for _ in 0..4 {
        round_trip(&connection, 1 << 20).await;
    }
    let path = connection.paths().iter().next().unwrap().id();
    let controller = connection.congestion_state(path).unwrap();
    assert!(controller.window() <= NEAR_WINDOW_PACKETS * 1500, "{}", controller.window());
    // Cubic's own window must stay near the limit, or the first losses would not take effect.
    let cubic = controller.into_any().downcast::<AutoController>().unwrap().inner.window();
    assert!(cubic <= (NEAR_WINDOW_PACKETS + 1) * 1500, "{cubic}");
}

#[tokio::test]
async fn a_longer_way_keeps_bbr() {
    let client = endpoint().await;
    let server = endpoint().await;
    let way = delaying_proxy(server.bound_sockets()[0], Duration::from_millis(5)).await;
    let connection = connect(&client, &server, way).await;
    // The handshake has been acknowledged, so the controller has measured the first round trips.
    assert_eq!(uses_bbr(&connection, way), Some(true));
    let path = crate::path::of(&connection);
    assert!(path.min_rtt <= path.rtt && path.min_rtt >= Some(Duration::from_millis(10)), "{path:?}");
    for _ in 0..10 {
        round_trip(&connection, 1000).await;
        // The endpoints soon find the direct path and abandon this one.
        assert_ne!(uses_bbr(&connection, way), Some(false));
    }
}

/// Sends three chunks over a link with this delay in each direction. Returns the controller after them.
fn controller_over(delay: Duration) -> AutoController {
    let link = Link { delay, ..Link::default() };
    let mut simulation = Simulation::new(factory(Congestion::Auto), link, Duration::ZERO, 5);
    for number in 1..=3 {
        simulation.send(CHUNK);
        simulation.until_received(number * CHUNK as u64);
    }
    *simulation.controller().into_any().downcast().unwrap()
}

#[test]
fn a_round_trip_below_a_millisecond_gets_cubic() {
    let near = controller_over(Duration::from_micros(450));
    assert!(!near.uses_bbr);
    assert_eq!(near.window(), 120 * u64::from(near.mtu));
    assert!(controller_over(Duration::from_micros(550)).uses_bbr);
}

#[test]
fn the_pacing_rate_is_four_times_bbrs_except_after_a_pause() {
    let now = Instant::now();
    let mut auto = factory(Congestion::Auto).build(now, 1200);
    let mut bbr = factory(Congestion::Bbr).build(now, 1200);
    let rate = bbr.metrics().pacing_rate.unwrap();
    assert_eq!(auto.metrics().pacing_rate, Some(4 * rate));
    auto.on_end_acks(now, 0, true, None);
    bbr.on_end_acks(now, 0, true, None);
    assert_eq!(auto.metrics().pacing_rate, bbr.metrics().pacing_rate);
}

#[test]
fn a_few_bytes_ahead_do_not_end_the_first_round_trip() {
    let began = Instant::now();
    let min_rtt = Duration::from_millis(50);
    let mut first_round_trip = FirstRoundTrip::NotStarted;
    first_round_trip.on_sent(began);
    first_round_trip.on_sent(began + Duration::from_millis(10));
    first_round_trip.on_acked(began + Duration::from_millis(24), min_rtt);
    assert_eq!(first_round_trip, FirstRoundTrip::Running(began));
    first_round_trip.on_acked(began + Duration::from_millis(25), min_rtt);
    assert_eq!(first_round_trip, FirstRoundTrip::Over);
}

/// Bytes of a chunk: 3 s of 16-bit stereo PCM at 44.1 kHz.
const CHUNK: usize = 529_200;
/// Link rate in bit/s: 1.5 times the rate of the PCM, plus packet headers.
const RATE: u64 = 2_200_000;

/// Sends five chunks in a row. Returns the virtual time of each, and the share of packets lost.
fn send_chunks(congestion: Congestion, link: Link, max_wake_delay: Duration) -> (Vec<Duration>, f64) {
    let mut simulation = Simulation::new(factory(congestion), link, max_wake_delay, 5);
    let times = (1..=5).map(|number| {
        let requested = simulation.elapsed();
        simulation.send(CHUNK);
        simulation.until_received(number * CHUNK as u64);
        simulation.elapsed() - requested
    });
    let times = times.collect();
    let stats = simulation.stats();
    (times, stats.lost_packets as f64 / stats.sent_packets as f64)
}

#[test]
fn late_turns_do_not_wear_the_rate_down() {
    let max_wake_delay = Duration::from_millis(40);
    let slowest = |congestion| {
        send_chunks(congestion, Link::of(50, 0.0).at(RATE), max_wake_delay).0.into_iter().max().unwrap()
    };
    // A chunk takes 2.0 s at the link's rate. From 3 s on, playback has dropouts.
    let auto = slowest(Congestion::Auto);
    let bbr = slowest(Congestion::Bbr);
    assert!(auto < Duration::from_millis(2800), "{auto:?}");
    assert!(bbr > Duration::from_secs(4), "BBR3 alone is fast enough now, so the correction can go: {bbr:?}");
}

#[test]
fn a_shallow_queue_is_not_flooded() {
    for (rtt, queue) in
        [(50, 64_000), (50, 32_000), (50, 16_000), (100, 64_000), (100, 32_000), (100, 16_000)]
    {
        let link = Link { queue, ..Link::of(rtt, 0.0) }.at(RATE);
        let (times, lost) = send_chunks(Congestion::Auto, link, Duration::ZERO);
        assert!(
            times.iter().all(|time| *time < Duration::from_millis(2800)),
            "{rtt} ms, {queue} B: {times:?}"
        );
        assert!(lost < 0.1, "{rtt} ms, {queue} B: {lost}");
    }
}

#[test]
fn a_thin_link_is_not_flooded_with_a_chunk() {
    // 3 s of Opus at 96 kbit/s, on a link of 1.5 times that rate.
    const CHUNK: usize = 37_500;
    let mut lost = [0; 2];
    for (rtt, queue) in [(50, 32_000), (50, 24_000), (50, 16_000), (100, 28_000)] {
        let link = Link { queue, ..Link::of(rtt, 0.0) }.at(150_000);
        for (congestion, lost) in [Congestion::Auto, Congestion::Bbr].into_iter().zip(&mut lost) {
            let mut simulation = Simulation::new(factory(congestion), link, Duration::ZERO, 5);
            for number in 1..=10 {
                let requested = simulation.elapsed();
                simulation.send(CHUNK);
                simulation.until_received(number * CHUNK as u64);
                let took = simulation.elapsed() - requested;
                assert!(
                    took < Duration::from_millis(2600) || congestion == Congestion::Bbr,
                    "{rtt} ms, {queue} B: {took:?}"
                );
                simulation.rest(Duration::from_secs(1));
            }
            *lost += simulation.stats().lost_packets;
        }
    }
    let [auto, bbr] = lost;
    assert!(auto <= 5, "{auto}");
    assert!(bbr > 20, "BBR3 alone loses little now, so the correction can go: {bbr}");
}

#[test]
fn a_burst_that_takes_all_that_is_in_flight_costs_a_second() {
    let bytes = 600_000;
    let rate = 1_000_000;
    let link = Link { burst: (0.004, 20), ..Link::of(50, 0.0) }.at(rate);
    for seed in 1..=10 {
        let mut simulation = Simulation::new(factory(Congestion::Auto), link, Duration::ZERO, seed);
        // Twice the measured bytes are sent: a burst at the end of the data would leave only probes to send.
        simulation.send(2 * bytes);
        simulation.until_received(bytes as u64);
        let lost = simulation.stats().lost_packets;
        let bursts = u32::try_from(lost / 20 + 1).unwrap();
        let most = Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64).mul_f64(1.2);
        assert!(
            simulation.elapsed() < most + bursts * Duration::from_secs(1),
            "{seed}: {:?}, {lost}",
            simulation.elapsed()
        );
    }
}

#[test]
fn a_path_that_becomes_longer_keeps_its_rate() {
    let link = |rtt| Link { queue: 500_000, ..Link::of(rtt, 0.0) }.at(8_000_000);
    let mut simulation = Simulation::new(factory(Congestion::Auto), link(50), Duration::ZERO, 5);
    for number in 1..=8 {
        if number == 4 {
            simulation.change(link(300));
        }
        let requested = simulation.elapsed();
        simulation.send(CHUNK);
        simulation.until_received(number * CHUNK as u64);
        let took = simulation.elapsed() - requested;
        // A chunk takes 0.5 s at the link's rate. In the fourth the sender has to notice the longer path.
        let most = Duration::from_millis(if number == 4 { 2500 } else { 1000 });
        assert!(took < most, "chunk {number}: {took:?}");
        simulation.rest(Duration::from_secs(3) - took);
    }
}

#[test]
fn loss_without_a_queue_keeps_the_rate() {
    for (rtt, loss) in [(50, 0.01), (50, 0.05), (100, 0.03)] {
        let (times, _) = send_chunks(Congestion::Auto, Link::of(rtt, loss), Duration::ZERO);
        assert!(times.iter().all(|time| *time < Duration::from_secs(2)), "{rtt} ms, {loss}: {times:?}");
    }
}

/// The link carries 10 Mbit/s at 50 ms; its queue holds half of the bandwidth-delay product.
#[test]
fn after_a_pause_a_window_does_not_overrun_a_short_queue() {
    let link = Link { queue: 32_000, ..Link::of(50, 0.0) }.at(10_000_000);
    for (seed, late) in [(1, 0), (2, 0), (3, 5)] {
        let mut simulation =
            Simulation::new(factory(Congestion::Auto), link, Duration::from_millis(late), seed);
        for number in 0..5 {
            let (requested, lost, before) =
                (simulation.elapsed(), simulation.stats().lost_packets, number * CHUNK as u64);
            simulation.send(CHUNK);
            simulation.until_received(before + 60_000);
            let took = simulation.elapsed() - requested;
            let lost = simulation.stats().lost_packets - lost;
            // 25 ms of delay and 48 ms at the link's rate. The rate is still unknown in the first chunk.
            let most = Duration::from_millis(if number == 0 { 250 } else { 100 });
            assert!(took < most && lost == 0, "chunk {number}: {took:?}, {lost} lost");
            simulation.until_received(before + CHUNK as u64);
            simulation.rest(Duration::from_secs(2));
        }
    }
}

/// After a pause, BBR3 of noq-proto 1.4.0 counts all earlier acknowledgements as one burst (`extra_acked`)
/// and widens its window with every packet.
#[test]
fn a_pause_does_not_widen_the_window() {
    let mut lost = 0;
    let mut widest = 0;
    for queue in [64_000, 32_000] {
        let link = Link { queue, ..Link::of(50, 0.0) }.at(RATE);
        for seed in 1..=4 {
            let mut simulation =
                Simulation::new(factory(Congestion::Auto), link, Duration::from_millis(2), seed);
            for number in 1..=8 {
                simulation.send(CHUNK);
                simulation.until_received(number * CHUNK as u64);
                widest = simulation.stats().cwnd.max(widest);
                simulation.rest(Duration::from_secs(2));
            }
            lost += simulation.stats().lost_packets;
        }
    }
    // The bandwidth-delay product is 13,750 bytes, and twice that may wait in the queue.
    assert!(widest < 50_000, "{widest}");
    assert!(lost <= 10, "{lost}");
}

/// The link falls from 10 Mbit/s to 128 kbit/s. The first chunk after that fills the queue, and the rest of
/// it is lost. Half a second later the client abandons it for the smallest chunk.
#[test]
fn what_is_asked_for_behind_a_full_queue_comes_once_it_has_drained() {
    const FLAC: usize = 350_000;
    const SMALLEST: usize = 4_500;
    let link = |rate| Link { queue: 32_000, ..Link::of(50, 0.0) }.at(rate);
    for seed in 0..20 {
        let mut simulation = Simulation::new(
            factory(Congestion::Auto),
            link(10_000_000),
            Duration::from_millis(seed % 4),
            seed,
        );
        for number in 1..=3 {
            simulation.send(FLAC);
            simulation.until_ended(number);
            simulation.rest(Duration::from_millis(2500));
        }
        simulation.rest(Duration::from_millis(seed * 75));
        simulation.change(link(128_000));
        let requested = simulation.elapsed();
        let abandoned = simulation.send(FLAC);
        simulation.rest(Duration::from_millis(530 + seed % 7 * 10));
        simulation.reset(abandoned);
        simulation.send(SMALLEST);
        simulation.until_ended(4);
        let took = simulation.elapsed() - requested;
        // The queue takes 2 s to drain. A client requests a chunk while its buffer still holds 3 s.
        assert!(took < Duration::from_millis(2900), "{seed}: {took:?}");
    }
}
