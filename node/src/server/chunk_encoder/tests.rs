use media_protocol::{ChunkIndex, List};

use super::*;
use crate::plugins;

/// A WAV file of one second of silence.
fn wav() -> Vec<u8> {
    let rate = 8000_u32;
    let bytes = 16_000_u32;
    let data = 16_000_u32;
    let head = [&b"RIFF"[..], &(36 + data).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes()].concat();
    let format = [&[1, 0, 1, 0][..], &rate.to_le_bytes(), &bytes.to_le_bytes(), &[2, 0, 16, 0]].concat();
    [&head, &format, &b"data"[..], &data.to_le_bytes(), &[0; 16_000]].concat()
}

#[test]
fn nothing_is_encoded_ahead_of_a_track_that_is_not_open() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("1.wav"), wav()).unwrap();
    let catalog = Arc::new(Catalog::scan(&[folder.path().into()], false).unwrap());
    let track = catalog.list(&List { limit: 1, ..List::default() }).tracks.remove(0).id;
    let pool = ChunkEncoder::start(1, 1 << 20, None, plugins::registry(), Arc::clone(&catalog)).unwrap();
    let request =
        ChunkRequest { rendition: format!("{track}.pcm.8000.1.s16").parse().unwrap(), index: ChunkIndex(0) };
    let ahead = || {
        pool.encode_ahead(request.clone());
        while !pool.worker.schedule.is_idle() {
            thread::yield_now();
        }
        pool.stats().0.ahead
    };
    assert_eq!((ahead(), catalog.is_open(&track)), (0, false));
    catalog.open(&track, &Arc::default()).unwrap();
    assert_eq!((ahead(), catalog.is_open(&track)), (1, true));
}
