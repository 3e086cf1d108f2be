//! Raw PCM, bit-exact.
