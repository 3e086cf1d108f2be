//! Devices that ask a node for access.
//!
//! A device that found a node on the local network has no ticket. It sends its name in place of one. The node refuses it
//! and shows it to the owner, who answers with `media-node allow`.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Beginning of a token that asks for access. No ticket's token begins so, since those hold no colon.
const PREFIX: &str = "ask:";
/// Devices that the list holds. A further one takes the place of the one that asked first.
const MAX_DEVICES: usize = 32;
/// Longest name, in characters.
const MAX_NAME: usize = 40;
/// New devices in a row, and the time after which one more may ask. A hostile machine can make any number of identities;
/// each costs a line of the log. Tested by `a_flood_of_identities_is_bounded_in_number_and_rate`.
const BURST: u32 = 8;
const REFILL: Duration = Duration::from_secs(10);

/// A device that asks for access. All but its identity is its own claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskingDevice {
    /// Its identity, for `media-node allow`.
    pub id: String,
    /// Its name, which holds no control characters.
    pub name: String,
    /// Time of its last request, in seconds since 1970.
    pub asked: u64,
}

/// The outcome of a request for access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The device is new in the list.
    New,
    /// The device was in the list.
    Again,
    /// Too many other devices asked lately; the device is not in the list.
    TooMany,
}

/// The devices that asked a running node for access, oldest first.
#[derive(Debug)]
pub struct AskingList(Mutex<State>);

#[derive(Debug)]
struct State {
    devices: VecDeque<AskingDevice>,
    /// New devices that may ask now.
    allowance: u32,
    refilled: Instant,
}

impl Default for AskingList {
    fn default() -> Self {
        Self(Mutex::new(State { devices: VecDeque::new(), allowance: BURST, refilled: Instant::now() }))
    }
}

impl AskingList {
    /// Adds a device that asks with this name.
    pub fn ask(&self, id: &str, name: &str) -> Asked {
        let asked = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let name: String = name.chars().filter(|char| !char.is_control()).take(MAX_NAME).collect();
        let mut state = self.lock();
        if let Some(device) = state.devices.iter_mut().find(|device| device.id == id) {
            device.name = name;
            device.asked = asked;
            return Asked::Again;
        }
        if !state.take_allowance() {
            return Asked::TooMany;
        }
        if state.devices.len() >= MAX_DEVICES {
            state.devices.pop_front();
        }
        state.devices.push_back(AskingDevice { id: id.into(), name, asked });
        Asked::New
    }

    /// The devices, the one that asked first at the beginning.
    #[must_use]
    pub fn devices(&self) -> Vec<AskingDevice> {
        self.lock().devices.iter().cloned().collect()
    }

    /// Removes a device that has its answer.
    pub fn remove(&self, id: &str) {
        self.lock().devices.retain(|device| device.id != id);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes one of the new devices that may ask now. Returns whether there was one.
    fn take_allowance(&mut self) -> bool {
        let refills = self.refilled.elapsed().as_secs() / REFILL.as_secs();
        if refills > 0 {
            self.refilled = Instant::now();
            self.allowance =
                BURST.min(self.allowance.saturating_add(u32::try_from(refills).unwrap_or(BURST)));
        }
        let has_one = self.allowance > 0;
        self.allowance = self.allowance.saturating_sub(1);
        has_one
    }
}

/// The token with which a device of this name asks for access.
#[must_use]
pub fn asking_token(name: &str) -> String {
    PREFIX.chars().chain(name.chars().take(MAX_NAME)).collect()
}

/// The name in a token that asks for access; `None` for any other token.
#[must_use]
pub fn asked_name(token: &str) -> Option<&str> {
    token.strip_prefix(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_identities_is_bounded_in_number_and_rate() {
        let list = AskingList::default();
        assert_eq!(list.ask("honest", "phone"), Asked::New);
        let accepted =
            |from: u32| (from..from + 1000).filter(|id| list.ask(&id.to_string(), "x") == Asked::New).count();
        assert_eq!(accepted(0), 7);
        assert_eq!(list.ask("late", "tablet"), Asked::TooMany);
        assert_eq!(list.ask("honest", "phone"), Asked::Again, "a device in the list may always ask again");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(list.ask("late", "tablet"), Asked::New);
        for hour in 1..100 {
            tokio::time::advance(Duration::from_secs(3600)).await;
            assert_eq!(accepted(hour * 1000), 8);
            assert!(list.devices().len() <= MAX_DEVICES);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_cut_and_holds_no_control_characters() {
        let list = AskingList::default();
        let token = asking_token(&("a\u{1b}[2J\n".to_owned() + &"b".repeat(5000)));
        list.ask("id", asked_name(&token).unwrap());
        list.ask("long", &"c".repeat(5000));
        let devices = list.devices();
        assert!(devices[0].name.starts_with("a[2Jbb") && devices[0].name.len() <= MAX_NAME);
        assert_eq!(devices[1].name.len(), MAX_NAME);
        list.remove("id");
        assert_eq!(list.devices().len(), 1);
        assert_eq!(asked_name("0123abcd"), None);
    }
}
