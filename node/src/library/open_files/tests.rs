use media_protocol::{TrackSource, TrackTags};

use super::*;

/// A mono file of 100 frames, all with the same sample value, and its track.
fn file(folder: &Path, number: u8) -> (TrackFile, Track) {
    file_of(folder, number, 8000, 100)
}

fn file_of(folder: &Path, number: u8, rate: u32, frames: u32) -> (TrackFile, Track) {
    let path = folder.canonicalize().unwrap().join(format!("{number}.wav"));
    let bytes = 2 * rate;
    let data = 2 * frames;
    let head = [&b"RIFF"[..], &(36 + data).to_le_bytes(), b"WAVEfmt ", &16_u32.to_le_bytes()].concat();
    let format = [&[1, 0, 1, 0][..], &rate.to_le_bytes(), &bytes.to_le_bytes(), &[2, 0, 16, 0]].concat();
    let body = [&b"data"[..], &data.to_le_bytes(), &vec![number; data as usize]].concat();
    std::fs::write(&path, [head, format, body].concat()).unwrap();
    let source = TrackSource { codec: "pcm".into(), rate, channels: 1, bits: Some(16) };
    let entry = FileEntry::new(path.clone(), &path.metadata().unwrap());
    let id = format!("{number:016x}").parse().unwrap();
    let text = String::new;
    let file = TrackFile {
        entry,
        id,
        title: text(),
        artist: text(),
        album: text(),
        duration_ms: 0,
        source,
        added: 0,
        tags: TrackTags::default(),
    };
    let track = file.track(file.id.clone(), 1);
    (file, track)
}

#[test]
fn a_hundred_tracks_in_turn_are_opened_once_and_few_readers_wait() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..100).map(|number| file(folder.path(), number)).collect();
    let open_files = OpenFiles::new();
    let round = || -> Vec<_> {
        let open = |(file, track)| {
            let opened = open_files.open(file, track, &Arc::default()).unwrap();
            opened.keep(opened.reader(0, 8000).unwrap());
            opened
        };
        files.iter().map(|(file, track)| open((file, track))).collect()
    };
    let first = round();
    let second = round();
    assert!(first.iter().zip(&second).all(|(one, two)| Arc::ptr_eq(&one.file, &two.file)));
    assert_eq!(open_files.idle.len(), 32);
    // Each file gets its own reader back.
    let mut reader = open_files.idle.take(&second[99].file, 0).unwrap();
    let mut frame = [0.0];
    reader.seek(0).unwrap();
    assert_eq!(reader.read(&mut frame).unwrap(), 1);
    assert_eq!(frame, [f32::from(i16::from_le_bytes([99; 2])) / 32_768.0]);
    assert!(
        open_files.idle.take(&second[99].file, 0).is_none()
            && open_files.idle.take(&second[0].file, 0).is_none()
    );
}

#[test]
fn readers_of_what_has_changed_go() {
    let folder = tempfile::tempdir().unwrap();
    let ((old, track), other) = (file(folder.path(), 1), file(folder.path(), 2));
    let open_files = OpenFiles::new();
    let opened = open_files.open(&old, &track, &Arc::default()).unwrap();
    opened.keep(opened.reader(0, 8000).unwrap());
    drop(opened);
    std::fs::remove_file(&old.entry.path).unwrap();
    assert!(open_files.open(&old, &track, &Arc::default()).is_err());
    let opened = open_files.open(&other.0, &other.1, &Arc::default()).unwrap();
    opened.keep(opened.reader(0, 8000).unwrap());
    assert_eq!(open_files.idle.len(), 1);
}

#[test]
fn of_a_files_readers_the_one_that_stands_nearest_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (file, track) = file(folder.path(), 1);
    let opened = OpenFiles::new().open(&file, &track, &Arc::default()).unwrap();
    let readers = [40, 80, 10].map(|frame| {
        let mut reader = opened.file.source.reader().unwrap();
        reader.seek(frame).unwrap();
        reader
    });
    readers.into_iter().for_each(|reader| opened.keep(reader));
    let places = [(70, 8000), (6, 1000), (-5, 8000)].map(|(first, rate)| {
        let reader = opened.reader(first, rate).unwrap();
        reader.position()
    });
    assert_eq!(places, [80, 40, 10]);
}

#[test]
fn the_least_recently_used_files_are_forgotten() {
    let open_files = OpenFiles::new();
    let path = |number: usize| PathBuf::from(number.to_string());
    let first = open_files.slot(&path(0));
    let second = open_files.slot(&path(1));
    (2..1024).for_each(|number| drop(open_files.slot(&path(number))));
    assert!(Arc::ptr_eq(&first, &open_files.slot(&path(0))));
    open_files.slot(&path(1024));
    assert_eq!(open_files.lock().len(), 1024);
    assert!(Arc::ptr_eq(&first, &open_files.slot(&path(0))));
    assert!(!Arc::ptr_eq(&second, &open_files.slot(&path(1))));
}

#[test]
fn a_track_is_long_from_20_minutes_on() {
    let folder = tempfile::tempdir().unwrap();
    let is_long = |number, seconds: u32| {
        let (file, track) = file_of(folder.path(), number, 100, 100 * seconds);
        OpenFiles::new().open(&file, &track, &Arc::default()).unwrap().file.is_long()
    };
    assert!(!is_long(1, 1199) && is_long(2, 1200));
}

#[test]
fn a_damaged_file_is_opened_once_until_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut file, track) = file(folder.path(), 1);
    let path = file.entry.path.clone();
    let sound = std::fs::read(&path).unwrap();
    std::fs::write(&path, vec![0; sound.len()]).unwrap();
    file.entry.size = sound.len() as u64;
    let open_files = OpenFiles::new();
    let first = open_files.open(&file, &track, &Arc::default()).unwrap_err();
    let slot = open_files.slot(&path);
    assert!(slot.get().is_some_and(Result::is_err), "the failure is remembered");
    assert_eq!(open_files.open(&file, &track, &Arc::default()).unwrap_err(), first);
    assert!(Arc::ptr_eq(&slot, &open_files.slot(&path)));
    // The same size at another time.
    std::fs::write(&path, sound).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().set_modified(later).unwrap();
    assert!(open_files.open(&file, &track, &Arc::default()).is_ok());
    assert!(open_files.open(&file, &track, &Arc::default()).is_ok());
}

#[test]
fn a_cancelled_opening_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (file, track) = file(folder.path(), 1);
    let open_files = OpenFiles::new();
    let refused = open_files.open(&file, &track, &Arc::new(AtomicBool::new(true))).unwrap_err();
    assert!(refused.message.contains("nobody waits for it"), "{refused}");
    assert!(!open_files.is_open(&file));
    assert!(open_files.open(&file, &track, &Arc::default()).is_ok());
    // A file that is open needs no reading.
    assert!(open_files.open(&file, &track, &Arc::new(AtomicBool::new(true))).is_ok());
}
