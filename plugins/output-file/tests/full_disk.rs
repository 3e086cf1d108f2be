//! The output `file` on a full disk, on pipes and devices, and through symbolic links.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::{
    fs,
    io::{Read, Write, stderr},
    os::unix::fs::{FileTypeExt, symlink},
    path::Path,
    process::Command,
    thread,
};

use media_plugin_sdk::{AudioFormat, OpenRequest, Output, OutputPlugin, PluginError, Result, SampleType};
use output_file::File;
use tempfile::TempDir;

const CD: AudioFormat = AudioFormat { rate: 44_100, channels: 2 };
static SECOND: [f32; 88_200] = [0.5; 88_200];

fn open(path: &Path, options: &str) -> Result<Box<dyn Output>> {
    File.open(&OpenRequest { target: path.to_str().unwrap(), format: CD, sample: SampleType::S16, options })
}

/// Writes one second, or less if a write fails.
fn write_second(output: &mut dyn Output) -> Result<()> {
    let mut rest = &SECOND[..];
    while !rest.is_empty() {
        rest = &rest[2 * output.write(rest)?..];
    }
    Ok(())
}

/// File system of 256 KiB in memory. Unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> std::result::Result<Self, String> {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "media-node-test"]).arg(folder.path());
        let done = mount.output().map_err(|error| error.to_string())?;
        if done.status.success() {
            Ok(Self(folder))
        } else {
            Err(String::from_utf8_lossy(&done.stderr).trim().into())
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_leaves_no_file_and_keeps_the_one_before() {
    let disk = match SmallDisk::mount() {
        Ok(disk) => disk,
        Err(why) if std::env::var_os("MEDIA_NODE_TESTS").is_some() => panic!("no tmpfs: {why}"),
        // `eprintln!` would be captured in a passing test.
        Err(why) => return writeln!(stderr(), "skipped: cannot mount a tmpfs here: {why}").unwrap(),
    };
    let folder = disk.0.path();
    for name in ["out.wav", "out.raw"] {
        let path = folder.join(name);
        for (options, before) in [("", None), (r#"{"overwrite": true}"#, Some("an older recording"))] {
            before.iter().for_each(|before| fs::write(&path, before).unwrap());
            let mut output = open(&path, options).unwrap();
            write_second(output.as_mut()).unwrap();
            let error = write_second(output.as_mut()).unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, PluginError::Failed(_)), "{text}");
            let words = [name, "No space left on device", "; the unfinished file was removed"];
            assert!(words.iter().all(|word| text.contains(word)) && text.lines().count() == 1, "{text}");
            // Space that becomes free does not let a file with a gap appear.
            assert_eq!(output.write(&SECOND).unwrap_err(), error);
            assert_eq!(output.drain().unwrap_err(), error);
            drop(output);
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
            assert_eq!(fs::read_dir(folder).unwrap().count(), usize::from(before.is_some()), "{name}");
        }
        fs::remove_file(&path).unwrap();
    }

    // A link's target is written directly.
    let elsewhere = TempDir::new().unwrap();
    let link = elsewhere.path().join("link.wav");
    fs::write(folder.join("target"), "").unwrap();
    symlink(folder.join("target"), &link).unwrap();
    let mut output = open(&link, "").unwrap();
    write_second(output.as_mut()).unwrap();
    let text = write_second(output.as_mut()).unwrap_err().to_string();
    assert!(text.ends_with("; the unfinished file was emptied"), "{text}");
    drop(output);
    assert_eq!(fs::read(folder.join("target")).unwrap(), b"");
}

#[test]
fn devices_are_written_directly_and_stay() {
    let mut output = open(Path::new("/dev/null"), "").unwrap();
    write_second(output.as_mut()).unwrap();
    assert!(output.drain().unwrap());
    drop(output);

    let mut output = open(Path::new("/dev/full"), "").unwrap();
    let text = write_second(output.as_mut()).unwrap_err().to_string();
    assert_eq!(text, "writing /dev/full: No space left on device (os error 28)");
    drop(output);
    for device in ["/dev/null", "/dev/full"] {
        assert!(fs::metadata(device).unwrap().file_type().is_char_device());
        assert!(!Path::new(&format!("{device}.part")).exists());
    }

    // The header is the first write to fail.
    let room = TempDir::new().unwrap();
    let link = room.path().join("full.wav");
    symlink("/dev/full", &link).unwrap();
    let text = open(&link, "").err().unwrap().to_string();
    assert!(text.contains("full.wav: No space left on device"), "{text}");
}

#[test]
fn links_are_followed_and_stay_links() {
    let room = TempDir::new().unwrap();
    for (link, target) in [("a.wav", "music"), ("b", "samples")] {
        let (link, target) = (room.path().join(link), room.path().join(target));
        // A link without a target creates it.
        symlink(&target, &link).unwrap();
        let mut output = open(&link, "").unwrap();
        assert_eq!(output.write(&[0.5, -0.5]).unwrap(), 1);
        assert!(output.drain().unwrap());
        drop(output);
        assert!(link.is_symlink());
        assert!(fs::read(&target).unwrap().ends_with(&[0, 0x40, 0, 0xc0]));
        let error = open(&link, "").err().unwrap();
        assert!(matches!(error, PluginError::BadArgument(_)), "{error}");
    }
    // A link in place of the `.part` file is not followed.
    symlink(room.path().join("music"), room.path().join("c.wav.part")).unwrap();
    let error = open(&room.path().join("c.wav"), "").err().unwrap();
    assert!(error.to_string().contains("c.wav.part"), "{error}");
}

#[test]
fn a_named_pipe_gets_raw_samples_and_no_wav() {
    let room = TempDir::new().unwrap();
    for (name, is_raw) in [("pipe", true), ("pipe.raw", true), ("pipe.wav", false)] {
        let path = room.path().join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let reader = {
            let path = path.clone();
            thread::spawn(move || {
                let mut read = Vec::new();
                fs::File::open(path).unwrap().read_to_end(&mut read).map(|_| read).unwrap()
            })
        };
        match open(&path, "") {
            Ok(mut output) => {
                assert!(is_raw);
                assert_eq!(output.write(&[0.5, -0.5]).unwrap(), 1);
                assert!(output.drain().unwrap());
            }
            Err(error) => {
                let is_argument = matches!(error, PluginError::BadArgument(_));
                assert!(!is_raw && is_argument && error.to_string().contains("pipe.wav"), "{error}");
            }
        }
        let expected = if is_raw { &[0, 0x40, 0, 0xc0][..] } else { &[] };
        assert_eq!(reader.join().unwrap(), expected);
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    }
}
