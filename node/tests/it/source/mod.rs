//! Decoding of files, compared with ffmpeg and with the original signal.

mod damage;
mod formats;
mod seek;
mod window;

use std::{
    fs,
    path::{Path, PathBuf},
};

use media_node::source::Reader;

/// Returns a folder for files that outlive a test: always the same one for a `name`.
fn kept(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("a folder for files");
    folder
}

/// Reads up to `frames` frames in pieces of an odd size.
fn read(reader: &mut Reader, frames: usize) -> Vec<f32> {
    let channels = usize::from(reader.info().format.channels);
    let mut samples = vec![0.0; frames * channels];
    let mut done = 0;
    while done < frames {
        let piece = (frames - done).min(1237);
        let given = reader.read(&mut samples[done * channels..(done + piece) * channels]).expect("reading");
        if given == 0 {
            break;
        }
        done += given;
    }
    samples.truncate(done * channels);
    samples
}

/// Reads the whole track.
fn read_all(reader: &mut Reader) -> Vec<f32> {
    let frames = usize::try_from(reader.info().frames).expect("a short track");
    read(reader, frames + 1)
}
