use std::sync::atomic::{AtomicU32, Ordering};

use tokio::{task::JoinSet, time::sleep};

use super::*;

/// Name servers that answer each question after `delay`, or never.
#[derive(Debug, Clone, Default)]
struct Servers(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    delay_ms: AtomicU32,
    asked: AtomicU32,
    at_once: AtomicU32,
    most_at_once: AtomicU32,
}

impl Servers {
    fn answering(delay_ms: u32) -> Self {
        let servers = Self::default();
        servers.0.delay_ms.store(delay_ms, Ordering::Relaxed);
        servers
    }

    /// Number of questions since the last call, and the most of them at once.
    fn asked(&self) -> (u32, u32) {
        (self.0.asked.swap(0, Ordering::Relaxed), self.0.most_at_once.swap(0, Ordering::Relaxed))
    }
}

impl NameServers for Servers {
    fn ask(&self, _: NameRequest) -> BoxFuture<'static, Outcome> {
        /// Counts a question until it is answered or abandoned.
        struct Open(Arc<Counts>);
        impl Drop for Open {
            fn drop(&mut self) {
                self.0.at_once.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let counts = Arc::clone(&self.0);
        Box::pin(async move {
            counts.asked.fetch_add(1, Ordering::Relaxed);
            let at_once = counts.at_once.fetch_add(1, Ordering::Relaxed) + 1;
            counts.most_at_once.fetch_max(at_once, Ordering::Relaxed);
            let _open = Open(Arc::clone(&counts));
            match counts.delay_ms.load(Ordering::Relaxed) {
                0 => std::future::pending().await,
                delay => sleep(Duration::from_millis(delay.into())).await,
            }
            Ok(Some(NameAnswer::Addresses(vec![Ipv4Addr::LOCALHOST.into()])))
        })
    }

    fn reset(&self) {}
}

/// Looks up 8 names as iroh does: each seven times within 7 s. Returns the number of answers.
async fn report(resolver: &NameResolver) -> usize {
    let mut lookups = JoinSet::new();
    for relay in 0..8 {
        for delay in [0, 200, 500, 1_100, 2_100, 4_100, 7_100] {
            let resolver = resolver.clone();
            lookups.spawn(async move {
                sleep(Duration::from_millis(delay)).await;
                let found = timeout(LOOKUP_TIMEOUT, resolver.lookup_ipv4(format!("relay{relay}"))).await;
                found.is_ok_and(|found| found.is_ok_and(|addresses| addresses.count() == 1))
            });
        }
    }
    lookups.join_all().await.into_iter().filter(|found| *found).count()
}

#[tokio::test(start_paused = true)]
async fn lookups_without_an_answer_back_off() {
    let servers = Servers::default();
    let resolver = NameResolver::new(Box::new(servers.clone()));
    assert_eq!(report(&resolver).await, 0);
    // At 0 s and at 4.1 s: a lookup takes 3 s, and the pauses after it 1 s and 2 s.
    assert_eq!(servers.asked(), (2, 1));
    for _ in 0..60 {
        assert_eq!(report(&resolver).await, 0);
    }
    // Ten minutes with pauses of up to one.
    let (asked, at_once) = servers.asked();
    assert!((8..16).contains(&asked) && at_once == 1, "{asked} {at_once}");
    // After a change of the network one lookup comes at once.
    drop(resolver.reset());
    let found = resolver.clone().look_up(NameRequest::Ipv4("relay".into())).await;
    assert!(found.is_err());
    assert_eq!(servers.asked(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn lookups_take_turns_once_a_name_server_answers() {
    let servers = Servers::answering(50);
    let resolver = NameResolver::new(Box::new(servers.clone()));
    assert_eq!(report(&resolver).await, 8 * 7);
    let (_, at_once) = servers.asked();
    assert_eq!(at_once, u32::try_from(MAX_LOOKUPS).unwrap());
    // The answers stop: after the lookups in progress, one at a time.
    servers.0.delay_ms.store(0, Ordering::Relaxed);
    assert_eq!(report(&resolver).await, 0);
    let (asked, at_once) = servers.asked();
    assert!(asked <= 8 && at_once <= 4, "{asked} {at_once}");
    // They come back.
    servers.0.delay_ms.store(50, Ordering::Relaxed);
    sleep(MAX_PAUSE).await;
    assert_eq!(report(&resolver).await, 8 * 7);
}
