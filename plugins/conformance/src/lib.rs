//! One test suite per plugin kind.

#[cfg(feature = "transport")]
pub mod transport;
