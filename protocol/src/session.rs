//! Both ends of a conversation as state machines: input and time go in, what to do comes out. They do no I/O and read no
//! clock, so a pair of them can be run for an hour of music in a moment of virtual time.

pub mod client;
pub mod server;
