//! Wording that several parts of the room share.

use media_protocol::{Info, Rendition, Track};

pub(super) fn title(track: &Track) -> String {
    if track.artist.is_empty() {
        track.title.clone()
    } else {
        format!("{} – {}", track.artist, track.title)
    }
}

/// That a track is heard now, and in what. The node's words name that; those of a choice that was made here do not.
pub(super) fn now_playing_line(info: &Info, rendition: &Rendition, reason: &str) -> String {
    let Track { number, source, .. } = &info.track;
    let is_other = rendition.id != info.rendition.id;
    let chosen = is_other.then(|| format!("{}, {} kbit/s: ", rendition.id.codec, rendition.bitrate / 1000));
    let (title, chosen) = (title(&info.track), chosen.unwrap_or_default());
    format!("playing {number}: {title} ({source}) as {chosen}{reason}")
}

/// As `opus 96k`.
pub(super) fn codec(rendition: &Rendition) -> String {
    format!("{} {}k", rendition.id.codec, rendition.bitrate / 1000)
}
