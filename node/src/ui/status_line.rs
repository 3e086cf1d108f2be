use std::time::{Duration, Instant};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::sanitize;
use crate::control::Snapshot;

/// Cells of the buffer gauge; a full gauge is the target.
const GAUGE: usize = 8;

/// The reason for the codec is shown where there is room for so many columns of it.
const REASON: usize = 20;
/// While it is news, room is made for so many.
const NEWS: usize = 48;
/// Less than so many columns of a title say nothing.
const TITLE: usize = 4;
/// For how long it is news.
const FRESH: Duration = Duration::from_secs(8);

/// The status line, and since when the codec is what it is.
pub(super) struct StatusLine {
    /// Codec and reason.
    why: [String; 2],
    since: Instant,
}

impl StatusLine {
    pub(super) fn new(now: Instant) -> Self {
        Self { why: Default::default(), since: now }
    }

    /// The line, `width` columns at most. For what is waited for, and a reason that is news, the title gives way first, then
    /// the gauge, the count of underruns and the path.
    pub(super) fn draw(&mut self, snapshot: &Snapshot, width: usize, now: Instant) -> String {
        let why = [&snapshot.codec, &snapshot.reason];
        if !snapshot.reason.is_empty() && self.why.each_ref() != why {
            (self.why, self.since) = (why.map(Clone::clone), now);
        }
        let reason = reason(snapshot);
        let is_news = snapshot.waiting.is_empty() && now.saturating_duration_since(self.since) < FRESH;
        let news = if is_news { reason.width().min(NEWS) } else { 0 };
        let head = head(snapshot);
        let needed = |rest: &String| head.width() + rest.width() + news;
        let mut tried = (0..LEFT_OUT).map(|left_out| rest(snapshot, left_out));
        let rest = tried.find(|rest| needed(rest) <= width).unwrap_or_else(|| rest(snapshot, LEFT_OUT));
        let room = Some(width.saturating_sub(needed(&rest))).filter(|room| *room >= TITLE);
        let title = cut(&sanitize(&snapshot.title), room.unwrap_or(0));
        let mut line = format!("{head}{title}{rest}");
        if is_news || line.width() + REASON <= width {
            line += &reason;
        }
        cut(&line, width)
    }
}

/// Why the codec is what it is, in brackets. The codec's name before it is said already.
fn reason(Snapshot { codec, reason, .. }: &Snapshot) -> String {
    let name = codec.split(' ').next().filter(|name| !name.is_empty() && reason.starts_with(name));
    let words = name.and_then(|_| reason.split_once(": ")).map_or(reason.as_str(), |(_, words)| words);
    if words.is_empty() { String::new() } else { format!("  ({})", sanitize(words)) }
}

/// The state and the place in the list.
fn head(Snapshot { number, paused, .. }: &Snapshot) -> String {
    let state = if *paused { "⏸" } else { "▶" };
    if number.1 > 1 { format!("{state} {}/{} ", number.0, number.1) } else { format!("{state} ") }
}

/// How many parts of [`rest`] can be left out.
const LEFT_OUT: usize = 3;

/// What stands behind the title, without the first so many of: gauge, underruns, path.
fn rest(snapshot: &Snapshot, left_out: usize) -> String {
    let Snapshot { position, length, held, target, underruns, volume, .. } = snapshot;
    let mut rest = format!("  {}/{}", clock(*position), clock(*length));
    if left_out < 1 {
        let full = held.as_secs_f64() / target.as_secs_f64().max(0.001) * GAUGE as f64;
        let full = (full.round() as usize).min(GAUGE);
        rest += &format!("  [{}{}]", "█".repeat(full), "·".repeat(GAUGE - full));
    }
    rest += &format!("{}{:.1} s", if left_out < 1 { " " } else { "  " }, held.as_secs_f64());
    let path = if left_out < 3 { snapshot.path.as_str() } else { "" };
    for text in [&snapshot.codec, path].into_iter().filter(|text| !text.is_empty()) {
        rest += &format!("  {}", sanitize(text));
    }
    if left_out < 2 {
        rest += &format!("  {underruns} underrun{}", if *underruns == 1 { "" } else { "s" });
    }
    if *volume != 100 {
        rest += &format!("  vol {volume}%");
    }
    if !snapshot.waiting.is_empty() {
        rest += &format!("  waiting: {}", sanitize(&snapshot.waiting));
    }
    rest
}

/// `1:02:03`, or `2:03` under an hour.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// The first `width` columns of `text`, with `…` where something is cut off.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.into();
    }
    let mut used = 0;
    let room = width.saturating_sub(1);
    let fits = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= room
    });
    let cut: String = fits.collect();
    if width == 0 { cut } else { cut + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            number: (2, 10),
            title: "Miles Davis – So What".into(),
            position: Duration::from_secs(83),
            length: Duration::from_secs(3_723),
            held: Duration::from_millis(1_500),
            target: Duration::from_secs(3),
            codec: "opus 96k".into(),
            reason: String::new(),
            path: "LAN".into(),
            underruns: 0,
            volume: 80,
            paused: false,
            waiting: String::new(),
        }
    }

    /// A line that has been there for a while.
    fn draw(snapshot: &Snapshot, width: usize) -> String {
        let now = Instant::now();
        let mut status = StatusLine::new(now);
        status.draw(snapshot, width, now);
        status.draw(snapshot, width, now + FRESH)
    }

    #[test]
    fn shows_everything_where_there_is_room() {
        let line = draw(&snapshot(), 120);
        let expected = "▶ 2/10 Miles Davis – So What  1:23/1:02:03  [████····] 1.5 s  opus 96k  LAN  0 underruns  vol 80%";
        assert_eq!(line, expected);
    }

    #[test]
    fn the_reason_for_the_codec_comes_last() {
        let reason = "129 kbit/s measured, 2.9 s held".to_owned();
        let line = |width| draw(&Snapshot { reason: reason.clone(), ..snapshot() }, width);
        assert!(line(140).ends_with("vol 80%  (129 kbit/s measured, 2.9 s held)"), "{}", line(140));
        assert!(line(100).ends_with("vol 80%"), "{}", line(100));
    }

    #[test]
    fn a_new_reason_is_seen_for_a_while_on_a_narrow_terminal() {
        let reason = |words: &str| Snapshot { reason: words.into(), volume: 100, ..snapshot() };
        let first = reason("opus 96 kbit/s: this client's first choice");
        let (began, mut status) = (Instant::now(), StatusLine::new(Instant::now()));
        let mut at =
            |snapshot: &Snapshot, seconds| status.draw(snapshot, 79, began + Duration::from_secs(seconds));
        let news = "▶ 2/10 Miles…  1:23/1:02:03  1.5 s  opus 96k  LAN  (this client's first choice)";
        let plain = "▶ 2/10 Miles Davis…  1:23/1:02:03  [████····] 1.5 s  opus 96k  LAN  0 underruns";
        assert_eq!([0, 7, 8].map(|seconds| at(&first, seconds)), [news, news, plain]);
        let short = "▶ 2/10 Miles …  1:23/1:02:03  1.5 s  opus 96k  LAN  0 underruns  (relayed path)";
        assert_eq!(at(&reason("relayed path"), 20), short);
        let long = reason("the chunk would come too late: 40 kbit/s measured");
        let cut = "▶ 2/10   1:23/1:02:03  1.5 s  opus 96k  (the chunk would come too late: 40 kbi…";
        assert_eq!(at(&long, 30), cut);
        let silent = Snapshot { waiting: "for the node".into(), ..first };
        let newer = "▶ 2/10   1:23/1:02:03  1.5 s  opus 96k  LAN  0 underruns  waiting: for the node";
        assert_eq!(at(&silent, 40), newer);
    }

    #[test]
    fn never_is_wider_than_the_terminal() {
        let mut wide = snapshot();
        wide.title = "音楽の長い題名 with a \u{1b}[31m colour".into();
        for width in 0..140 {
            assert!(draw(&wide, width).width() <= width, "{width}");
            assert!(!draw(&wide, width).contains('\u{1b}'));
        }
    }
}
