use std::{fs, io::Seek, path::Path};

use media_plugin_sdk::{
    DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin, OutputRegistration, PluginError, Result,
    inventory,
};

use crate::{
    file_target::FileTarget,
    options::{self, FileOptions},
    output::{Destination, WriterOutput},
    samples::SampleFormat,
};

inventory::submit! { OutputRegistration(|| Box::new(File)) }

/// The output `file`: a WAV file if the path ends in `.wav` or `.wave`, raw interleaved little-endian samples if it ends in
/// `.raw` or `.pcm`. A pipe, a device or a symbolic link may have no ending, and gets raw samples.
#[derive(Debug, Clone, Copy, Default)]
pub struct File;

impl OutputPlugin for File {
    fn info(&self) -> OutputInfo {
        OutputInfo {
            id: "file".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "writes a WAV file (.wav, .wave) or raw samples (.raw, .pcm)".into(),
            target: "a path".into(),
        }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        Ok(Vec::new())
    }

    fn check_options(&self, options: &str) -> Result<()> {
        options::parse::<FileOptions>("file", options).map(drop)
    }

    fn open(&self, open: &OpenRequest<'_>) -> Result<Box<dyn Output>> {
        let options: FileOptions = options::parse("file", open.options)?;
        if open.target.is_empty() {
            return Err(PluginError::BadArgument("output file needs a path: use \"file:PATH\"".into()));
        }
        let path = Path::new(open.target);
        let content = Content::of(path)?;
        let mut target = FileTarget::open(path, options.overwrite)?;
        if content == Content::Wav && target.file.stream_position().is_err() {
            return Err(PluginError::BadArgument(format!(
                "cannot write WAV to the pipe {}: a WAV header needs a file; use a pipe named .raw or .pcm",
                open.target
            )));
        }
        let destination = match content {
            Content::Wav => Destination::Wav(target),
            Content::Raw => Destination::Raw(target),
        };
        let sample = options.format.unwrap_or(SampleFormat::matching(open.sample));
        Ok(Box::new(WriterOutput::new(destination, open.target.into(), open.format, sample)?))
    }
}

/// Content of a file, by the ending of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Wav,
    Raw,
}

impl Content {
    /// # Errors
    /// `BadArgument`, with the endings that exist, for any other ending, and for no ending unless `path` is a pipe, a device
    /// or a link.
    fn of(path: &Path) -> Result<Self> {
        let existing = fs::symlink_metadata(path).ok();
        if existing.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(PluginError::BadArgument(format!(
                "cannot write {}: it is a folder; add the name of a file",
                path.display()
            )));
        }
        let is_special = existing.is_some_and(|metadata| !metadata.is_file());
        match path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).as_deref() {
            Some("wav" | "wave") => Ok(Self::Wav),
            Some("raw" | "pcm") => Ok(Self::Raw),
            None if is_special => Ok(Self::Raw),
            _ => Err(PluginError::BadArgument(format!(
                "file output: cannot write {}: endings are .wav, .wave, .raw, .pcm (the last two are interleaved \
                 little-endian samples without a header)",
                path.display()
            ))),
        }
    }
}
