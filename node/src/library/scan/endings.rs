use std::path::Path;

/// File name endings of audio files, without the dot.
pub(in crate::library) const ENDINGS: [&str; 14] =
    ["aac", "aif", "aifc", "aiff", "flac", "m4a", "m4b", "mp3", "mp4", "oga", "ogg", "opus", "wav", "wave"];

/// Returns whether a file is named like audio.
pub(in crate::library) fn is_audio(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str())
}
