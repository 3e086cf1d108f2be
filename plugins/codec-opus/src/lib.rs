//! Opus, each chunk encoded afresh.
