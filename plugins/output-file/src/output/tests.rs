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
    let raw = Destination::Stream(Box::new(pipe));
    let mut output = WriterOutput::new(raw, "standard output".into(), format, SampleFormat::S16).unwrap();
    assert_eq!(output.write(&vec![0.5; 88_200]).unwrap(), 882);
    assert_eq!(read.lock().unwrap().len(), 882 * 4);
    let error = output.write(&[0.5; 2]).unwrap_err();
    assert!(matches!(&error, PluginError::Lost(text) if text.contains("standard output")), "{error}");
}

/// The file has a hole in place of the first 4 GiB of samples.
#[test]
fn a_wav_beyond_4_gib_becomes_rf64() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wav");
    let format = AudioFormat { rate: 96_000, channels: 2 };
    let target = FileTarget::open(&path, false).unwrap();
    let mut output =
        WriterOutput::new(Destination::Wav(target), "long.wav".into(), format, SampleFormat::S24).unwrap();
    // A whole number of frames of 6 bytes.
    output.written = 4_294_967_298;
    output.update_header().unwrap();
    assert_eq!(output.write(&[0.5; 2]).unwrap(), 1);
    assert!(output.drain().unwrap());

    let mut file = fs::File::open(&path).unwrap();
    let mut head = [0; 104];
    io::Read::read_exact(&mut file, &mut head).unwrap();
    let u64_at = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
    assert_eq!((&head[..4], &head[12..16]), (&b"RF64"[..], &b"ds64"[..]));
    assert_eq!((u64_at(28), u64_at(36)), (4_294_967_304, 715_827_884));
    assert_eq!(file.metadata().unwrap().len(), u64_at(20) + 8);
}
