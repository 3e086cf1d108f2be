use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::printable;
use crate::control::Snapshot;

/// Cells of the buffer gauge; a full gauge is the target.
const GAUGE: usize = 8;

/// The reason for the codec is shown where there is room for so many columns of it.
const REASON: usize = 20;

/// The status line, `width` columns at most. The title gives way first.
pub(super) fn draw(snapshot: &Snapshot, width: usize) -> String {
    let Snapshot { number, position, length, held, target, underruns, volume, .. } = snapshot;
    let state = if snapshot.paused { "⏸" } else { "▶" };
    let full = held.as_secs_f64() / target.as_secs_f64().max(0.001) * GAUGE as f64;
    let full = (full.round() as usize).min(GAUGE);
    let gauge = format!("{}{}", "█".repeat(full), "·".repeat(GAUGE - full));
    let mut rest =
        format!("  {}/{}  [{gauge}] {:.1} s", clock(*position), clock(*length), held.as_secs_f64());
    for text in [&snapshot.codec, &snapshot.path].into_iter().filter(|text| !text.is_empty()) {
        rest += &format!("  {}", printable(text));
    }
    rest += &format!("  {underruns} underrun{}", if *underruns == 1 { "" } else { "s" });
    if *volume != 100 {
        rest += &format!("  vol {volume}%");
    }
    if !snapshot.waiting.is_empty() {
        rest += &format!("  waiting: {}", printable(&snapshot.waiting));
    }
    let head = if number.1 > 1 { format!("{state} {}/{} ", number.0, number.1) } else { format!("{state} ") };
    let room = width.saturating_sub(head.width() + rest.width());
    let mut line = format!("{head}{}{rest}", cut(&printable(&snapshot.title), room));
    if !snapshot.reason.is_empty() && line.width() + REASON <= width {
        line += &format!("  ({})", printable(&snapshot.reason));
    }
    cut(&line, width)
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
    fn never_is_wider_than_the_terminal() {
        let mut wide = snapshot();
        wide.title = "音楽の長い題名 with a \u{1b}[31m colour".into();
        for width in 0..140 {
            assert!(draw(&wide, width).width() <= width, "{width}");
            assert!(!draw(&wide, width).contains('\u{1b}'));
        }
    }
}
