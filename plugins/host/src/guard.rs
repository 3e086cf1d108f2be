//! Guard around codecs and outputs: stops panics and checks returned values.

mod codec;
mod instance;
mod output;

pub use codec::guard_codec;
pub use output::guard_output;
