//! The Music Player Daemon with its own configuration, controlled over its protocol.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::stage;

pub(crate) struct Mpd {
    pub(crate) process: Child,
    port: u16,
    folder: TempDir,
}

impl Mpd {
    /// Starts mpd with one output. `output` is lines of its configuration, in which `FOLDER` stands for its
    /// own folder. `connect` may add to its environment.
    pub(crate) fn start(output: &str, connect: impl FnOnce(&mut Command)) -> Self {
        let folder = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let output = output.replace("FOLDER", &folder.path().display().to_string());
        let configuration = format!(
            "bind_to_address \"127.0.0.1\"\nport \"{port}\"\ninput {{\nplugin \"curl\"\n}}\n\
             audio_output {{\nname \"one\"\n{output}\n}}\n"
        );
        let file = folder.path().join("mpd.conf");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new("mpd");
        command.args(["--no-daemon", "--stderr"]).arg(&file).env("HOME", folder.path());
        connect(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mpd = Self { process: command.spawn().unwrap(), port, folder };
        for _ in 0..500 {
            if mpd.connect().is_ok() {
                return mpd;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("mpd does not answer on port {port}");
    }

    /// Path of a file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn connect(&self) -> std::io::Result<BufReader<TcpStream>> {
        TcpStream::connect(("127.0.0.1", self.port)).map(BufReader::new)
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn say(&self, command: &str) {
        let mut speech = self.connect().unwrap();
        answer(&mut speech);
        writeln!(speech.get_mut(), "{command}").unwrap();
        answer(&mut speech);
    }
}

fn answer(speech: &mut BufReader<TcpStream>) {
    let mut line = String::new();
    while !line.starts_with("OK") {
        line.clear();
        assert!(speech.read_line(&mut line).unwrap() > 0, "mpd is gone");
        assert!(!line.starts_with("ACK"), "mpd: {line}");
    }
}

impl Drop for Mpd {
    fn drop(&mut self) {
        stage::end(&mut self.process);
    }
}
