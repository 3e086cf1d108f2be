use std::{fs, io::ErrorKind, path::Path};

use media_plugin_sdk::{
    DeviceInfo, Open, Output, OutputInfo, OutputPlugin, OutputRegistration, PluginError, Result, inventory,
};

use crate::{
    options::{self, FileOptions},
    output::{Destination, WriterOutput},
    samples::SampleFormat,
};

inventory::submit! { OutputRegistration(|| Box::new(File)) }

/// The output `file`: a WAV file if the path ends in `.wav`, else raw interleaved little-endian samples.
#[derive(Debug, Clone, Copy, Default)]
pub struct File;

impl OutputPlugin for File {
    fn info(&self) -> OutputInfo {
        OutputInfo {
            id: "file".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "writes a WAV file, or raw samples for any other extension than .wav".into(),
            target: "a path".into(),
        }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        Ok(Vec::new())
    }

    fn open(&self, open: &Open<'_>) -> Result<Box<dyn Output>> {
        let options: FileOptions = options::parse("file", open.options)?;
        if open.target.is_empty() {
            return Err(PluginError::BadArgument("output file needs a path: use \"file:PATH\"".into()));
        }
        let path = Path::new(open.target);
        let file = create(path, options.overwrite)?;
        let is_wav = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav"));
        let destination = if is_wav { Destination::Wav(file) } else { Destination::Raw(Box::new(file)) };
        let sample = options.format.unwrap_or(SampleFormat::matching(open.sample));
        Ok(Box::new(WriterOutput::new(destination, open.target.into(), open.format, sample)?))
    }
}

/// Creates the file. Opens an existing one if it has no content to lose, as an empty file, a pipe or a device, or if
/// `overwrite` is set.
fn create(path: &Path, overwrite: bool) -> Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    match options.create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        outcome => return outcome.map_err(|error| failure(path, &error)),
    }
    let has_content = fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0);
    if has_content && !overwrite {
        return Err(PluginError::BadArgument(format!(
            "{} already exists: choose another name, delete the file, or set overwrite = true in [output.file]",
            path.display()
        )));
    }
    options.create_new(false).truncate(true).open(path).map_err(|error| failure(path, &error))
}

fn failure(path: &Path, error: &std::io::Error) -> PluginError {
    let message = format!("creating {}: {error}", path.display());
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::PermissionDenied => {
            PluginError::BadArgument(message)
        }
        _ => PluginError::Failed(message),
    }
}
