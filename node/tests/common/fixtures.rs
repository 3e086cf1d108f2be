//! Sound files for tests, made from a synthesised signal by common encoders.
//!
//! Needs `ffmpeg`, `flac`, `lame`, `oggenc` and `opusenc` in the path; the error of a test names a missing
//! one. A test binary includes it with `#[path = "../common/fixtures.rs"] mod fixtures;`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]
#![allow(clippy::expect_used, clippy::panic, reason = "a fixture that cannot be made fails the test")]

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

/// A file format with its encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    WavU8,
    WavS16,
    WavS24,
    WavS32,
    WavF32,
    WavF64,
    AiffS16,
    AiffS24,
    FlacS16,
    FlacS24,
    AlacS16,
    AlacS24,
    /// 192 kbit/s by LAME, with its gapless tag.
    Mp3,
    /// Variable bitrate by LAME, with its gapless tag.
    Mp3Vbr,
    /// Variable bitrate by LAME without a tag: the file does not tell its length.
    Mp3Bare,
    /// The lowest bitrate: 32 kbit/s, or 8 kbit/s below 32 kHz. Frames use the bit reservoir most.
    Mp3Low,
    Vorbis,
    /// Vorbis in pages of 3 s, so that the last page is long.
    VorbisLongPages,
    /// 128 kbit/s by opusenc.
    Opus,
    /// 24 kbit/s by opusenc, in hybrid mode.
    OpusLow,
    /// 160 kbit/s in M4A by ffmpeg, without noise substitution, which is random.
    Aac,
    /// 64 kbit/s in M4A by ffmpeg with noise substitution.
    AacNoise,
    /// AAC packets without a container.
    Adts,
}

impl Kind {
    /// Kinds that decode to exactly the samples of [`stored`].
    pub const LOSSLESS: [Self; 11] = [
        Self::WavU8,
        Self::WavS16,
        Self::WavS24,
        Self::WavF32,
        Self::WavF64,
        Self::AiffS16,
        Self::AiffS24,
        Self::FlacS16,
        Self::FlacS24,
        Self::AlacS16,
        Self::AlacS24,
    ];

    /// Lossy kinds.
    pub const LOSSY: [Self; 11] = [
        Self::Mp3,
        Self::Mp3Vbr,
        Self::Mp3Bare,
        Self::Mp3Low,
        Self::Vorbis,
        Self::VorbisLongPages,
        Self::Opus,
        Self::OpusLow,
        Self::Aac,
        Self::AacNoise,
        Self::Adts,
    ];

    /// File name extension.
    pub fn extension(self) -> &'static str {
        match self {
            Self::WavU8 | Self::WavS16 | Self::WavS24 | Self::WavS32 | Self::WavF32 | Self::WavF64 => "wav",
            Self::AiffS16 | Self::AiffS24 => "aiff",
            Self::FlacS16 | Self::FlacS24 => "flac",
            Self::AlacS16 | Self::AlacS24 | Self::Aac | Self::AacNoise => "m4a",
            Self::Mp3 | Self::Mp3Vbr | Self::Mp3Bare | Self::Mp3Low => "mp3",
            Self::Vorbis | Self::VorbisLongPages => "ogg",
            Self::Opus | Self::OpusLow => "opus",
            Self::Adts => "aac",
        }
    }

    /// Bits of an integer sample; 0 if samples are not stored as integers.
    fn bits(self) -> u32 {
        match self {
            Self::WavU8 => 8,
            Self::WavS24 | Self::AiffS24 | Self::FlacS24 | Self::AlacS24 => 24,
            Self::WavS32 | Self::WavF32 | Self::WavF64 => 0,
            _ => 16,
        }
    }
}

/// A signal like music, interleaved, within ±0.8: chords that change twice a second, beats, a little noise,
/// and another phase in every channel. It is the same on every machine, in steps of 2^-23, which a 24-bit
/// integer and `f32` hold exactly.
pub fn music(rate: u32, channels: u16, seconds: f64) -> Vec<f32> {
    type Made = HashMap<(u32, u16, usize), Vec<f32>>;
    static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
    let frames = (f64::from(rate) * seconds).round() as usize;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry((rate, channels, frames)).or_insert_with(|| synthesise(rate, channels, frames)).clone()
}

fn synthesise(rate: u32, channels: u16, frames: usize) -> Vec<f32> {
    let mut noise = 1u32;
    let mut samples = Vec::with_capacity(frames * usize::from(channels));
    for frame in 0..frames {
        let time = frame as f64 / f64::from(rate);
        let beat = (time * 4.0).fract();
        let root = [110.0, 146.83, 164.81, 98.0][(time * 2.0) as usize % 4];
        for channel in 0..channels {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = f64::from(noise >> 8) / f64::from(1 << 24) - 0.5;
            let phase = f64::from(channel) * 0.7;
            let tone = |harmonic: f64, level: f64| {
                (std::f64::consts::TAU * root * harmonic * time + phase).sin() * level
            };
            let chord =
                tone(1.0, 0.2) + tone(2.5, 0.12) + tone(4.0, 0.1) + tone(9.0, 0.05) + tone(21.0, 0.02);
            let hit = white * 0.3 * (-beat * 30.0).exp();
            let sample = chord + hit + white * 0.002;
            samples.push(((sample * 8_388_608.0).round() / 8_388_608.0) as f32);
        }
    }
    samples
}

/// A sine of half the full scale in every channel.
pub fn tone(rate: u32, channels: u16, seconds: f64, hertz: f64) -> Vec<f32> {
    let frames = (f64::from(rate) * seconds).round() as usize;
    (0..frames)
        .flat_map(|frame| {
            let phase = (frame as f64 * hertz / f64::from(rate)).fract() * std::f64::consts::TAU;
            std::iter::repeat_n((phase.sin() * 0.5) as f32, usize::from(channels))
        })
        .collect()
}

/// Rounds samples to the sample type of a kind: the content of such a file.
pub fn stored(kind: Kind, samples: &[f32]) -> Vec<f32> {
    let Some(bits) = Some(kind.bits()).filter(|bits| *bits > 0) else { return samples.to_vec() };
    let scale = f64::from(1u32 << (bits - 1));
    samples.iter().map(|sample| (integer(*sample, bits) as f64 / scale) as f32).collect()
}

fn integer(sample: f32, bits: u32) -> i32 {
    let scale = f64::from(1u32 << (bits - 1));
    (f64::from(sample) * scale).round().clamp(-scale, scale - 1.0) as i32
}

/// Encodes interleaved samples into a new file in `dir` and returns its path.
pub fn encode(dir: &Path, kind: Kind, rate: u32, channels: u16, samples: &[f32]) -> PathBuf {
    let frames = samples.len() / usize::from(channels);
    let stem = format!("{kind:?}-{rate}-{channels}-{frames}");
    let path = dir.join(&stem).with_extension(kind.extension());
    let wav = dir.join(format!("{stem}.in.wav"));
    write_wav(&wav, kind.bits(), rate, channels, samples);
    let (wav_arg, out) = (wav.to_str().expect("UTF-8 path"), path.to_str().expect("UTF-8 path"));
    let ffmpeg = |arguments: &[&str]| {
        // ffmpeg would turn a single front left channel into stereo without the second channel count.
        let channels = channels.to_string();
        let input = ["-v", "error", "-y", "-i", wav_arg, "-ac", &channels];
        run("ffmpeg", &[&input, arguments, &["-bitexact", out]].concat());
    };
    match kind {
        Kind::WavU8 => ffmpeg(&["-c:a", "pcm_u8"]),
        Kind::WavS32 => ffmpeg(&["-c:a", "pcm_s32le"]),
        Kind::WavF64 => ffmpeg(&["-c:a", "pcm_f64le"]),
        Kind::WavS16 | Kind::WavS24 | Kind::WavF32 => {
            std::fs::copy(&wav, &path).expect("copying a WAV");
        }
        Kind::AiffS16 => ffmpeg(&["-c:a", "pcm_s16be"]),
        Kind::AiffS24 => ffmpeg(&["-c:a", "pcm_s24be"]),
        Kind::FlacS16 | Kind::FlacS24 => run("flac", &["--silent", "--force", "-o", out, wav_arg]),
        Kind::AlacS16 => ffmpeg(&["-c:a", "alac", "-sample_fmt", "s16p"]),
        Kind::AlacS24 => ffmpeg(&["-c:a", "alac", "-sample_fmt", "s32p"]),
        Kind::Mp3 => run("lame", &["--quiet", "-b", "192", wav_arg, out]),
        Kind::Mp3Vbr => run("lame", &["--quiet", "-V", "4", wav_arg, out]),
        Kind::Mp3Bare => run("lame", &["--quiet", "-V", "4", "-t", wav_arg, out]),
        Kind::Mp3Low => {
            let bitrate = if rate < 32_000 { "8" } else { "32" };
            run("lame", &["--quiet", "-b", bitrate, "--resample", &kilohertz(rate), wav_arg, out]);
        }
        Kind::Vorbis => run("oggenc", &["--quiet", "-q", "5", "-s", "1", "-o", out, wav_arg]),
        Kind::VorbisLongPages => {
            ffmpeg(&["-c:a", "libvorbis", "-q:a", "2", "-page_duration", "3000000", "-serial_offset", "1"]);
        }
        Kind::Opus => run("opusenc", &["--quiet", "--bitrate", "128", "--serial", "1", wav_arg, out]),
        Kind::OpusLow => run("opusenc", &["--quiet", "--bitrate", "24", "--serial", "1", wav_arg, out]),
        Kind::Aac => ffmpeg(&["-c:a", "aac", "-b:a", "160k", "-aac_pns", "0"]),
        Kind::AacNoise => ffmpeg(&["-c:a", "aac", "-b:a", "64k", "-aac_pns", "1"]),
        Kind::Adts => ffmpeg(&["-c:a", "aac", "-b:a", "160k", "-aac_pns", "0", "-f", "adts"]),
    }
    path
}

/// Decodes a file with ffmpeg at its own rate and channels. Opus is decoded with libopus, since ffmpeg's own
/// decoder differs a little.
pub fn ffmpeg_decode(path: &Path) -> Vec<f32> {
    let decoder: &[&str] =
        if path.extension().is_some_and(|ending| ending == "opus") { &["-c:a", "libopus"] } else { &[] };
    let path = path.to_str().expect("UTF-8 path");
    let bytes = output(
        "ffmpeg",
        &[&["-v", "error"], decoder, &["-i", path, "-f", "f32le", "-c:a", "pcm_f32le", "-"]].concat(),
    );
    bytes.chunks_exact(4).map(|sample| f32::from_le_bytes(sample.try_into().expect("four bytes"))).collect()
}

/// Signal-to-noise ratio of `sound` against `reference`, in dB; infinite if they are equal.
pub fn snr(reference: &[f32], sound: &[f32]) -> f64 {
    let power = |samples: &mut dyn Iterator<Item = f64>| samples.map(|sample| sample * sample).sum::<f64>();
    let signal = power(&mut reference.iter().map(|sample| f64::from(*sample)));
    let mut differences = reference.iter().zip(sound).map(|(a, b)| f64::from(*a) - f64::from(*b));
    10.0 * (signal / power(&mut differences)).log10()
}

fn write_wav(path: &Path, bits: u32, rate: u32, channels: u16, samples: &[f32]) {
    let (bits, format) = match bits {
        0 => (32, hound::SampleFormat::Float),
        // The encoders make 8 bits from 16.
        bits => (bits.max(16) as u16, hound::SampleFormat::Int),
    };
    let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: format };
    let mut wav = hound::WavWriter::create(path, spec).expect("creating a WAV");
    for sample in samples {
        match format {
            hound::SampleFormat::Float => wav.write_sample(*sample),
            hound::SampleFormat::Int => wav.write_sample(integer(*sample, bits.into())),
        }
        .expect("writing a WAV");
    }
    wav.finalize().expect("finishing a WAV");
}

fn kilohertz(rate: u32) -> String {
    format!("{}", f64::from(rate) / 1000.0)
}

fn run(tool: &str, arguments: &[&str]) {
    output(tool, arguments);
}

fn output(tool: &str, arguments: &[&str]) -> Vec<u8> {
    let done =
        Command::new(tool).args(arguments).stdin(Stdio::null()).output().unwrap_or_else(|error| {
            panic!("these tests need `{tool}`: {error}; install it and run them again")
        });
    let message = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{tool} {arguments:?} failed: {message}");
    done.stdout
}

/// Encodes `wav` into `path` with tags. The extension of `path` selects the format.
pub fn tag(wav: &Path, path: &Path, tags: &[(&str, &str)]) {
    let tags: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut arguments = vec!["-v", "error", "-y", "-i", wav.to_str().expect("UTF-8 path")];
    arguments.extend(tags.iter().flat_map(|tag| ["-metadata", tag]));
    arguments.push(path.to_str().expect("UTF-8 path"));
    run("ffmpeg", &arguments);
}
