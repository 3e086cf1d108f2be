//! WAV and raw files, and standard output.
