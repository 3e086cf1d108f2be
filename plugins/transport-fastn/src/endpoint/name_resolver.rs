//! Lookups of names, mostly of relays: few at a time, and hardly any while no name server answers.
//!
//! iroh looks up each relay several times at once, at the start and after each change of the network interfaces, and each
//! lookup opens up to 18 UDP sockets. Without internet that would take most of a process's descriptors.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use iroh::dns::{BoxIter, DnsError, DnsResolver, Resolver, TxtRecordData};
use media_plugin_sdk::transport::BoxFuture;
use n0_error::AnyError;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout},
};

/// Lookups at once, after a name server has answered. Tested by `lookups_take_turns_once_a_name_server_answers`.
const MAX_LOOKUPS: usize = 4;
/// Time for a lookup. iroh abandons one after the same time.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause after the first lookup without an answer. It doubles with each further one. Tested by
/// `lookups_without_an_answer_back_off`.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause. Tested by `lookups_without_an_answer_back_off`.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Returns the system's resolver with these bounds.
pub(super) fn resolver() -> DnsResolver {
    DnsResolver::custom(NameResolver::new(Box::new(System(DnsResolver::new()))))
}

/// A kind of record, and the name it is looked up for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum NameRequest {
    Ipv4(String),
    Ipv6(String),
    Txt(String),
}

/// The records that a name server has.
#[derive(Debug, Clone)]
enum NameAnswer {
    Addresses(Vec<IpAddr>),
    Texts(Vec<TxtRecordData>),
}

/// Result of a lookup. `Ok(None)`: a name server answered that there is no such name.
type Outcome = Result<Option<NameAnswer>, String>;

/// The source of answers.
trait NameServers: std::fmt::Debug + Send + Sync + 'static {
    fn ask(&self, question: NameRequest) -> BoxFuture<'static, Outcome>;

    /// Forgets the network of before.
    fn reset(&self);
}

/// The name servers of the system.
#[derive(Debug)]
struct System(DnsResolver);

impl NameServers for System {
    fn ask(&self, question: NameRequest) -> BoxFuture<'static, Outcome> {
        let resolver = self.0.clone();
        Box::pin(async move {
            let found = match question {
                NameRequest::Ipv4(name) => resolver.lookup_ipv4(name, LOOKUP_TIMEOUT).await.map(addresses),
                NameRequest::Ipv6(name) => resolver.lookup_ipv6(name, LOOKUP_TIMEOUT).await.map(addresses),
                NameRequest::Txt(name) => {
                    let found = resolver.lookup_txt(name, LOOKUP_TIMEOUT).await;
                    found.map(|found| NameAnswer::Texts(found.collect()))
                }
            };
            match found {
                Ok(records) => Ok(Some(records)),
                Err(DnsError::NxDomain { .. }) => Ok(None),
                Err(error) => Err(format!("{error:#}")),
            }
        })
    }

    fn reset(&self) {
        self.0.reset();
    }
}

fn addresses(found: impl Iterator<Item = IpAddr>) -> NameAnswer {
    NameAnswer::Addresses(found.collect())
}

/// A resolver whose lookups of the same name share one.
#[derive(Debug, Clone)]
struct NameResolver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    servers: Box<dyn NameServers>,
    slots: Semaphore,
    /// Held by the only lookup while it is not known that a name server answers.
    trial: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_progress: HashMap<NameRequest, watch::Receiver<Option<Outcome>>>,
    /// True if the last lookup was answered.
    is_answering: bool,
    /// Lookups in a row without an answer.
    failures: u32,
    /// End of the pause after the last of them.
    not_before: Option<Instant>,
}

impl NameResolver {
    fn new(servers: Box<dyn NameServers>) -> Self {
        Self(Arc::new(Shared {
            servers,
            slots: Semaphore::new(MAX_LOOKUPS),
            trial: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }))
    }

    /// Looks a name up, or joins the lookup of it in progress.
    async fn look_up(self, question: NameRequest) -> Result<NameAnswer, DnsError> {
        let mut outcome = self.start(question);
        let outcome = outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        let failed = |text: String| DnsError::from(AnyError::from_string(text));
        match outcome {
            Some(Ok(Some(records))) => Ok(records),
            Some(Ok(None)) => Err(failed("there is no such name".into())),
            Some(Err(text)) => Err(failed(text)),
            None => Err(failed("the lookup failed".into())),
        }
    }

    fn start(&self, question: NameRequest) -> watch::Receiver<Option<Outcome>> {
        let mut state = self.0.lock();
        if let Some(outcome) = state.in_progress.get(&question) {
            return outcome.clone();
        }
        let (done, outcome) = watch::channel(None);
        state.in_progress.insert(question.clone(), outcome.clone());
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let outcome = shared.run(question.clone()).await;
            shared.lock().in_progress.remove(&question);
            done.send_replace(Some(outcome));
        });
        outcome
    }
}

impl Shared {
    async fn run(&self, question: NameRequest) -> Outcome {
        let is_answering = self.lock().is_answering;
        let trial = if is_answering { None } else { Some(self.trial.lock().await) };
        // The trial before this one may have been answered.
        let _trial = trial.filter(|_| !self.lock().is_answering);
        // Semaphores fail only if they are closed, and this one never is.
        let _slot = self.slots.acquire().await;
        if self.lock().not_before.is_some_and(|at| Instant::now() < at) {
            return Err("no name server answers".into());
        }
        let asked = timeout(LOOKUP_TIMEOUT, self.servers.ask(question)).await;
        let outcome = asked.unwrap_or_else(|_| Err("no name server answers".into()));
        self.note(outcome.is_ok());
        outcome
    }

    /// Notes the end of a lookup.
    fn note(&self, was_answered: bool) {
        let mut state = self.lock();
        state.is_answering = was_answered;
        if was_answered {
            state.failures = 0;
            state.not_before = None;
        } else {
            let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(state.failures)).min(MAX_PAUSE);
            state.failures += 1;
            state.not_before = Some(Instant::now() + pause);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses of one family.
fn of_family<A: Send + 'static>(
    records: NameAnswer,
    family: impl Fn(IpAddr) -> Option<A> + Send + 'static,
) -> BoxIter<A> {
    match records {
        NameAnswer::Addresses(addresses) => Box::new(addresses.into_iter().filter_map(family)),
        NameAnswer::Texts(_) => Box::new(std::iter::empty()),
    }
}

impl Resolver for NameResolver {
    fn lookup_ipv4(&self, host: String) -> BoxFuture<'static, Result<BoxIter<Ipv4Addr>, DnsError>> {
        let found = self.clone().look_up(NameRequest::Ipv4(host));
        let family = |address| if let IpAddr::V4(address) = address { Some(address) } else { None };
        Box::pin(async move { found.await.map(|records| of_family(records, family)) })
    }

    fn lookup_ipv6(&self, host: String) -> BoxFuture<'static, Result<BoxIter<Ipv6Addr>, DnsError>> {
        let found = self.clone().look_up(NameRequest::Ipv6(host));
        let family = |address| if let IpAddr::V6(address) = address { Some(address) } else { None };
        Box::pin(async move { found.await.map(|records| of_family(records, family)) })
    }

    fn lookup_txt(&self, host: String) -> BoxFuture<'static, Result<BoxIter<TxtRecordData>, DnsError>> {
        let found = self.clone().look_up(NameRequest::Txt(host));
        Box::pin(async move {
            let texts: BoxIter<_> = match found.await? {
                NameAnswer::Texts(texts) => Box::new(texts.into_iter()),
                NameAnswer::Addresses(_) => Box::new(std::iter::empty()),
            };
            Ok(texts)
        })
    }

    fn clear_cache(&self) {}

    /// The next lookup is a trial on the new network, without a pause.
    fn reset(&self) -> Box<dyn Resolver> {
        self.0.servers.reset();
        let mut state = self.0.lock();
        state.is_answering = false;
        state.failures = 0;
        state.not_before = None;
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
