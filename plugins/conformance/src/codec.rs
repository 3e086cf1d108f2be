//! Conformance suite of codecs.

mod buffers;
mod case;
mod contract;
mod leaks;
mod speed;
mod threads;

pub use buffers::{check_decode_buffers, check_encode_buffers, check_inputs};
pub use case::Case;
pub use contract::{check, check_guarded, check_seeded};
pub use leaks::check_leaks;
pub use speed::measure;
pub use threads::check_threads;
