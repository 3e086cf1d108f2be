//! Results of earlier runs of a benchmark on this machine: `target/NAME/history.jsonl`, a line of JSON for
//! every run.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::Command,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::table::{self, Row};

/// Unit of counts that do not depend on the machine's load.
pub(crate) const COUNTED: &str = "instructions";
/// Ratio from which a count is reported as worse.
const COUNTED_WORSE: f64 = 1.02;
/// Ratio from which another figure is reported as worse: well above the noise of a busy machine.
const WORSE: f64 = 1.15;
/// Number of runs whose median a run is compared with. A slow drift does not show against the last run.
const RUNS: usize = 5;

/// One run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Seconds since 1970.
    at: u64,
    commit: String,
    machine: Machine,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Machine {
    cores: usize,
    cpu: String,
    /// Whether this is a release build.
    #[serde(default)]
    is_release: bool,
}

impl Machine {
    fn this() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cpu = model.map_or(std::env::consts::ARCH, |(_, name)| name).to_owned();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self { cores, cpu, is_release: !cfg!(debug_assertions) }
    }
}

fn folder(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target")).join(name)
}

fn commit() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let text = git.ok().filter(|it| it.status.success()).map(|it| it.stdout).unwrap_or_default();
    match String::from_utf8_lossy(&text).trim() {
        "" => "unknown".into(),
        known => known.into(),
    }
}

/// Writes `rows` to `latest.json` and to the end of the history. Prints each row that is worse than in the
/// last run, or than the median of the last [`RUNS`]. Returns whether one of those is [`COUNTED`].
pub(crate) fn keep(name: &str, rows: &[Row]) -> std::io::Result<bool> {
    let folder = folder(name);
    fs::create_dir_all(&folder)?;
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let run = Run { at, commit: commit(), machine: Machine::this(), rows: rows.to_vec() };
    let file = folder.join("history.jsonl");
    let before = fs::read_to_string(&file).unwrap_or_default();
    let before: Vec<Run> = before.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let is_worse = compare(&run, &before);
    fs::write(folder.join("latest.json"), serde_json::to_string_pretty(&run)?)?;
    let mut history = fs::OpenOptions::new().create(true).append(true).open(&file)?;
    writeln!(history, "{}", serde_json::to_string(&run)?)?;
    eprintln!("kept in {}", folder.display());
    Ok(is_worse)
}

/// Prints the rows that are worse. Returns whether one of those is [`COUNTED`].
fn compare(run: &Run, before: &[Run]) -> bool {
    let mut is_worse = false;
    for row in &run.rows {
        let is_counted = row.unit == COUNTED;
        let worse = if is_counted { COUNTED_WORSE } else { WORSE };
        let Some(is) = value(row) else { continue };
        let known = before.iter().rev().filter(|it| it.machine == run.machine).filter_map(|it| {
            let same = it.rows.iter().find(|it| it.what == row.what && it.against == row.against)?;
            Some((it.commit.as_str(), value(same)?))
        });
        let (commits, known): (Vec<_>, Vec<_>) = known.take(RUNS).unzip();
        let (Some(commit), Some(last)) = (commits.first(), known.first()) else { continue };
        let median = format!("the median of {} runs", known.len());
        let than = [(format!("at {commit}"), *last), (median, table::median(&known))];
        // A single run is its own median.
        for (than, was) in than.into_iter().take(known.len()) {
            // A speed gets worse by falling.
            let grown = if row.unit.ends_with("/s") { was / is } else { is / was };
            if grown > worse {
                eprintln!("worse than {than}: {}: {was:.3}, now {is:.3}", row.what);
                is_worse |= is_counted;
            }
        }
    }
    is_worse
}

/// Figure of a row that is comparable on a noisy machine: the ratio, if there is one.
fn value(row: &Row) -> Option<f64> {
    row.ratio().or(row.ours)
}
