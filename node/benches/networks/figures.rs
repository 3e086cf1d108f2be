//! Results of a row's playbacks, as a line of the table and as rows of the history.

use std::time::{Duration, Instant};

use crate::{
    play::Played,
    rows::{Goal, Row},
    table,
};

pub(crate) const HEAD: &str = "\
| network | codec | runs | underruns | without audio, at most | first audio, warm, median | after the event, at most | new connections, retries | frames | goal | met |
|---|---|---:|---:|---:|---:|---|---|---|---|---|";

/// Sums, worst values and medians over a row's playbacks.
pub(crate) struct Figures {
    underruns: u64,
    underrun_time: Duration,
    start: Duration,
    after: Option<Duration>,
    goal: String,
    met: bool,
}

/// Computes the figures; `whole` if every frame was right.
pub(crate) fn figures(row: &Row, played: &[Played], whole: bool) -> Figures {
    let underruns = played.iter().map(|it| it.heard.progress.underruns + it.underruns).sum();
    let underrun_time =
        most(played, |it| Some(it.heard.progress.underrun_time.max(it.underrun_time))).unwrap_or_default();
    let mut starts: Vec<_> = played.iter().flat_map(|it| it.first_audio.iter().copied()).collect();
    starts.sort();
    let start = starts.get(starts.len() / 2).copied().unwrap_or_default();
    let (after, goal, met) = match row.goal {
        Goal::Steady => (None, "no underrun".into(), underruns == 0),
        Goal::Prompt => {
            let most = 4 * row.link.delay + Duration::from_millis(150);
            let goal = format!("no underrun; first audio within {} ms", most.as_millis());
            (None, goal, underruns == 0 && start <= most)
        }
        Goal::BestAgain(within) => {
            let again = most(played, best_again);
            let goal = format!("no underrun; the best again within {}", words(Some(within)));
            (again, goal, underruns == 0 && again.is_some_and(|it| it <= within))
        }
        Goal::Dry(within) => (
            most(played, best_again),
            format!("without audio for at most {}", words(Some(within))),
            underrun_time <= within,
        ),
        Goal::Sound(within) => {
            let again = most(played, sound_again);
            let goal = format!("sound within {}", words(Some(within)));
            (again, goal, again.is_some_and(|it| it <= within))
        }
        Goal::Moved(within) => {
            let moved = most(played, |it| it.moved);
            let goal = format!("no underrun; moved within {}", words(Some(within)));
            (moved, goal, underruns == 0 && moved.is_some_and(|it| it <= within))
        }
        Goal::Exact => (most(played, sound_again), "goes on from the exact frame".into(), true),
    };
    Figures { underruns, underrun_time, start, after, goal, met: met && whole }
}

impl Figures {
    /// Formats the row's line; `whole` as for [`figures`].
    pub(crate) fn line(&self, row: &Row, played: &[Played], whole: bool) -> String {
        let sum = |what: fn(&Played) -> u64| played.iter().map(what).sum::<u64>();
        format!(
            "| {} | {} | {} of {:.0} s | {} | {} | {} ms | {} | {}, {} | {} | {} | {} |",
            row.name,
            row.listen.codec,
            played.len(),
            row.seconds,
            self.underruns,
            words(Some(self.underrun_time)),
            self.start.as_millis(),
            words(self.after),
            sum(|it| it.heard.reconnects),
            sum(|it| it.heard.counts.retries),
            if whole { "exact" } else { "wrong" },
            self.goal,
            if self.met { "yes" } else { "no" },
        )
    }

    /// The row's figures for the history. The goal is part of the row of underruns.
    pub(crate) fn rows(&self, row: &Row, played: &[Played]) -> Vec<table::Row> {
        let playings = format!("{}, {} of {:.0} s", row.name, played.len(), row.seconds);
        let alone = |what: &str, unit: &str, value: f64| {
            table::Row::alone(&format!("{playings}: {what}"), unit, value, table::Goal::None)
        };
        let mut underruns = alone("underruns", "", self.underruns as f64);
        (underruns.goal, underruns.met) = (self.goal.clone(), Some(self.met));
        let underrun_time = alone("without audio, at most", "s", self.underrun_time.as_secs_f64());
        let start = alone("first audio, warm, median", "ms", self.start.as_secs_f64() * 1000.0);
        let after = self.after.map(|it| alone("after the event, at most", "s", it.as_secs_f64()));
        [underruns, underrun_time, start].into_iter().chain(after).collect()
    }
}

fn words(time: Option<Duration>) -> String {
    time.map_or_else(String::new, |time| format!("{:.2} s", time.as_secs_f64()))
}

/// The greatest value; `None` if one playback lacks it.
fn most(played: &[Played], what: impl Fn(&Played) -> Option<Duration>) -> Option<Duration> {
    let all: Option<Vec<_>> = played.iter().map(what).collect();
    all?.into_iter().max()
}

/// Time from the network's return to sound; zero if the sound had not stopped.
fn sound_again(it: &Played) -> Option<Duration> {
    match it.heard.progress.underruns {
        0 => Some(Duration::ZERO),
        _ => it.heard.recording.first_after(it.whole?),
    }
}

/// Time from the network's return to the last improvement, if the first rendition is back.
fn best_again(it: &Played) -> Option<Duration> {
    let whole: Instant = it.whole?;
    let switches: Vec<_> = it.heard.counts.switches.iter().collect();
    let (Some(first), Some(last)) = (switches.first(), switches.last()) else { return Some(Duration::ZERO) };
    let back = last.to.lossless || last.to.bitrate >= first.from.bitrate;
    back.then(|| last.at.saturating_duration_since(whole))
}

/// Prints the listener's events, and the gaps in the sound, to standard error.
pub(crate) fn tell(row: &Row, run: usize, played: &Played) {
    let heard = &played.heard;
    let first: Vec<_> = played.first_audio.iter().map(Duration::as_millis).collect();
    eprintln!(
        "{} #{run}: {} underruns, first audio {first:?} ms",
        row.name,
        heard.progress.underruns + played.underruns
    );
    heard.messages.iter().for_each(|message| eprintln!("    {message}"));
    for pair in heard.recording.writes.windows(2) {
        let gap = pair[1].0 - pair[0].0;
        if gap > Duration::from_millis(150) {
            let at = (pair[0].0 - heard.began).as_secs_f64();
            eprintln!("    gap at {at:.2} s: {gap:?}");
        }
    }
}
