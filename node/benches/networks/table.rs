//! A row's playings as a line of the table.

use std::time::{Duration, Instant};

use crate::{
    play::Played,
    rows::{Goal, Row},
};

pub(crate) const HEAD: &str = "\
| network | codec | playings | underruns | dry for, at most | first audio, warm, median | after the event, at most | new connections, retries | frames | goal | met |
|---|---|---:|---:|---:|---:|---|---|---|---|---|";

/// The row's line: sums over its playings, the worst of them, medians. `whole` where every frame was right.
pub(crate) fn line(row: &Row, played: &[Played], whole: bool) -> String {
    let sum = |what: fn(&Played) -> u64| played.iter().map(what).sum::<u64>();
    let underruns = sum(|it| it.heard.progress.underruns + it.underruns);
    let dry = most(played, |it| Some(it.heard.progress.underrun_time.max(it.dry))).unwrap_or_default();
    let mut starts: Vec<_> = played.iter().flat_map(|it| it.first_audio.iter().copied()).collect();
    starts.sort();
    let start = starts.get(starts.len() / 2).copied().unwrap_or_default();
    let (after, goal, met) = match row.goal {
        Goal::Steady => (String::new(), "no underrun".into(), underruns == 0),
        Goal::Prompt => {
            let most = 4 * row.link.delay + Duration::from_millis(150);
            let goal = format!("no underrun; first audio within {} ms", most.as_millis());
            (String::new(), goal, underruns == 0 && start <= most)
        }
        Goal::BestAgain(within) => {
            let again = most(played, best_again);
            let goal = format!("no underrun; the best again within {}", words(Some(within)));
            (words(again), goal, underruns == 0 && again.is_some_and(|it| it <= within))
        }
        Goal::Dry(within) => (
            words(most(played, best_again)),
            format!("dry for at most {}", words(Some(within))),
            dry <= within,
        ),
        Goal::Sound(within) => {
            let again = most(played, sound_again);
            let goal = format!("sound within {}", words(Some(within)));
            (words(again), goal, again.is_some_and(|it| it <= within))
        }
        Goal::Moved(within) => {
            let moved = most(played, |it| it.moved);
            let goal = format!("no underrun; moved within {}", words(Some(within)));
            (words(moved), goal, underruns == 0 && moved.is_some_and(|it| it <= within))
        }
        Goal::Exact => (words(most(played, sound_again)), "goes on from the exact frame".into(), true),
    };
    format!(
        "| {} | {} | {} of {:.0} s | {underruns} | {} | {} ms | {after} | {}, {} | {} | {goal} | {} |",
        row.name,
        row.listen.codec,
        played.len(),
        row.seconds,
        words(Some(dry)),
        start.as_millis(),
        sum(|it| it.heard.reconnects),
        sum(|it| it.heard.counts.retries),
        if whole { "exact" } else { "wrong" },
        if met && whole { "yes" } else { "no" },
    )
}

fn words(time: Option<Duration>) -> String {
    time.map_or_else(String::new, |time| format!("{:.2} s", time.as_secs_f64()))
}

/// The greatest of what all playings have; `None` where one lacks it.
fn most(played: &[Played], what: impl Fn(&Played) -> Option<Duration>) -> Option<Duration> {
    let all: Option<Vec<_>> = played.iter().map(what).collect();
    all?.into_iter().max()
}

/// From the network's return to sound; zero where it had not ended.
fn sound_again(it: &Played) -> Option<Duration> {
    match it.heard.progress.underruns {
        0 => Some(Duration::ZERO),
        _ => it.heard.recording.first_after(it.whole?),
    }
}

/// From the network's return to the last change for the better, where what the track came in at first is back.
fn best_again(it: &Played) -> Option<Duration> {
    let whole: Instant = it.whole?;
    let switches: Vec<_> = it.heard.counts.switches.iter().collect();
    let (Some(first), Some(last)) = (switches.first(), switches.last()) else { return Some(Duration::ZERO) };
    let back = last.to.lossless || last.to.bitrate >= first.from.bitrate;
    back.then(|| last.at.saturating_duration_since(whole))
}

/// What the listener was told, and where the sound stopped, to standard error.
pub(crate) fn tell(row: &Row, run: usize, played: &Played) {
    let heard = &played.heard;
    let first: Vec<_> = played.first_audio.iter().map(Duration::as_millis).collect();
    eprintln!(
        "{} #{run}: {} underruns, first audio {first:?} ms",
        row.name,
        heard.progress.underruns + played.underruns
    );
    heard.told.iter().for_each(|told| eprintln!("    {told}"));
    for pair in heard.recording.writes.windows(2) {
        let gap = pair[1].0 - pair[0].0;
        if gap > Duration::from_millis(150) {
            let at = (pair[0].0 - heard.began).as_secs_f64();
            eprintln!("    gap at {at:.2} s: {gap:?}");
        }
    }
}
