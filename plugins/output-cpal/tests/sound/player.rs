//! Player process. Its environment variables choose the sound system, so each scene needs a process of its own.

use std::{
    env, fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use media_plugin_sdk::{AudioFormat, OpenRequest, Output, OutputPlugin, SampleType};
use output_cpal::Cpal;

const FORMAT: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };

/// 24-bit noise without a silent sample, 48 kHz stereo.
pub(crate) fn noise(frames: usize, seed: u32) -> Vec<[f32; 2]> {
    let mut state = seed;
    let mut sample = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as i32 - (1 << 23)) as f32 / 8_388_608.0
    };
    (0..frames).map(|_| [sample(), sample()].map(|x| if x == 0.0 { 0.5 } else { x })).collect()
}

/// Process that plays a scene and writes its report to a file. Killed when dropped.
pub(crate) struct Player(pub(crate) Child);

impl Player {
    pub(crate) fn command(scene: &str, target: &str, report: &Path) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "player", "--ignored", "--nocapture"]);
        command.env("PLAYER_SCENE", scene).env("PLAYER_TARGET", target).env("PLAYER_REPORT", report);
        command.stdin(Stdio::null());
        command
    }

    /// Waits for the process to end successfully.
    pub(crate) fn finish(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays the scene that the environment variables name.
pub(crate) fn run() {
    let [scene, target, report] =
        ["SCENE", "TARGET", "REPORT"].map(|name| env::var(format!("PLAYER_{name}")).unwrap());
    let said = match scene.as_str() {
        "devices" => format!("{:?}", Cpal.devices().unwrap()),
        "error" => open(&target, 100).err().map_or(String::new(), |error| format!("{error:?}")),
        "again" => again(),
        "play" => play(&target),
        "pause" => pause(&target),
        "flush" => flush(&target),
        "lose" => lose(&target),
        "lock" => lock(&Mutex::new(1)),
        "send" => send(&mpsc::channel().0),
        "allocate" => allocate(2),
        "sleep" => sleep(),
        other => panic!("no scene {other}"),
    };
    fs::write(report, said).unwrap();
}

fn open(target: &str, buffer_ms: u32) -> media_plugin_sdk::Result<Box<dyn Output>> {
    let options = format!(r#"{{"buffer_ms": {buffer_ms}}}"#);
    Cpal.open(&OpenRequest { target, format: FORMAT, sample: SampleType::S24, options: &options })
}

/// Counts the threads and open files that twenty openings of each kind leave behind.
fn again() -> String {
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let counts = [1, 20].map(|times| {
        for _ in 0..times {
            Cpal.devices().unwrap();
            assert!(open("bathroom", 100).is_err());
            write(open("kitchen", 100).unwrap().as_mut(), &noise(100, 6));
        }
        count("task") + count("fd")
    });
    counts[1].saturating_sub(counts[0]).to_string()
}

fn write(output: &mut dyn Output, frames: &[[f32; 2]]) {
    let mut rest = frames.as_flattened();
    while !rest.is_empty() {
        rest = &rest[output.write(rest).unwrap() * 2..];
    }
}

fn drain(output: &mut dyn Output) {
    while !output.drain().unwrap() {}
    assert_eq!(output.delay(), 0);
}

fn play(target: &str) -> String {
    let mut output = open(target, 1_000).unwrap();
    assert_eq!((output.format(), output.is_realtime()), (FORMAT, true));
    write(output.as_mut(), &noise(96_000, 1));
    assert!(output.delay() > 0);
    drain(output.as_mut());
    String::new()
}

/// Plays with a pause that is long enough for the device to be suspended.
fn pause(target: &str) -> String {
    let mut output = open(target, 200).unwrap();
    let sound = noise(96_000, 2);
    write(output.as_mut(), &sound[..48_000]);
    output.pause(true).unwrap();
    assert_eq!(output.write(&[0.5; 2]).unwrap(), 0);
    thread::sleep(Duration::from_millis(1_500));
    let delay = output.delay();
    assert!(delay > 0);
    output.pause(false).unwrap();
    write(output.as_mut(), &sound[48_000..]);
    drain(output.as_mut());
    delay.to_string()
}

fn flush(target: &str) -> String {
    let mut output = open(target, 200).unwrap();
    write(output.as_mut(), &noise(48_000, 3));
    output.flush().unwrap();
    assert_eq!(output.delay(), 0);
    write(output.as_mut(), &noise(48_000, 4));
    drain(output.as_mut());
    String::new()
}

/// Plays until the device is lost.
fn lose(target: &str) -> String {
    let mut output = open(target, 100).unwrap();
    write(output.as_mut(), &noise(24_000, 5));
    println!("playing");
    let error = loop {
        if let Err(error) = output.write(&[0.5; 960]) {
            break error;
        }
    };
    let all =
        [output.write(&[0.5; 2]).map(|_| ()), output.pause(true), output.flush(), output.drain().map(|_| ())];
    assert!(all.into_iter().all(|result| result.as_ref() == Err(&error)));
    drop(output);
    format!("{error:?}")
}

// Each of these functions does one thing that a sound callback must not do.

fn lock(number: &Mutex<u32>) -> String {
    *number.lock().unwrap() += 1;
    String::new()
}

fn send(sender: &mpsc::Sender<u32>) -> String {
    let _ = sender.send(1);
    String::new()
}

fn allocate(size: usize) -> String {
    drop(std::hint::black_box(vec![1_u8; size]));
    String::new()
}

fn sleep() -> String {
    thread::sleep(Duration::from_nanos(1));
    String::new()
}
