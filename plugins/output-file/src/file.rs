use std::{fs, io::ErrorKind, path::Path};

use media_plugin_sdk::{
    DeviceInfo, Open, Output, OutputInfo, OutputPlugin, OutputRegistration, PluginError, Result, inventory,
};

use crate::{
    options::{self, FileOptions, Stored},
    output::{Sink, Store},
};

inventory::submit! { OutputRegistration(|| Box::new(File)) }

/// The output `file`: WAV when the path ends in `.wav`, else raw interleaved little-endian samples.
#[derive(Debug, Clone, Copy, Default)]
pub struct File;

impl OutputPlugin for File {
    fn info(&self) -> OutputInfo {
        OutputInfo {
            id: "file".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "stores a WAV file, or raw samples for any other extension".into(),
            target: "a path".into(),
        }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        Ok(Vec::new())
    }

    fn open(&self, open: &Open<'_>) -> Result<Box<dyn Output>> {
        let options: FileOptions = options::parse("file", open.options)?;
        if open.target.is_empty() {
            return Err(PluginError::BadArgument("output file needs a path: write \"file:PATH\"".into()));
        }
        let path = Path::new(open.target);
        let file = create(path, options.overwrite)?;
        let is_wav = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav"));
        let sink = if is_wav { Sink::Wav(file) } else { Sink::Raw(Box::new(file)) };
        let stored = options.format.unwrap_or(Stored::matching(open.sample));
        Ok(Box::new(Store::new(sink, open.target.into(), open.format, stored)?))
    }
}

/// Makes the file, or opens what holds nothing that could be lost: an empty file, a pipe, a device.
fn create(path: &Path, overwrite: bool) -> Result<fs::File> {
    let mut how = fs::OpenOptions::new();
    how.write(true);
    match how.create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => return made.map_err(|error| failure(path, &error)),
    }
    let is_full = fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0);
    if is_full && !overwrite {
        return Err(PluginError::BadArgument(format!(
            "{} exists already: name another file, delete it, or set overwrite = true in [output.file]",
            path.display()
        )));
    }
    how.create_new(false).truncate(true).open(path).map_err(|error| failure(path, &error))
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
