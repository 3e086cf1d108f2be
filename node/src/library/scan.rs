//! Search of the owner's folders for audio files, and reading of their headers.

pub(super) mod folder_walk;
pub(super) mod headers;
pub(super) mod natural_order;
