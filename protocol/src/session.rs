//! The two ends of a session as state machines. They take inputs and the time, and return actions. They do no
//! I/O and read no clock, so a test can run a pair of them through an hour of music in virtual time.

pub mod client;
pub mod server;
