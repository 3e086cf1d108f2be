use std::{
    fs,
    io::{self, ErrorKind, Seek, SeekFrom, Write},
    time::Duration,
};

use media_plugin_sdk::{AudioFormat, Output, PluginError, Result};

use crate::{samples::SampleFormat, wav};

/// Destination of the samples.
pub(crate) enum Destination {
    /// A WAV file, whose header is updated while it grows.
    Wav(fs::File),
    /// Samples without a header. Flushed after every write.
    Raw(Box<dyn Write + Send>),
}

/// Open file or pipe.
///
/// [`Output::write`] writes to the system before it returns, so a killed process loses no samples. The header of its WAV
/// file may lack the last second.
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
}

impl WriterOutput {
    /// Longest write. A pipe whose reader plays in real time then blocks for 20 ms, which is below `MAX_WAIT`
    /// (`a_reader_that_leaves_is_lost_and_one_write_is_never_long`).
    pub const MAX_WRITE: Duration = Duration::from_millis(20);

    pub(crate) fn new(
        destination: Destination,
        name: String,
        format: AudioFormat,
        sample: SampleFormat,
    ) -> Result<Self> {
        if !format.is_valid() {
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
        };
        output.update_header()?;
        Ok(output)
    }

    /// Writes a WAV header that declares all samples written.
    fn update_header(&mut self) -> Result<()> {
        if let Destination::Wav(file) = &mut self.destination {
            let header = wav::header(self.format, self.sample, self.written);
            write_header(file, &header).map_err(|error| failure(&self.name, &error))?;
            self.declared = self.written;
        }
        Ok(())
    }
}

/// Writes the header and seeks back to the end.
fn write_header(file: &mut fs::File, header: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(header)?;
    file.seek(SeekFrom::End(0)).map(|_| ())
}

fn failure(name: &str, error: &io::Error) -> PluginError {
    match error.kind() {
        ErrorKind::BrokenPipe => PluginError::Lost(format!("writing to {name}: the reader has closed it")),
        _ => PluginError::Failed(format!("writing to {name}: {error}")),
    }
}

impl Output for WriterOutput {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn is_realtime(&self) -> bool {
        false
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize> {
        let most = (u128::from(self.format.rate) * Self::MAX_WRITE.as_millis()).div_ceil(1_000) as usize;
        let taken = (frames.len() / usize::from(self.format.channels)).min(most);
        if self.paused || taken == 0 {
            return Ok(0);
        }
        self.bytes.clear();
        self.sample.encode(&frames[..self.format.samples(taken)], &mut self.bytes);
        match &mut self.destination {
            Destination::Wav(file) => file.write_all(&self.bytes),
            Destination::Raw(writer) => writer.write_all(&self.bytes).and_then(|()| writer.flush()),
        }
        .map_err(|error| failure(&self.name, &error))?;
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

    fn drain(&mut self) -> Result<bool> {
        self.update_header()?;
        Ok(true)
    }
}

impl Drop for WriterOutput {
    /// Completes the header. Errors are lost here; [`Output::drain`] returns them.
    fn drop(&mut self) {
        let _ = self.update_header();
        if let Destination::Wav(file) = &mut self.destination
            && self.written % 2 == 1
        {
            let _ = file.write_all(&[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Pipe whose reader closes it after a number of bytes.
    struct Pipe {
        read: Arc<Mutex<Vec<u8>>>,
        capacity: usize,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut read = self.read.lock().unwrap();
            let accepted = bytes.len().min(self.capacity - read.len());
            read.extend(&bytes[..accepted]);
            if accepted == 0 { Err(ErrorKind::BrokenPipe.into()) } else { Ok(accepted) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_leaves_is_lost_and_one_write_is_never_long() {
        let read = Arc::default();
        let format = AudioFormat { rate: 44_100, channels: 2 };
        let pipe = Pipe { read: Arc::clone(&read), capacity: 882 * 4 };
        let raw = Destination::Raw(Box::new(pipe));
        let mut output = WriterOutput::new(raw, "standard output".into(), format, SampleFormat::S16).unwrap();
        assert_eq!(output.write(&vec![0.5; 88_200]).unwrap(), 882);
        assert_eq!(read.lock().unwrap().len(), 882 * 4);
        let error = output.write(&[0.5; 2]).unwrap_err();
        assert!(matches!(&error, PluginError::Lost(text) if text.contains("standard output")), "{error}");
    }
}
