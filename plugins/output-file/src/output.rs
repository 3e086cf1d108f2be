use std::{
    fs,
    io::{self, ErrorKind, Seek, SeekFrom, Write},
};

use media_plugin_sdk::{AudioFormat, Output, PluginError, Result};

use crate::{options::Stored, wav};

/// Where bytes go.
pub(crate) enum Sink {
    /// A WAV file, whose header is kept up to date.
    Wav(fs::File),
    /// Bytes and nothing else. Flushed after every write.
    Raw(Box<dyn Write + Send>),
}

/// An open file or pipe. It stores within [`Output::write`], so that nothing is left to lose when the process is killed
/// but, in a WAV file, the last second's place in the header.
pub struct Store {
    sink: Sink,
    /// What errors call it: a path, or "standard output".
    name: String,
    format: AudioFormat,
    stored: Stored,
    /// Bytes of samples stored, and how many of them the header tells of.
    data: u64,
    declared: u64,
    paused: bool,
    bytes: Vec<u8>,
}

impl Store {
    /// How many frames one write takes at most, as a part of a second: 1/50. A pipe whose reader plays in real time
    /// then blocks for that long, which is less than `MAX_WAIT`.
    pub const STEP: u32 = 50;

    pub(crate) fn new(sink: Sink, name: String, format: AudioFormat, stored: Stored) -> Result<Self> {
        if !format.is_valid() {
            return Err(PluginError::BadArgument(format!("{name} cannot store {format}")));
        }
        let mut store =
            Self { sink, name, format, stored, data: 0, declared: 0, paused: false, bytes: Vec::new() };
        store.declare()?;
        Ok(store)
    }

    /// Writes the header for what is stored so far.
    fn declare(&mut self) -> Result<()> {
        if let Sink::Wav(file) = &mut self.sink {
            let header = wav::header(self.format, self.stored, self.data);
            rewrite(file, &header).map_err(|error| failure(&self.name, &error))?;
            self.declared = self.data;
        }
        Ok(())
    }
}

/// Writes the header and returns to the end.
fn rewrite(file: &mut fs::File, header: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(header)?;
    file.seek(SeekFrom::End(0)).map(|_| ())
}

fn failure(name: &str, error: &io::Error) -> PluginError {
    match error.kind() {
        ErrorKind::BrokenPipe => PluginError::Lost(format!("writing to {name}: its reader has closed it")),
        _ => PluginError::Failed(format!("writing to {name}: {error}")),
    }
}

impl Output for Store {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn is_realtime(&self) -> bool {
        false
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize> {
        let step = self.format.rate.div_ceil(Self::STEP) as usize;
        let taken = (frames.len() / usize::from(self.format.channels)).min(step);
        if self.paused || taken == 0 {
            return Ok(0);
        }
        self.bytes.clear();
        self.stored.encode(&frames[..self.format.samples(taken)], &mut self.bytes);
        match &mut self.sink {
            Sink::Wav(file) => file.write_all(&self.bytes),
            Sink::Raw(writer) => writer.write_all(&self.bytes).and_then(|()| writer.flush()),
        }
        .map_err(|error| failure(&self.name, &error))?;
        self.data += self.bytes.len() as u64;

        let second = self.format.samples(self.format.rate as usize) as u64 * u64::from(self.stored.bytes());
        if self.data - self.declared >= second {
            self.declare()?;
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

    /// What was taken is stored already and stays.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn drain(&mut self) -> Result<bool> {
        self.declare()?;
        Ok(true)
    }
}

impl Drop for Store {
    /// Completes the header. A failure cannot be told here; [`Output::drain`] tells it.
    fn drop(&mut self) {
        let _ = self.declare();
        if let Sink::Wav(file) = &mut self.sink
            && self.data % 2 == 1
        {
            let _ = file.write_all(&[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A pipe whose reader leaves after `left` bytes.
    struct Pipe(Arc<Mutex<Vec<u8>>>, usize);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut seen = self.0.lock().unwrap();
            let room = bytes.len().min(self.1 - seen.len());
            seen.extend(&bytes[..room]);
            if room == 0 { Err(ErrorKind::BrokenPipe.into()) } else { Ok(room) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_leaves_is_lost_and_one_write_is_never_long() {
        let seen = Arc::default();
        let format = AudioFormat { rate: 44_100, channels: 2 };
        let sink = Sink::Raw(Box::new(Pipe(Arc::clone(&seen), 882 * 4)));
        let mut store = Store::new(sink, "standard output".into(), format, Stored::S16).unwrap();
        assert_eq!(store.write(&vec![0.5; 88_200]).unwrap(), 882);
        assert_eq!(seen.lock().unwrap().len(), 882 * 4);
        let error = store.write(&[0.5; 2]).unwrap_err();
        assert!(matches!(&error, PluginError::Lost(text) if text.contains("standard output")), "{error}");
    }
}
