//! The listeners' processes, as the measuring process sees them.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::process::{Cost, cpu};

/// Environment variable that marks a process of listeners.
pub(crate) const LISTENERS: &str = "CROWD_LISTENERS";
/// Listeners that connect per second.
const PER_SECOND: usize = 40;

/// Results of the listeners of one process since the command `mark`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Heard {
    pub(crate) listeners: usize,
    pub(crate) failed: usize,
    pub(crate) underruns: u64,
    /// Total silence, in seconds.
    pub(crate) underrun_time: f64,
    /// Total playing time, in seconds.
    pub(crate) played: f64,
    pub(crate) bytes: u64,
    pub(crate) retries: u64,
    /// 99th percentile of the time from a probe's request to the last byte of its chunk, in milliseconds.
    pub(crate) chunk_p99: f64,
}

pub(crate) struct Crowd(Vec<Process>);

struct Process {
    child: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

impl Crowd {
    /// Starts processes without listeners.
    pub(crate) fn start(processes: usize) -> Self {
        Self((0..processes).map(Process::start).collect())
    }

    /// Sends a command to all processes, and waits for them.
    pub(crate) fn tell(&mut self, line: &str) {
        self.0.iter_mut().for_each(|it| it.say(line));
        self.0.iter_mut().for_each(|it| assert_eq!(it.answer(), "ok", "{line}"));
    }

    /// Sends a command to one process, and waits for it.
    pub(crate) fn first(&mut self, line: &str) {
        self.0[0].say(line);
        assert_eq!(self.0[0].answer(), "ok", "{line}");
    }

    /// Adds `many` listeners, one after another, shared among the processes. Returns when all are connected.
    pub(crate) fn spread(&mut self, line: &str, many: usize) {
        let (processes, millis) = (self.0.len(), many * 1000 / PER_SECOND);
        for (index, process) in self.0.iter_mut().enumerate() {
            let share = many / processes + usize::from(index < many % processes);
            process.say(&format!("{line} {share} {millis}"));
        }
        self.0.iter_mut().for_each(|it| assert_eq!(it.answer(), "ok", "{line}"));
    }

    /// Results of all listeners since the `mark`.
    pub(crate) fn report(&mut self) -> Heard {
        self.0.iter_mut().for_each(|it| it.say("report"));
        self.0.iter_mut().map(|it| serde_json::from_str(&it.answer()).unwrap()).fold(Heard::default(), sum)
    }

    /// Cost of `server` and of the listeners' processes in the same time.
    pub(crate) fn cost_beside(&self, server: u32, wait: Duration) -> (Cost, Cost) {
        let all = || self.0.iter().map(|it| cpu(it.child.id())).sum::<Duration>();
        let (began, before) = (Instant::now(), all());
        let cost = Cost::during(server, wait);
        (cost, Cost { cpu: all() - before, wall: began.elapsed() })
    }
}

fn sum(all: Heard, one: Heard) -> Heard {
    Heard {
        listeners: all.listeners + one.listeners,
        failed: all.failed + one.failed,
        underruns: all.underruns + one.underruns,
        underrun_time: all.underrun_time + one.underrun_time,
        played: all.played + one.played,
        bytes: all.bytes + one.bytes,
        retries: all.retries + one.retries,
        chunk_p99: all.chunk_p99.max(one.chunk_p99),
    }
}

impl Process {
    fn start(index: usize) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg("ulimit -n $(ulimit -Hn); exec \"$0\"").arg(std::env::current_exe().unwrap());
        command.env(LISTENERS, index.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, to, from }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.to, "{line}").unwrap();
    }

    fn answer(&mut self) -> String {
        self.from.next().expect("the listeners' process has ended").unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
