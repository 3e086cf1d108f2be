//! Lines for a listener.

use std::time::Duration;

use media_protocol::{Info, Rendition, Track};

use crate::client::{AudioLoss, UnderrunCause};

/// Artist and title.
pub(super) fn title(track: &Track) -> String {
    if track.artist.is_empty() {
        track.title.clone()
    } else {
        format!("{} – {}", track.artist, track.title)
    }
}

/// Codec and bitrate, as `opus 96k`.
pub(super) fn codec(rendition: &Rendition) -> String {
    format!("{} {}k", rendition.id.codec, rendition.bitrate / 1000)
}

/// The line for a track that has become audible. If the node chose the codec, its reason begins with the codec's name. The
/// reason for a choice of this client does not, so this function puts the codec before it.
pub(super) fn now_playing_line(info: &Info, rendition: &Rendition, reason: &str) -> String {
    let Track { number, source, .. } = &info.track;
    let title = title(&info.track);
    let is_own_choice = rendition.id != info.rendition.id;
    let codec = if is_own_choice { format!("{}: ", codec_and_bitrate(rendition)) } else { String::new() };
    format!("playing {number}: {title} ({source}) as {codec}{reason}")
}

/// The line for a track that continues in another rendition.
pub(super) fn switched(to: &Rendition, reason: &str) -> String {
    format!("continuing as {}: {reason}", codec_and_bitrate(to))
}

fn codec_and_bitrate(rendition: &Rendition) -> String {
    format!("{} at {} kbit/s", rendition.id.codec, rendition.bitrate / 1000)
}

/// The line for a start position that lies behind the end of its track.
pub(super) fn starts_past_the_end(track: &Track) -> String {
    let (title, seconds) = (title(track), track.duration_ms / 1000);
    let length = format!("{}:{:02}", seconds / 60, seconds % 60);
    format!("{title} is {length} long and the start position lies behind its end: nothing of it is played")
}

/// The line for the first lost audio of a track.
pub(super) fn has_gaps(track: &Track, loss: &AudioLoss) -> String {
    format!("parts of {} are silent: {}", title(track), culprit(loss))
}

/// The message for a single track of which some audio was lost.
pub(super) fn lost_audio(track: &Track, loss: &AudioLoss) -> String {
    let seconds = loss.total().as_secs_f64().max(0.01);
    format!("{seconds:.2} s of {} were silent: {}", title(track), culprit(loss))
}

fn culprit(loss: &AudioLoss) -> &'static str {
    match (loss.node.is_zero(), loss.this_machine.is_zero()) {
        (false, true) => "the node's file is damaged",
        (true, _) => "this machine could not decode it",
        (false, false) => "the node's file is damaged, and this machine could not decode all of it",
    }
}

/// The message for several tracks of which some could not be played, and others lost some audio.
pub(super) fn incomplete(tracks: usize, failed: usize, with_gaps: usize) -> String {
    match (failed, with_gaps) {
        (failed, 0) => format!("{failed} of {tracks} tracks could not be played, or not to their end"),
        (0, gaps) => format!("{gaps} of {tracks} tracks had silent parts"),
        (failed, gaps) => {
            format!(
                "{failed} of {tracks} tracks could not be played, or not to their end; {gaps} had silent parts"
            )
        }
    }
}

/// The line for a new target level of the jitter buffer.
pub(super) fn buffering(target: Duration, reason: &str) -> String {
    format!("buffering {} s from now on ({reason})", target.as_secs_f32())
}

/// The line for a dropout after which the target level stays the same.
pub(super) fn dropped_out(cause: UnderrunCause, lossless: bool) -> String {
    if lossless && cause == UnderrunCause::Network {
        "audio dropped out (connection too slow for lossless audio; --codec auto adapts to it)".into()
    } else {
        format!("audio dropped out ({cause})")
    }
}
