//! What a playing shows at an instant, and what it came to.

use std::time::Duration;

use media_protocol::{FrameIndex, Info, Position, Rendition, Track};

use super::{
    Snapshot, Stats,
    listen::Listening,
    stats::{LevelTimes, PathChange, Switch, Target, ms},
};

impl Listening {
    pub(super) fn snapshot(&self) -> Snapshot {
        let progress = self.player.progress();
        let track = self.playlist.get(self.heard.index);
        let info = progress.track.as_ref().filter(|info| track.is_some_and(|it| it.id == info.track.id));
        Snapshot {
            number: (self.heard.index + 1, self.playlist.len()),
            title: track.map(title).unwrap_or_default(),
            position: self.jump.unwrap_or(progress.position).into(),
            length: info.map_or_else(
                || Duration::from_millis(track.map_or(0, |track| track.duration_ms)),
                |info| Position::of_frame(FrameIndex(info.rendition.frames), info.rendition.id.rate).into(),
            ),
            held: self.player.level(),
            target: self.target,
            codec: progress.rendition.filter(|_| info.is_some()).map(|it| codec(&it)).unwrap_or_default(),
            reason: if info.is_some() { progress.reason.to_string() } else { String::new() },
            path: self.dial.path().kind.to_string(),
            underruns: progress.underruns,
            volume: self.volume,
            paused: self.paused_since.is_some(),
            waiting: self.waiting.clone(),
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let (progress, counts) = (self.player.progress(), self.player.counts());
        let (info, rendition) = (progress.track.as_ref(), progress.rendition.as_ref());
        let path_changes = self.dial.path_changes();
        Stats {
            track: info.map(|info| format!("{} {}", info.track.id, title(&info.track))).unwrap_or_default(),
            transport: self.transport.clone(),
            path: self.dial.path().kind.to_string(),
            codec: rendition.map(|it| it.id.codec.clone()).unwrap_or_default(),
            bitrate: rendition.map_or(0, |it| it.bitrate),
            reason: progress.reason.to_string(),
            bind_ms: ms(self.dial.bind_time()),
            connect_ms: ms(self.dial.connect_time()),
            first_audio_ms: progress.first_audio.map(ms),
            frames_played: progress.frames_played,
            tracks_ended: progress.tracks_ended,
            chunks: counts.chunks,
            requests: counts.requests,
            bytes_received: counts.bytes_received,
            underruns: progress.underruns,
            underrun_ms: ms(progress.underrun_time),
            xruns: progress.xruns,
            paused_ms: ms(self.paused_time),
            requests_while_paused: counts.requests_while_paused,
            rendition_switches: counts.switches.total(),
            switches: counts.switches.iter().map(|it| Switch::new(it, self.began)).collect(),
            path_changes: path_changes.total(),
            paths: path_changes.iter().map(|it| PathChange::new(it, self.began)).collect(),
            reconnects: self.dial.reconnects(),
            retries: counts.retries,
            stalls: counts.stalls,
            damaged_packets: progress.damaged_packets,
            peak_buffer_ms: ms(counts.peak_buffer),
            start_ms: ms(progress.start),
            target_ms: ms(self.target),
            targets: counts.targets.iter().map(|it| Target::new(it, self.began)).collect(),
            level_ms: LevelTimes::new(progress.levels),
        }
    }
}

pub(super) fn title(track: &Track) -> String {
    if track.artist.is_empty() {
        track.title.clone()
    } else {
        format!("{} – {}", track.artist, track.title)
    }
}

/// That a track is heard now, and in what. The node's words name that; those of a choice that was made here do not.
pub(super) fn begun(info: &Info, rendition: &Rendition, reason: &str) -> String {
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
