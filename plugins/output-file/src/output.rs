use std::{
    fs,
    io::{self, ErrorKind, Seek, SeekFrom, Write},
    time::Duration,
};

use media_plugin_sdk::{
    AudioFormat, Output, PluginError, Result,
    log::{Level, log},
};

use crate::{file_target::FileTarget, samples::SampleFormat, wav};

/// Destination of the samples.
pub(crate) enum Destination {
    /// A WAV file, whose header is updated while it grows.
    Wav(FileTarget),
    /// File of samples without a header.
    Raw(FileTarget),
    /// Samples without a header. Flushed after every write.
    Stream(Box<dyn Write + Send>),
}

impl Destination {
    fn file(&mut self) -> Option<&mut FileTarget> {
        match self {
            Self::Wav(target) | Self::Raw(target) => Some(target),
            Self::Stream(_) => None,
        }
    }
}

/// Open file or pipe.
///
/// [`Output::write`] writes to the system before it returns, so a killed process loses no samples. The header of its WAV
/// file may lack the last second. After a failed write the file is removed, and each later call returns the same error.
pub struct WriterOutput {
    destination: Destination,
    /// Name in error messages: a path, or "standard output".
    name: String,
    format: AudioFormat,
    sample: SampleFormat,
    /// Bytes of samples written.
    written: u64,
    /// Bytes of samples that the WAV header declares.
    declared: u64,
    paused: bool,
    bytes: Vec<u8>,
    /// Error of a failed write.
    failed: Option<PluginError>,
}

impl WriterOutput {
    /// Longest write. A pipe whose reader plays in real time then blocks for 20 ms, which is below `MAX_WAIT`. Tested by
    /// `a_reader_that_leaves_is_lost_and_one_write_is_never_long`.
    pub const MAX_WRITE: Duration = Duration::from_millis(20);

    pub(crate) fn new(
        mut destination: Destination,
        name: String,
        format: AudioFormat,
        sample: SampleFormat,
    ) -> Result<Self> {
        if !format.is_valid() {
            if let Some(target) = destination.file() {
                target.discard();
            }
            return Err(PluginError::BadArgument(format!("output to {name} does not support {format}")));
        }
        let mut output = Self {
            destination,
            name,
            format,
            sample,
            written: 0,
            declared: 0,
            paused: false,
            bytes: Vec::new(),
            failed: None,
        };
        output.update_header()?;
        Ok(output)
    }

    /// Writes a WAV header that declares all samples written.
    fn update_header(&mut self) -> Result<()> {
        if let Destination::Wav(target) = &mut self.destination {
            let header = wav::header(self.format, self.sample, self.written);
            let outcome = write_header(&mut target.file, &header, self.written);
            self.check(outcome)?;
            self.declared = self.written;
        }
        Ok(())
    }

    /// Completes the header, and pads the data chunk to 2 bytes. Later samples overwrite the padding.
    fn complete(&mut self) -> Result<()> {
        self.check_failed()?;
        self.update_header()?;
        if let Destination::Wav(target) = &mut self.destination
            && self.written % 2 == 1
        {
            let padded = target.file.write_all(&[0]).and_then(|()| target.file.seek_relative(-1));
            self.check(padded)?;
        }
        Ok(())
    }

    fn check_failed(&self) -> Result<()> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Removes the file and keeps the error if `outcome` is one.
    fn check(&mut self, outcome: io::Result<()>) -> Result<()> {
        let Err(error) = outcome else { return Ok(()) };
        let clause = self.destination.file().map(FileTarget::discard).unwrap_or_default();
        let failure = match error.kind() {
            ErrorKind::BrokenPipe => {
                PluginError::Lost(format!("writing {}: the reader has closed it", self.name))
            }
            _ => PluginError::Failed(format!("writing {}: {error}{clause}", self.name)),
        };
        self.failed = Some(failure.clone());
        Err(failure)
    }
}

/// Writes the header and seeks behind the `written` bytes of samples.
fn write_header(file: &mut fs::File, header: &[u8], written: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(header)?;
    file.seek(SeekFrom::Start(header.len() as u64 + written)).map(|_| ())
}

impl Output for WriterOutput {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn is_realtime(&self) -> bool {
        false
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize> {
        self.check_failed()?;
        let most = (u128::from(self.format.rate) * Self::MAX_WRITE.as_millis()).div_ceil(1_000) as usize;
        let taken = (frames.len() / usize::from(self.format.channels)).min(most);
        if self.paused || taken == 0 {
            return Ok(0);
        }
        self.bytes.clear();
        self.sample.encode(&frames[..self.format.samples(taken)], &mut self.bytes);
        let outcome = match &mut self.destination {
            Destination::Wav(target) | Destination::Raw(target) => target.file.write_all(&self.bytes),
            Destination::Stream(writer) => writer.write_all(&self.bytes).and_then(|()| writer.flush()),
        };
        self.check(outcome)?;
        self.written += self.bytes.len() as u64;

        let second = self.format.samples(self.format.rate as usize) as u64 * u64::from(self.sample.bytes());
        if self.written - self.declared >= second {
            self.update_header()?;
        }
        Ok(taken)
    }

    fn delay(&self) -> u64 {
        0
    }

    fn pause(&mut self, paused: bool) -> Result<()> {
        self.paused = paused;
        Ok(())
    }

    /// Does nothing: frames are written already, and stay.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Completes the file and gives it its name.
    fn drain(&mut self) -> Result<bool> {
        self.complete()?;
        self.destination.file().map_or(Ok(()), FileTarget::finish)?;
        Ok(true)
    }
}

impl Drop for WriterOutput {
    /// Completes the header. Without [`Output::drain`] the file is unfinished: it keeps the ending `.part`, or is removed if it
    /// has no samples.
    fn drop(&mut self) {
        if let Err(error) = self.complete() {
            // The host has the errors of earlier calls already.
            return log(Level::Debug, error);
        }
        let is_empty = self.written == 0;
        let Some(target) = self.destination.file() else { return };
        let Some(part) = target.part().map(|part| part.display().to_string()) else { return };
        if is_empty {
            target.discard();
        } else {
            let name = &self.name;
            log(Level::Warn, format!("writing {name} ended early: the samples until then are in {part}"));
        }
    }
}

#[cfg(test)]
mod tests;
