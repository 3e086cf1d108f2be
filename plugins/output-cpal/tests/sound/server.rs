use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// Time after which a test is taken to hang.
pub(crate) const HANGS: Duration = Duration::from_secs(60);

/// Lock that lets only one test play in real time.
static TURN: Mutex<()> = Mutex::new(());

/// PulseAudio server of a test, with one null sink named "kitchen". Killed when dropped.
pub(crate) struct Server {
    room: TempDir,
    process: Child,
    _turn: MutexGuard<'static, ()>,
}

impl Server {
    /// Starts the server and waits until it is ready.
    pub(crate) fn start() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let room = TempDir::new().unwrap();
        let (socket, cookie) = (room.path().join("native"), room.path().join("cookie"));
        let mut process = Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--log-level=info"])
            .arg("-L")
            .arg(format!(
                "module-native-protocol-unix socket={} auth-cookie={} auth-anonymous=1",
                socket.display(),
                cookie.display()
            ))
            // Without norewinds the sink changes frames that the monitor has already recorded.
            .arg("-L")
            .arg("module-null-sink sink_name=kitchen norewinds=1 rate=48000 format=float32le channels=2")
            .env("XDG_RUNTIME_DIR", room.path())
            .env("HOME", room.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests need pulseaudio (Debian: apt install pulseaudio pulseaudio-utils)");
        let log = BufReader::new(process.stderr.take().unwrap());
        let (ready, waits) = mpsc::channel();
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = ready.send(line);
            }
        });
        let server = Self { room, process, _turn: turn };
        let mut said = Vec::new();
        while !said.last().is_some_and(|line: &String| line.contains("startup complete")) {
            said.push(
                waits.recv_timeout(HANGS).unwrap_or_else(|_| panic!("pulseaudio did not start: {said:#?}")),
            );
        }
        server
    }

    /// Kills the server, as in a crash.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Connects a program to this server and to no other sound system.
    pub(crate) fn connect<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("PULSE_SERVER", format!("unix:{}", self.room.path().join("native").display()))
            // The server refuses a client without any cookie, even with auth-anonymous.
            .env("PULSE_COOKIE", self.room.path().join("cookie"))
            .env("XDG_RUNTIME_DIR", self.room.path())
            .env("ALSA_CONFIG_PATH", "/dev/null")
    }

    pub(crate) fn path(&self) -> &Path {
        self.room.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Recorder of a sink's monitor, in stereo at 48 kHz. Killed when dropped.
pub(crate) struct Recorder {
    process: Child,
    bytes: Receiver<Vec<u8>>,
    heard: Vec<u8>,
}

impl Recorder {
    /// Starts recording the sink "kitchen" and waits for the first frames.
    pub(crate) fn start(server: &Server) -> Self {
        Self::of(server, "kitchen")
    }

    /// As [`Recorder::start`], for another sink.
    pub(crate) fn of(server: &Server, sink: &str) -> Self {
        let mut command = Command::new("pacat");
        command.args(["--record", &format!("--device={sink}.monitor"), "--format=float32le"]);
        command.args(["--rate=48000", "--channels=2", "--latency-msec=20"]);
        let mut process = server
            .connect(&mut command)
            .stdout(Stdio::piped())
            .spawn()
            .expect("these tests need pacat (Debian: apt install pulseaudio-utils)");
        let mut pipe: ChildStdout = process.stdout.take().unwrap();
        let (tell, bytes) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(read @ 1..) = pipe.read(&mut buffer) {
                let _ = tell.send(buffer[..read].to_vec());
            }
        });
        let mut recorder = Self { process, bytes, heard: Vec::new() };
        recorder.hear();
        recorder
    }

    fn hear(&mut self) {
        self.heard.extend(self.bytes.recv_timeout(HANGS).expect("the recorder hears something"));
    }

    /// Records until `frames` more frames that are not silent have come.
    #[allow(dead_code, reason = "made for the program's tests")]
    pub(crate) fn sounds(&mut self, frames: usize) {
        self.heard.extend(self.bytes.try_iter().flatten());
        let sounding = |bytes: &[u8]| bytes.chunks_exact(8).filter(|it| **it != [0; 8]).count();
        let until = sounding(&self.heard) + frames;
        while sounding(&self.heard) < until {
            self.hear();
        }
    }

    /// Records until the last `frames` frames are silent.
    pub(crate) fn is_silent_for(&mut self, frames: usize) {
        self.heard.extend(self.bytes.try_iter().flatten());
        let until = self.heard.len() + frames * 8;
        while self.heard.len() < until
            || self.heard[self.heard.len() - frames * 8..].iter().any(|&byte| byte != 0)
        {
            self.hear();
        }
    }

    /// Records until the sink disappears. Returns all frames.
    #[allow(dead_code, reason = "made for the program's tests")]
    pub(crate) fn lost(mut self) -> Vec<[f32; 2]> {
        loop {
            match self.bytes.recv_timeout(HANGS) {
                Ok(bytes) => self.heard.extend(bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the sink still exists"),
            }
        }
        self.heard.chunks_exact(8).map(frame).collect()
    }

    /// Records until half a second of silence. Returns the frames from the first to the last that is not silent.
    pub(crate) fn finish(mut self) -> Vec<[f32; 2]> {
        self.is_silent_for(24_000);
        let frames: Vec<_> = self.heard.chunks_exact(8).map(frame).collect();
        let is_sound = |frame: &[f32; 2]| *frame != [0.0; 2];
        let Some(first) = frames.iter().position(is_sound) else { return Vec::new() };
        let last = frames.iter().rposition(is_sound).unwrap();
        frames[first..=last].to_vec()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn frame(bytes: &[u8]) -> [f32; 2] {
    [0, 4].map(|at| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()))
}
