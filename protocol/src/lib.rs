//! The wire of a media node: messages, chunk coding and sessions, with no I/O, no clock and no threads.
