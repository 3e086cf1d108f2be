//! A range of a source at another rate and number of channels.

use std::ops::Range;

use media_plugin_sdk::AudioFormat;

use super::{
    Reader, Result, SourceError,
    conversion::{Conversion, FrameReader, converted_frames},
};

/// A range of a source's frames, converted to a rate and channel count piece by piece.
///
/// A window is a pure function of file, target format and range: its bits do not depend on the reader or on the reader's
/// position. With the source's own rate and channels it returns the file's frames. Otherwise each frame equals that of
/// one resampler running over the whole track, so that neighbouring windows join without a seam.
///
/// Frame `n` of the target lies at the instant `n / rate`. The track has [`Window::frames`] of them. Frames before and after
/// the track are silent.
#[derive(Debug)]
pub struct Window<'a> {
    reader: &'a mut Reader,
    conversion: Conversion,
}

impl<'a> Window<'a> {
    /// The frames `range` of `reader`'s source, in the format `target`. Moves the reader.
    ///
    /// # Errors
    /// `Convert` if the source's format cannot be converted to `target`.
    pub fn new(reader: &'a mut Reader, target: AudioFormat, range: Range<i64>) -> Result<Self> {
        let conversion = Conversion::new(reader.info().format, target, range);
        let cause = |cause| SourceError::Convert { path: reader.path().to_owned(), cause };
        Ok(Self { conversion: conversion.map_err(cause)?, reader })
    }

    /// Number of frames that a track of `frames` frames at the rate `from` has at the rate `to`, rounded.
    #[must_use]
    pub fn frames(frames: u64, from: u32, to: u32) -> u64 {
        converted_frames(frames, from, to)
    }

    /// Fills `out` with interleaved samples in the target's channels. Returns the number of frames: fewer than fit only
    /// at the end of the range, 0 only behind it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(&mut self, out: &mut [f32]) -> Result<usize> {
        self.conversion.read(self.reader, out)
    }

    /// True if only silence is left of the track because the file was cut.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.reader.is_cut_short()
    }
}
