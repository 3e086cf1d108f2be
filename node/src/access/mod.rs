//! The devices that may use this node: tickets and allowed identities, with their rights and bounds.
//!
//! [`AccessBook`] keeps the records in one file, and is shared by everything in a process that admits peers or
//! changes records. It admits a peer by its identity and token, and returns a [`Grant`]: the rights and bounds of
//! that peer. Whoever answers the peer checks the grant on each request.
//!
//! # Secrets
//!
//! The file holds hashes of tokens. Only the first ticket, which `serve` prints at each start, is kept itself.
//!
//! # Threads
//!
//! All calls may come from any thread. [`AccessBook::handle`], [`AccessBook::flush`] and the first use of a ticket
//! for one device write a small file; no other call accesses the disk.

mod book;
mod clock;
mod error;
mod grant;
mod live_records;
mod quota;
mod record;
mod refusal;
mod request;
mod state;

pub use book::{AccessBook, Admitted};
pub use clock::{Clock, SystemClock};
pub use error::AccessError;
pub use grant::Grant;
pub use quota::{Quota, QuotaPeriod, date};
pub use record::{Bounds, Right, Rights};
pub use refusal::AccessRefusal;
pub use request::{AccessAnswer, AccessEntry, AccessRequest, NewAccess};

#[cfg(test)]
mod tests;
