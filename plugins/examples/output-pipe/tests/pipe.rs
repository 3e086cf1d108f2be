//! The output with real commands: the audio that they get, and commands that end early, hang or do not exist.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use media_plugin_conformance::{
    output::check,
    signal::{coloured_noise, white_noise},
};
use media_plugin_sdk::{
    AudioFormat, OpenRequest, Output, OutputPlugin, PluginError, SampleType, SourceFormat,
};
use output_pipe::Pipe;
use tempfile::TempDir;

const STEREO: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };
/// Time after which a test is taken to hang.
const TIMEOUT: Duration = Duration::from_secs(60);

fn options(command: &[&str], more: &str) -> String {
    format!("{{\"command\": {command:?}{more}}}")
}

fn open(options: &str) -> OpenRequest<'_> {
    OpenRequest { target: "", format: STEREO, sample: SampleType::S16, options }
}

fn started(command: &[&str]) -> Box<dyn Output> {
    Pipe.open(&open(&options(command, ""))).unwrap()
}

/// Output to a shell script, in which `$0` is `file`.
fn shell(script: &str, file: &Path) -> Box<dyn Output> {
    started(&["sh", "-c", script, file.to_str().unwrap()])
}

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    (folder, file)
}

/// Repeats an attempt until it gives a value.
fn until<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < end, "the attempt never succeeds");
        std::thread::yield_now();
    }
}

/// Writes until the output has taken all frames.
fn play(output: &mut dyn Output, mut frames: &[f32]) -> Result<(), PluginError> {
    let channels = usize::from(output.format().channels);
    until(|| {
        match output.write(frames) {
            Ok(taken) => frames = &frames[taken * channels..],
            Err(error) => return Some(Err(error)),
        }
        frames.is_empty().then_some(Ok(()))
    })
}

fn drain(output: &mut dyn Output) -> Result<(), PluginError> {
    until(|| match output.drain() {
        Ok(done) => done.then_some(Ok(())),
        Err(error) => Some(Err(error)),
    })
}

/// Writes until the pipe and the queue are full, so that a write takes nothing.
fn fill(output: &mut dyn Output) {
    let second = white_noise(STEREO, 48_000);
    until(|| (output.write(&second).unwrap() == 0).then_some(()));
}

/// Process id that the script wrote into the file.
fn process_id(file: &Path) -> String {
    until(|| fs::read_to_string(file).ok().filter(|it| it.ends_with('\n'))).trim().into()
}

/// True if the process exists, maybe as a zombie.
fn exists(process_id: &str) -> bool {
    Command::new("kill").args(["-0", process_id]).output().unwrap().status.success()
}

#[test]
fn keeps_to_the_suite() {
    for more in ["", ", \"format\": \"s24le\"", ", \"format\": \"f32le\"", ", \"format\": \"wav\""] {
        check(|| Box::new(Pipe), &open(&options(&["cat"], more))).unwrap();
    }
    check(|| Box::new(Pipe), &OpenRequest { target: "cat -", ..open("") }).unwrap();
}

#[test]
fn the_command_gets_every_sample_and_drain_waits_for_its_end() {
    for (sample, ffmpeg) in [(SampleType::S16, "s16le"), (SampleType::S24, "s24le")] {
        let source = SourceFormat { format: STEREO, sample };
        let track = coloured_noise(&source, 100_001);
        let (_folder, raw) = file();
        let (raw, wav) = (raw.to_str().unwrap(), raw.with_extension("wav"));
        // Raw samples; a WAV header that ffmpeg reads; and the format in ffmpeg's arguments.
        let read = ["-v", "error", "-y", "-i", "-", "-f", ffmpeg, wav.to_str().unwrap()];
        let format = ["-v", "error", "-y", "-f", "{format}", "-ar", "{rate}", "-ac", "{channels}"];
        for (command, more, to) in [
            (vec!["tee", raw], "", Path::new(raw)),
            ([&["ffmpeg"], &read[..]].concat(), ", \"format\": \"wav\"", &wav),
            ([&["ffmpeg"], &format[..], &read[3..]].concat(), "", &wav),
        ] {
            let options = options(&command, more);
            let mut output = Pipe.open(&OpenRequest { sample, ..open(&options) }).unwrap();
            play(output.as_mut(), &track).unwrap();
            drain(output.as_mut()).unwrap();
            assert_eq!(output.delay(), 0);
            let bytes = fs::read(to).unwrap();
            let width = bytes.len() / track.len();
            assert_eq!((width, bytes.len() % track.len()), (if ffmpeg == "s16le" { 2 } else { 3 }, 0));
            let scale = (1_u32 << (8 * width - 1)) as f32;
            let wrong = bytes.chunks_exact(width).zip(&track).position(|(bytes, sample)| {
                let mut whole = [0; 4];
                whole[4 - width..].copy_from_slice(bytes);
                (i32::from_le_bytes(whole) >> (32 - 8 * width)) as f32 / scale != *sample
            });
            assert_eq!(wrong, None, "{command:?}");
        }
    }
}

#[test]
fn no_command_is_one_line_with_what_to_do() {
    let not_run = tempfile::NamedTempFile::new().unwrap();
    for (program, words) in [
        (
            "no-such-program-anywhere",
            ["no command \"no-such-program-anywhere\"", "install it", "[output.pipe]"],
        ),
        (not_run.path().to_str().unwrap(), ["cannot be executed", "is it a program?", "output pipe"]),
    ] {
        let error = Pipe.open(&open(&options(&[program], ""))).err().unwrap();
        let PluginError::BadArgument(text) = error else { panic!("{error}") };
        assert!(words.iter().all(|it| text.contains(it)) && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn a_command_that_ends_early_says_why() {
    let second = white_noise(STEREO, 480_000);
    for (script, words) in [
        (
            "echo one >&2; echo 'no such device' >&2; exit 3",
            ["exit status: 3", "last words: \"no such device\""],
        ),
        ("head -c 1000 >/dev/null", ["exit status: 0", "before the audio did"]),
        ("kill -9 $$", ["signal: 9", "before the audio did"]),
        ("exec <&-; sleep 1000", ["closed its standard input", "before the audio ended"]),
    ] {
        let mut output = started(&["sh", "-c", script]);
        let start = Instant::now();
        let error = play(output.as_mut(), &second).unwrap_err();
        // A command that closes its input without ending gets a second to end.
        assert!(
            !script.contains("<&-") || start.elapsed() >= Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        let PluginError::Failed(text) = error else { panic!("{error}") };
        let all = words.iter().chain(&["the command \"sh\"", "[output.pipe]"]).all(|it| text.contains(it));
        assert!(all && text.lines().count() == 1, "{text}");
    }
    let mut output = started(&["sh", "-c", "cat >/dev/null; echo 'disk full' >&2; exit 4"]);
    play(output.as_mut(), &white_noise(STEREO, 4_800)).unwrap();
    let error = drain(output.as_mut()).unwrap_err().to_string();
    assert!(error.contains("failed (exit status: 4)") && error.contains("disk full"), "{error}");
}

#[test]
fn a_command_that_does_not_read_holds_up_nobody_and_is_ended() {
    for script in [
        "echo $$ >\"$0\"; exec sleep 1000",
        // A command with a child process, and one that ignores SIGTERM.
        "echo $$ >\"$0\"; sleep 1000; true",
        "trap '' TERM; echo $$ >\"$0\"; while :; do sleep 1; done",
    ] {
        let (_folder, file) = file();
        let mut output = shell(script, &file);
        fill(output.as_mut());
        let held = output.delay();
        // The queue holds a tenth of a second, and the writing thread as much again.
        assert!((4_800..=9_600).contains(&held), "{held}");
        assert!(!output.drain().unwrap());
        output.flush().unwrap();
        assert!(output.delay() <= held - 4_800, "{} of {held}", output.delay());
        let process_id = process_id(&file);
        assert!(exists(&process_id));
        let start = Instant::now();
        drop(output);
        // SIGTERM comes 50 ms after the end of the input, SIGKILL 450 ms later.
        let least = if script.contains("trap") { 500 } else { 50 };
        assert!(start.elapsed() >= Duration::from_millis(least), "{script}: {:?}", start.elapsed());
        assert!(!exists(&process_id), "{script}");
    }
}

#[test]
fn what_is_kept_while_paused_goes_on_or_is_thrown_away() {
    let (_folder, file) = file();
    let mut output = started(&["tee", file.to_str().unwrap()]);
    let source = SourceFormat { format: STEREO, sample: SampleType::S16 };
    let track = coloured_noise(&source, 4_800);
    play(output.as_mut(), &track[..2_000]).unwrap();
    until(|| (output.delay() == 0).then_some(()));
    output.pause(true).unwrap();
    assert_eq!(output.write(&track).unwrap(), 0);
    output.flush().unwrap();
    output.pause(false).unwrap();
    play(output.as_mut(), &track[2_000..]).unwrap();
    drain(output.as_mut()).unwrap();
    assert_eq!(fs::read(file).unwrap().len(), track.len() * 2);
}

#[test]
fn frames_behind_a_drain_start_the_command_anew() {
    let (_folder, file) = file();
    let mut output = shell("cat >>\"$0\"; printf END >>\"$0\"", &file);
    for _ in 0..2 {
        play(output.as_mut(), &[0.0; 8]).unwrap();
        assert!(output.drain().is_ok());
    }
    drain(output.as_mut()).unwrap();
    let one = [&[0; 16][..], b"END"].concat();
    assert_eq!(fs::read(file).unwrap(), one.repeat(2));
}
