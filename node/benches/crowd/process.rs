//! Resources of a process, from `/proc`.

use std::{
    fs,
    time::{Duration, Instant},
};

/// Totals since the start of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// Its proportional share of memory (PSS), in kB.
    pub(crate) memory: f64,
}

impl Usage {
    pub(crate) fn of(process: u32) -> Self {
        Self { cpu: cpu(process), memory: memory(process) }
    }
}

/// CPU time within an interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

impl Cost {
    pub(crate) fn during(process: u32, wait: Duration) -> Self {
        let (began, before) = (Instant::now(), cpu(process));
        std::thread::sleep(wait);
        Self { cpu: cpu(process) - before, wall: began.elapsed() }
    }
}

/// utime and stime of proc_pid_stat(5), in ticks of 10 ms.
pub(crate) fn cpu(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The second field is a name in parentheses, which may contain any character.
    let after = stat.rsplit(')').next().unwrap();
    let ticks: u64 = after.split_whitespace().skip(11).take(2).map(|it| it.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn memory(process: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    pss.trim().trim_end_matches("kB").trim().parse().unwrap()
}
