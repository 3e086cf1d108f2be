//! The end of a grant: revocation, expiry, quota, and tickets for one device.

use std::{sync::Arc, time::Duration};

use media_node::{
    access::{Bounds, Clock, NewAccess, Quota, QuotaPeriod, Rights},
    client::{CodecChoice, NodeLink, SimulatedListener},
    plugins,
};
use media_plugin_sdk::transport::{TransportError, refuse_all};
use media_protocol::{ErrorCode, List, Position};
use tokio::{task::yield_now, time::Instant};

use super::{Guarded, NOW, VirtualClock};
use crate::{
    fixtures::Kind,
    rig::{Listener, Music, bind, code, offering},
};

/// Code and reason of the refusal of a connection.
fn refusal(connected: Result<Listener, TransportError>) -> (String, String) {
    match connected {
        Err(TransportError::Refused(refusal)) => (refusal.code, refusal.reason),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("let in"),
    }
}

/// Starts a listener that plays the first track with this token, and waits until it plays.
async fn playing(guarded: &Guarded, token: &str) -> SimulatedListener {
    let track = guarded.owner().await.track().await.id;
    let registry = plugins::registry();
    let endpoint = registry.transport("memory").unwrap().bind(&bind(refuse_all())).await.unwrap();
    let link = Arc::new(NodeLink::new(endpoint, guarded.rig.address.clone(), Some(token.into())));
    let codec = CodecChoice::Only(vec!["pcm".into()]);
    let times = (Duration::from_secs(3), Duration::from_millis(100));
    let listener =
        SimulatedListener::start(registry, link, (codec, 96_000), (track, Position::START), times).await;
    while listener.stats().played.is_zero() {
        yield_now().await;
    }
    listener
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_ends_a_playing_listener_and_no_other() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 60.0);
    let guarded = Guarded::new(&music, VirtualClock::new()).await;
    let tokens = ["phone", "tablet"].map(|label| guarded.token(label, Rights::LISTENER, Bounds::default()));
    let phone = playing(&guarded, &tokens[0]).await;
    let tablet = playing(&guarded, &tokens[1]).await;
    assert_eq!((phone.stats().failed, tablet.stats().failed), (None, None));
    guarded.revoke("phone");
    while phone.stats().failed.is_none() {
        yield_now().await;
    }
    assert_eq!(phone.stats().failed.as_deref(), Some("revoked by the owner"));
    let (code, reason) = refusal(guarded.rig.connect(Some(&tokens[0])).await);
    assert_eq!((code.as_str(), reason.as_str()), ("revoked", "revoked by the owner"));
    assert_eq!(tablet.stats().failed, None);
}

/// A clock that follows the paused time of the test's runtime.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Duration {
        Duration::from_secs(NOW) + self.0.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_closes_at_the_expiry_of_its_ticket() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 1.0);
    let began = Instant::now();
    let guarded = Guarded::new(&music, Arc::new(PausedClock(began))).await;
    let expires = Some(NOW + 86_400);
    let token = guarded.token("phone", Rights::LISTENER, Bounds { expires, ..Bounds::default() });
    let listener = guarded.rig.connect(Some(&token)).await.unwrap();
    assert!(listener.list(&List::default()).await.is_ok());
    assert_eq!(listener.connection.closed().await, "access ended: expired");
    let late = began.elapsed() - Duration::from_secs(86_400);
    assert!(late < Duration::from_secs(1), "{late:?} in virtual time");
    let (code, reason) = refusal(guarded.rig.connect(Some(&token)).await);
    assert_eq!((code.as_str(), reason.as_str()), ("expired", "expired on 2026-12-16"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_ends_with_the_reason_and_the_next_month_starts_from_zero() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 60.0);
    let clock = VirtualClock::new();
    let guarded = Guarded::new(&music, clock.clone()).await;
    let quota = Quota { bytes: 200_000, period: QuotaPeriod::Month };
    let bounds = Bounds { quota: Some(quota), ..Bounds::default() };
    let token = guarded.token("phone", Rights::LISTENER, bounds);
    let listener = guarded.rig.connect(Some(&token)).await.unwrap();
    let rendition = listener.rendition("pcm").await;
    let mut bytes = 0;
    let over = loop {
        match listener.chunk(&rendition, u32::try_from(bytes / 40_000).unwrap()).await {
            Ok(chunk) => bytes += chunk.len() as u64,
            Err(error) => break error,
        }
    };
    assert!(bytes > 100_000 && bytes <= quota.bytes, "{bytes}");
    assert_eq!((over.code, over.message.as_str()), (ErrorCode::OverQuota, "over quota until 2027-01-01"));
    // A smaller answer may still fit. Everything is refused once nothing fits.
    while listener.list(&List { limit: 10, ..List::default() }).await.is_ok() {}
    let request = offering(&guarded.owner().await.track().await, &["pcm"]);
    assert_eq!(code(listener.get_info(&request).await), ErrorCode::OverQuota);
    assert_eq!(code(listener.chunk(&rendition, 0).await), ErrorCode::OverQuota);
    clock.set(1_798_761_600);
    assert!(listener.chunk(&rendition, 0).await.is_ok(), "the connection outlasts the month");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_over_quota_ends_with_the_reason() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 60.0);
    let guarded = Guarded::new(&music, VirtualClock::new()).await;
    let quota = Some(Quota { bytes: 60_000, period: QuotaPeriod::Month });
    let token = guarded.token("phone", Rights::LISTENER, Bounds { quota, ..Bounds::default() });
    let phone = playing(&guarded, &token).await;
    while phone.stats().failed.is_none() {
        yield_now().await;
    }
    assert_eq!(phone.stats().failed.as_deref(), Some("over quota until 2027-01-01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_for_one_device_refuses_the_second() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 1.0);
    let guarded = Guarded::new(&music, VirtualClock::new()).await;
    let ticket = guarded.make(NewAccess {
        label: "phone".into(),
        listener: None,
        identity: None,
        rights: Rights::LISTENER,
        bounds: Bounds::default(),
        once: true,
    });
    let phone = guarded.rig.connect(Some(&ticket)).await.unwrap();
    let device = phone.connection.welcome().auth_token.expect("the token of the device");
    assert!(phone.list(&List::default()).await.is_ok());
    let (code, reason) = refusal(guarded.rig.connect(Some(&ticket)).await);
    assert_eq!((code.as_str(), reason.as_str()), ("already_used", "already used by another device"));
    // Another program of the same device has an identity of its own.
    let player = guarded.rig.connect(Some(&device)).await.unwrap();
    assert_eq!(player.connection.welcome().auth_token, None);
    assert!(player.list(&List::default()).await.is_ok());
}
