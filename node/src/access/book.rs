use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use media_protocol::{Route, Ticket};

use super::{
    clock::Clock,
    error::AccessError,
    grant::Grant,
    live_records::{LiveRecords, is_valid, is_within_quota},
    record::{AccessRecord, Bounds, OneDevice, RecordKey, Rights, SpentTicket, Usage},
    refusal::AccessRefusal,
    request::{AccessAnswer, AccessEntry, AccessRequest, NewAccess},
    state::{AccessState, FirstTicket, device_capability, hex, token_hash, unhex},
};
use crate::{files, identity::Secret};

/// Label of the first ticket.
const FIRST: &str = "first";

/// The tickets and allowed identities of a node, with their use. Shared by a whole process.
///
/// Changes are written at once, under a lock that other processes respect. The use of records is written by
/// [`AccessBook::flush`].
pub struct AccessBook {
    /// `None` keeps the records in memory only.
    file: Option<PathBuf>,
    live: Arc<LiveRecords>,
}

/// An admitted peer.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Its rights and bounds.
    pub grant: Grant,
    /// Token that the peer must use from now on, in place of its ticket for one device.
    pub token: Option<String>,
}

impl AccessBook {
    /// Reads the file of the records. If there is none, makes it with a first ticket: that of version 0.1 from the file
    /// `capability`, which is then removed, or else a new one. Blocks on the disk.
    ///
    /// # Errors
    /// If a file cannot be read or written, is readable by others, or is damaged.
    pub fn open(file: &Path, capability: &Path, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let failed = |doing| move |error| AccessError::Io { doing, file: file.into(), error };
        let _locked = files::lock(file).map_err(failed("locking"))?;
        let state = match AccessState::load(file)? {
            Some(state) => state,
            None => {
                let former = capability.exists().then(|| Secret::load_or_create(capability));
                let first = former.transpose().map_err(AccessError::TakeOver)?;
                let first = first.map_or_else(random, |secret| Ok(secret.0))?;
                let mut state = with_first(first, clock.now().as_secs());
                state.save(file)?;
                if capability.exists() {
                    fs::remove_file(capability).map_err(failed("taking over"))?;
                }
                state
            }
        };
        Ok(Self { file: Some(file.into()), live: Arc::new(LiveRecords::new(state, clock)) })
    }

    /// A book with a first ticket, which is kept in memory only.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let state = with_first(random()?, clock.now().as_secs());
        Ok(Self { file: None, live: Arc::new(LiveRecords::new(state, clock)) })
    }

    /// Answers a request of the owner. `routes` lead to this node, for the text of a new ticket. Blocks on the disk.
    ///
    /// # Errors
    /// If the request is not valid, or the file cannot be written. Then nothing has changed.
    pub fn handle(&self, request: AccessRequest, routes: &[Route]) -> Result<AccessAnswer, AccessError> {
        match request {
            AccessRequest::Create(new) => self.create(new, routes),
            AccessRequest::List => {
                let now = self.live.seconds();
                let live = self.live.lock();
                Ok(AccessAnswer::Entries(
                    live.state.records.iter().map(|record| entry(record, now)).collect(),
                ))
            }
            AccessRequest::Revoke { label } => self.change(|state, now| {
                let Some(record) = state.revoke(&label, now) else {
                    let labels = state.records.iter().map(|record| record.label.clone()).collect();
                    return Err(AccessError::Unknown { label, labels });
                };
                Ok(AccessAnswer::Revoked(entry(&record, now)))
            }),
        }
    }

    /// The first ticket with these routes; `None` if it was revoked.
    #[must_use]
    pub fn first_ticket(&self, routes: &[Route]) -> Option<Ticket> {
        let live = self.live.lock();
        let capability = unhex(&live.state.first.as_ref()?.capability)?;
        Some(Ticket { routes: routes.to_vec(), capability })
    }

    /// Admits a peer by its authenticated identity and by its token. Counts as a use of the record. Writes the file if
    /// this is the first use of a ticket for one device.
    ///
    /// # Errors
    /// The reason for which neither the identity nor the token admits.
    pub fn admit(&self, identity: &str, token: Option<&str>) -> Result<Admitted, AccessRefusal> {
        let by_identity = RecordKey::Identity(identity.into());
        let refusal = match self.admit_key(&by_identity, identity) {
            Err(AccessRefusal::Unauthorized) if token.is_some() => AccessRefusal::InvalidToken,
            Err(refusal) => refusal,
            Ok(grant) => return Ok(Admitted { grant, token: None }),
        };
        let Some(token) = token else { return Err(refusal) };
        let by_token = RecordKey::Token(token_hash(token));
        let by_token = match self.admit_key(&by_token, identity) {
            Err(AccessRefusal::Unauthorized) => {
                self.admit_spent(token, identity)?.ok_or(AccessRefusal::InvalidToken)
            }
            Err(refusal) => Err(refusal),
            Ok(grant) => return self.exchange(grant, token, identity),
        };
        match by_token {
            // A revoked or expired identity says more than an unknown token.
            Err(AccessRefusal::InvalidToken) => Err(refusal),
            other => other,
        }
    }

    /// Writes the use of the records if it has changed. Blocks on the disk.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&self) -> Result<(), AccessError> {
        let unsaved = self.live.lock().unsaved;
        if unsaved { self.change(|_, _| Ok(())) } else { Ok(()) }
    }

    /// Reads the file again, after another program may have changed it. Blocks on the disk.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged. Then nothing has changed.
    pub fn reload(&self) -> Result<(), AccessError> {
        self.change(|_, _| Ok(()))
    }

    fn create(&self, new: NewAccess, routes: &[Route]) -> Result<AccessAnswer, AccessError> {
        new.check(self.live.seconds())?;
        let is_ticket = new.identity.is_none();
        let capability = random()?;
        let secret = random()?;
        let entry = self.change(|state, now| {
            if state.records.len() >= AccessState::MAX_RECORDS {
                return Err(AccessError::TooMany { what: "tickets", limit: AccessState::MAX_RECORDS });
            }
            let key = match new.identity {
                Some(identity) => RecordKey::Identity(identity),
                None => RecordKey::Token(token_hash(&Ticket::token_of(&capability))),
            };
            if let Some(record) = state.records.iter().find(|record| record.key == key) {
                return Err(AccessError::Allowed(record.label.clone()));
            }
            if state.records.iter().any(|record| record.label == new.label) {
                return Err(AccessError::Taken(new.label));
            }
            let record = AccessRecord {
                id: 0,
                listener: new.listener.unwrap_or_else(|| new.label.clone()),
                label: new.label,
                key,
                rights: new.rights,
                bounds: new.bounds,
                once: new.once.then(|| OneDevice { secret: hex(&secret), spent: None }),
                created: now,
                usage: Usage::default(),
            };
            let id = state.add(record.clone());
            Ok(entry(&AccessRecord { id, ..record }, now))
        })?;
        let ticket = is_ticket.then(|| Ticket { routes: routes.to_vec(), capability }.to_string());
        Ok(AccessAnswer::Created { entry, ticket })
    }

    /// Admits the holder of a key.
    fn admit_key(&self, key: &RecordKey, identity: &str) -> Result<Grant, AccessRefusal> {
        let now = self.live.seconds();
        let mut live = self.live.lock();
        if let Some(record) = live.state.records.iter_mut().find(|record| record.key == *key) {
            is_valid(record, now)?;
            is_within_quota(record, now, 1)?;
            record.usage.note(identity, now);
            let grant = Grant::of(&self.live, record);
            live.unsaved = true;
            return Ok(grant);
        }
        Err(if live.state.is_revoked(key) { AccessRefusal::Revoked } else { AccessRefusal::Unauthorized })
    }

    /// Exchanges the token of a ticket for one device, which `grant` belongs to, for the token of that device.
    fn exchange(&self, grant: Grant, token: &str, identity: &str) -> Result<Admitted, AccessRefusal> {
        let by_token = RecordKey::Token(token_hash(token));
        let is_unspent = |record: &AccessRecord| {
            record.key == by_token && record.once.as_ref().is_some_and(|once| once.spent.is_none())
        };
        if !self.live.lock().state.records.iter().any(is_unspent) {
            return Ok(Admitted { grant, token: None });
        }
        let exchanged = self.change(|state, _| {
            // Another handshake may have used the ticket meanwhile.
            if let Some(record) = state.records.iter_mut().find(|record| is_unspent(record))
                && let Some(once) = &mut record.once
            {
                let device = Ticket::token_of(&device_capability(&once.secret, token, identity));
                once.spent = Some(SpentTicket { token: token_hash(token), identity: identity.into() });
                record.key = RecordKey::Token(token_hash(&device));
            }
            Ok(())
        });
        if let Err(error) = exchanged {
            tracing::error!("a ticket for one device was refused, since its use cannot be stored: {error}");
            return Err(AccessRefusal::Unauthorized);
        }
        self.admit_spent(token, identity)?.ok_or(AccessRefusal::InvalidToken)
    }

    /// Admits the device that used a ticket for one device, by that ticket. `None` if no such ticket has the token.
    fn admit_spent(&self, token: &str, identity: &str) -> Result<Option<Admitted>, AccessRefusal> {
        let hash = token_hash(token);
        let found = {
            let live = self.live.lock();
            live.state.records.iter().find_map(|record| {
                let once = record.once.as_ref()?;
                let spent = once.spent.as_ref().filter(|spent| spent.token == hash)?;
                Some((record.key.clone(), once.secret.clone(), spent.identity.clone()))
            })
        };
        let Some((key, secret, user)) = found else { return Ok(None) };
        if user != identity {
            return Err(AccessRefusal::AlreadyUsed);
        }
        let grant = self.admit_key(&key, identity)?;
        let token = Ticket::token_of(&device_capability(&secret, token, identity));
        Ok(Some(Admitted { grant, token: Some(token) }))
    }

    /// Changes the state and writes it, on top of the changes that other processes have written.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut AccessState, u64) -> Result<T, AccessError>,
    ) -> Result<T, AccessError> {
        let now = self.live.seconds();
        let result = {
            let mut live = self.live.lock();
            let mut state = live.state.clone();
            let mut _locked = None;
            if let Some(file) = &self.file {
                let locked = files::lock(file);
                _locked = Some(locked.map_err(|error| AccessError::Io {
                    doing: "locking",
                    file: file.clone(),
                    error,
                })?);
                if let Some(stored) = AccessState::load(file)? {
                    state = stored;
                    state.keep_usage_of(&live.state);
                }
            }
            let result = change(&mut state, now)?;
            if let Some(file) = &self.file {
                state.save(file)?;
            }
            live.state = state;
            live.unsaved = false;
            result
        };
        self.live.notify();
        Ok(result)
    }
}

/// A state with the first ticket.
fn with_first(capability: [u8; 32], now: u64) -> AccessState {
    let mut state = AccessState::default();
    let id = state.add(AccessRecord {
        id: 0,
        label: FIRST.into(),
        listener: FIRST.into(),
        key: RecordKey::Token(token_hash(&Ticket::token_of(&capability))),
        rights: Rights::LISTENER,
        bounds: Bounds::default(),
        once: None,
        created: now,
        usage: Usage::default(),
    });
    state.first = Some(FirstTicket { id, capability: hex(&capability) });
    state
}

fn entry(record: &AccessRecord, now: u64) -> AccessEntry {
    let AccessRecord { label, listener, key, rights, bounds, once, created, usage, .. } = record.clone();
    let problem = is_valid(record, now).and_then(|()| is_within_quota(record, now, 1)).err();
    AccessEntry {
        label,
        listener,
        identity: match key {
            RecordKey::Identity(identity) => Some(identity),
            RecordKey::Token(_) => None,
        },
        rights: rights.names().map(str::to_owned).collect(),
        quota_bytes: bounds.quota.map(|quota| usage.in_period(quota, now)),
        bounds,
        once: once.is_some(),
        created,
        last_used: usage.last_used,
        used_by: usage.used_by,
        bytes: usage.bytes,
        refusal: problem.map(|problem| problem.to_string()),
    }
}

fn random() -> Result<[u8; 32], AccessError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(AccessError::Random)?;
    Ok(bytes)
}
