//! The registry of plugins and the guard around each instance.
