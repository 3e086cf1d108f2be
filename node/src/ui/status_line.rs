//! The status line.

use std::time::{Duration, Instant};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::text::sanitize;
use crate::control::{Repeat, Snapshot};

/// Cells of the buffer gauge. The gauge is full at the target level.
const GAUGE: usize = 8;
/// Shortest title after a cut, in columns. If there is less room, the line has no title.
const MIN_TITLE: usize = 4;
/// Time for which a new reason for the codec takes the place of less urgent parts.
/// Tested by `a_new_reason_takes_the_place_of_other_parts_for_a_while`.
const NEWS: Duration = Duration::from_secs(8);

/// A part of the status line, in the order of display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    State,
    Title,
    Position,
    Gauge,
    Buffered,
    Codec,
    Path,
    Underruns,
    Order,
    Volume,
    Waiting,
    Reason,
}

/// Parts that are left out if the terminal is too narrow, in this order. After that, the title is cut. State, position and
/// waiting always stay.
const OPTIONAL: [Part; 8] = [
    Part::Reason,
    Part::Gauge,
    Part::Underruns,
    Part::Path,
    Part::Buffered,
    Part::Codec,
    Part::Order,
    Part::Volume,
];
/// Parts that are left out to make room for a new reason for the codec, in this order.
const BELOW_NEWS: [Part; 4] = [Part::Gauge, Part::Underruns, Part::Path, Part::Buffered];

/// Draws the status line. Remembers the time at which the codec or its reason changed last.
pub(super) struct StatusLine {
    codec: String,
    reason: String,
    since: Instant,
}

impl StatusLine {
    pub(super) fn new(now: Instant) -> Self {
        Self { codec: String::new(), reason: String::new(), since: now }
    }

    /// Returns the line, at most `width` columns wide.
    pub(super) fn draw(&mut self, snapshot: &Snapshot, width: usize, now: Instant) -> String {
        let is_new = self.codec != snapshot.codec || self.reason != snapshot.reason;
        if is_new && !snapshot.reason.is_empty() {
            self.codec.clone_from(&snapshot.codec);
            self.reason.clone_from(&snapshot.reason);
            self.since = now;
        }
        let parts = parts(snapshot);
        // While the player is paused, the line may not be drawn again. So the reason would stay in place of the other parts.
        let is_news = now.saturating_duration_since(self.since) < NEWS;
        if is_news && !snapshot.paused && snapshot.waiting.is_empty() {
            let with_news = leave_out(parts.clone(), &BELOW_NEWS, width);
            if width_of(&with_news) <= width {
                return join(&with_news);
            }
        }
        let mut parts = leave_out(parts, &OPTIONAL, width);
        let excess = width_of(&parts).saturating_sub(width);
        if excess > 0
            && let Some((_, title)) = parts.iter_mut().find(|(part, _)| *part == Part::Title)
        {
            let room = title.width().saturating_sub(excess);
            *title = if room < MIN_TITLE { String::new() } else { cut(title, room) };
        }
        cut(&join(&parts), width)
    }
}

type Parts = Vec<(Part, String)>;

/// Removes parts in this order until the rest fits.
fn leave_out(mut parts: Parts, order: &[Part], width: usize) -> Parts {
    for part in order {
        if width_of(&parts) <= width {
            break;
        }
        parts.retain(|(other, _)| other != part);
    }
    parts
}

fn width_of(parts: &Parts) -> usize {
    parts.iter().map(|(_, text)| text.width()).sum()
}

fn join(parts: &Parts) -> String {
    parts.iter().map(|(_, text)| text.as_str()).collect()
}

/// All parts that are not empty, each with the space before it.
fn parts(snapshot: &Snapshot) -> Parts {
    let text = |text: &str| if text.is_empty() { String::new() } else { format!("  {}", sanitize(text)) };
    let volume = match snapshot.volume {
        _ if snapshot.muted => "  muted".into(),
        100 => String::new(),
        volume => format!("  vol {volume}%"),
    };
    let waiting = if snapshot.waiting.is_empty() { "" } else { "waiting " };
    let parts = [
        (Part::State, state(snapshot)),
        (Part::Title, sanitize(&snapshot.title)),
        (Part::Position, format!("  {}/{}", clock(snapshot.position), length(snapshot.length))),
        (Part::Gauge, gauge(snapshot)),
        (Part::Buffered, format!("  {:.1} s", snapshot.buffered.as_secs_f64())),
        (Part::Codec, text(&snapshot.codec)),
        (Part::Path, text(&snapshot.path)),
        (Part::Underruns, count(snapshot.underruns, "dropout")),
        (Part::Order, order(snapshot)),
        (Part::Volume, volume),
        (Part::Waiting, text(&format!("{waiting}{}", snapshot.waiting))),
        (Part::Reason, reason(snapshot)),
    ];
    parts.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

/// A symbol for playing or paused, and the place in the queue.
fn state(Snapshot { index, count, paused, .. }: &Snapshot) -> String {
    let state = if *paused { "⏸" } else { "▶" };
    if *count > 1 { format!("{state} {}/{count} ", index + 1) } else { format!("{state} ") }
}

/// Words for an order other than that of the queue.
fn order(Snapshot { shuffle, repeat, .. }: &Snapshot) -> String {
    let repeat = match repeat {
        Repeat::Off => "",
        Repeat::One => "  repeat one",
        Repeat::All => "  repeat all",
    };
    format!("{}{repeat}", if *shuffle { "  shuffle" } else { "" })
}

fn gauge(Snapshot { buffered, target, .. }: &Snapshot) -> String {
    let cells = buffered.as_secs_f64() / target.as_secs_f64().max(0.001) * GAUGE as f64;
    let full = (cells.round() as usize).min(GAUGE);
    format!("  [{}{}]", "█".repeat(full), "·".repeat(GAUGE - full))
}

fn count(number: u64, noun: &str) -> String {
    format!("  {number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The reason for the codec in parentheses, without the name of the codec, which stands elsewhere in the line.
fn reason(Snapshot { codec, reason, .. }: &Snapshot) -> String {
    let name = codec.split(' ').next().filter(|name| !name.is_empty() && reason.starts_with(name));
    let words = name.and_then(|_| reason.split_once(": ")).map_or(reason.as_str(), |(_, words)| words);
    if words.is_empty() { String::new() } else { format!("  ({})", sanitize(words)) }
}

/// The length of a track; `?` until it is known.
fn length(time: Duration) -> String {
    if time.is_zero() { "?".into() } else { clock(time) }
}

/// Formats a time as `1:02:03`, or as `2:03` under an hour.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Cuts a text to `width` columns. `…` marks the cut.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.into();
    }
    let mut used = 0;
    let room = width.saturating_sub(1);
    let fitting = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= room
    });
    let cut: String = fitting.collect();
    if width == 0 { cut } else { cut + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            index: 1,
            count: 10,
            title: "Miles Davis – So What".into(),
            position: Duration::from_secs(83),
            length: Duration::from_secs(3_723),
            buffered: Duration::from_millis(1_500),
            target: Duration::from_secs(3),
            codec: "opus 96k".into(),
            reason: String::new(),
            path: "LAN".into(),
            underruns: 0,
            volume: 80,
            muted: false,
            shuffle: false,
            repeat: Repeat::Off,
            paused: false,
            waiting: String::new(),
        }
    }

    /// A line at a time at which the reason for the codec is no longer new.
    fn draw(snapshot: &Snapshot, width: usize) -> String {
        let now = Instant::now();
        let mut status = StatusLine::new(now);
        status.draw(snapshot, width, now);
        status.draw(snapshot, width, now + NEWS)
    }

    #[test]
    fn shows_everything_where_there_is_room() {
        let line = draw(&snapshot(), 120);
        let expected = "▶ 2/10 Miles Davis – So What  1:23/1:02:03  [████····]  1.5 s  opus 96k  LAN  0 dropouts  vol 80%";
        assert_eq!(line, expected);
    }

    #[test]
    fn order_and_muting_are_named() {
        let snapshot = Snapshot { shuffle: true, repeat: Repeat::All, muted: true, ..snapshot() };
        assert!(draw(&snapshot, 120).ends_with("0 dropouts  shuffle  repeat all  muted"));
    }

    #[test]
    fn a_narrow_terminal_loses_other_parts_before_the_title() {
        let reason = "129 kbit/s measured, 2.9 s buffered".to_owned();
        let snapshot = Snapshot { reason, underruns: 1, ..snapshot() };
        let lines = [
            "▶ 2/10 Miles Davis – So What  1:23/1:02:03  [████····]  1.5 s  opus 96k  LAN  1 dropout  vol 80%  \
             (129 kbit/s measured, 2.9 s buffered)",
            "▶ 2/10 Miles Davis – So What  1:23/1:02:03  [████····]  1.5 s  opus 96k  LAN  1 dropout  vol 80%",
            "▶ 2/10 Miles Davis – So What  1:23/1:02:03  1.5 s  opus 96k  LAN  1 dropout  vol 80%",
            "▶ 2/10 Miles Davis – So What  1:23/1:02:03  1.5 s  opus 96k  LAN  vol 80%",
            "▶ 2/10 Miles Davis – So What  1:23/1:02:03  1.5 s  opus 96k  vol 80%",
            "▶ 2/10 Miles Davis – So What  1:23/1:02:03  opus 96k  vol 80%",
            "▶ 2/10 Miles Davis – So What  1:23/1:02:03  vol 80%",
            "▶ 2/10 Miles Davis – So What  1:23/1:02:03",
            "▶ 2/10 Miles Davis – So Wh…  1:23/1:02:03",
            "▶ 2/10 Mil…  1:23/1:02:03",
            "▶ 2/10   1:23/1:02:03",
        ];
        for line in lines {
            assert_eq!(draw(&snapshot, line.width()), line);
        }
        for pair in lines[..8].windows(2) {
            assert_eq!(draw(&snapshot, pair[0].width() - 1), pair[1], "one column less");
        }
    }

    #[test]
    fn a_new_reason_takes_the_place_of_other_parts_for_a_while() {
        let with_reason = |words: &str| Snapshot { reason: words.into(), volume: 100, ..snapshot() };
        let first = with_reason("opus 96 kbit/s: this client's first choice");
        let (began, mut status) = (Instant::now(), StatusLine::new(Instant::now()));
        let mut at =
            |snapshot: &Snapshot, seconds| status.draw(snapshot, 83, began + Duration::from_secs(seconds));
        let news = "▶ 2/10 Miles Davis – So What  1:23/1:02:03  opus 96k  (this client's first choice)";
        let plain = "▶ 2/10 Miles Davis – So What  1:23/1:02:03  1.5 s  opus 96k  LAN  0 dropouts";
        assert_eq!([0, 7, 8].map(|seconds| at(&first, seconds)), [news, news, plain]);
        let short = "▶ 2/10 Miles Davis – So What  1:23/1:02:03  1.5 s  opus 96k  LAN  (relayed path)";
        assert_eq!(at(&with_reason("relayed path"), 20), short);
        let long = with_reason("the chunk would come too late: 40 kbit/s measured");
        assert_eq!(at(&long, 30), plain, "it does not fit beside the title; a line above has it too");
        let silent = Snapshot { waiting: "for the node".into(), ..first };
        let waiting = "▶ 2/10 Miles Davis – So What  1:23/1:02:03  1.5 s  opus 96k  waiting for the node";
        assert_eq!(at(&silent, 40), waiting);
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
