//! The configuration and the plugins that a command needs.

use std::{
    collections::BTreeSet,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use media_config::{Config, Flag, PluginKind, Sources};
use media_plugin_host::{Registry, SearchPath};
use media_plugin_sdk::{
    AudioFormat, Limits, OutputPlugin, PluginError, SampleType, SourceFormat,
    transport::{Admit, BindOptions, Endpoint, Transport, TransportError},
};
use media_protocol::Protocol;

use super::log::Log;
use crate::{
    access::{AccessBook, SystemClock},
    client::{OnLost, OutputChoice, OutputFormats},
    exit::{Exit, ExitContext, ExitError},
    identity::Secret,
    machine_identity::ProcessIdentity,
    plugins,
    ui::sanitize,
};

/// Id of the output for sound devices, which `auto` takes if there is a device.
const SOUND: &str = "cpal";
/// Id of the output without sound, which `auto` takes if there is no sound device.
const SILENT: &str = "null";

/// Configuration and plugins of a command.
pub(super) struct Context {
    /// Start of the command.
    pub(super) began: Instant,
    pub(super) config: Config,
    /// Path of the configuration file, which may not exist.
    pub(super) config_file: PathBuf,
    /// Sources of the configuration, to read it again.
    pub(super) sources: Sources,
    pub(super) log: Log,
    /// Folders with plugin libraries.
    pub(super) search_path: SearchPath,
    pub(super) registry: Arc<Registry>,
}

impl Context {
    /// Loads the configuration, starts the log and collects the plugins. With `libraries`, also loads plugin libraries, which
    /// runs their code.
    pub(super) fn load(file: Option<&Path>, flags: Vec<Flag>, libraries: bool) -> Result<Self, ExitError> {
        let context = Self::load_quietly(file, flags, libraries)?;
        for problem in context.registry.problems() {
            eprintln!("warning: {}", sanitize(&problem.to_string()));
        }
        let unknown = if libraries { context.unknown_plugins() } else { Vec::new() };
        for line in unknown {
            eprintln!("warning: {}", sanitize(&line));
        }
        Ok(context)
    }

    /// As [`Context::load`], without warnings of plugins.
    pub(super) fn load_quietly(
        file: Option<&Path>,
        flags: Vec<Flag>,
        libraries: bool,
    ) -> Result<Self, ExitError> {
        let began = Instant::now();
        let mut sources = Sources::from_process(file).or_exit(Exit::Usage)?;
        sources.flags = flags;
        let config = Config::load(&sources).or_exit(Exit::Usage)?;
        let log = Log::start(&config)?;
        let search_path = plugins::search_path(&config, &sources);
        let registry = if libraries { plugins::loaded(&config, &search_path) } else { plugins::registry() };
        let config_file = sources.file.clone();
        Ok(Self { began, config, config_file, sources, log, search_path, registry })
    }

    /// Runs the asynchronous part of a command on a new runtime.
    pub(super) fn block_on(
        &self,
        command: impl Future<Output = Result<(), ExitError>>,
    ) -> Result<(), ExitError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.context(Exit::Failed, "starting the runtime")?;
        let result = runtime.block_on(command);
        // A blocking thread that still reads the terminal or waits for a device must not delay the end of the process.
        runtime.shutdown_background();
        result
    }

    /// The transport with this id, or the first that `transport.use` names.
    pub(super) fn transport(&self, id: Option<&str>) -> Result<Arc<dyn Transport>, ExitError> {
        let first = self.config.transport.chosen.first();
        self.registry.transport(id.unwrap_or(first.as_str())).or_exit(Exit::Usage)
    }

    /// All transports that `transport.use` names, in its order.
    pub(super) fn transports(&self) -> Result<Vec<Arc<dyn Transport>>, ExitError> {
        self.config.transport.chosen.iter().map(|id| self.transport(Some(id.as_str()))).collect()
    }

    /// The key of this node, created on first use.
    pub(super) fn key(&self) -> Result<Secret, ExitError> {
        Secret::load_or_create(&self.config.node.key).or_exit(Exit::Failed)
    }

    /// The tickets and allowed identities of this node, made on first use, in a file beside the key.
    pub(super) fn access_book(&self) -> Result<Arc<AccessBook>, ExitError> {
        let beside_key = |ending: &str| {
            let mut file = self.config.node.key.clone();
            file.as_mut_os_string().push(ending);
            file
        };
        // The second file is that of version 0.1.
        let book =
            AccessBook::open(&beside_key(".access"), &beside_key(".capability"), Arc::new(SystemClock));
        book.map(Arc::new).or_exit(Exit::Failed)
    }

    /// The transport identity of this client, which no other running process of this machine has.
    pub(super) fn client_identity(&self) -> Result<ProcessIdentity, ExitError> {
        ProcessIdentity::of_client(&self.config.node.key, &self.key()?).or_exit(Exit::Failed)
    }

    /// Creates the local endpoint of a transport.
    pub(super) async fn bind(
        &self,
        transport: &dyn Transport,
        key: &Secret,
        admit: Admit,
    ) -> Result<Arc<dyn Endpoint>, ExitError> {
        let options = self.config.plugin_options(PluginKind::Transport, &transport.info().id);
        self.bind_with(transport, key, options, admit).await
    }

    /// As [`Context::bind`], with other options of the transport.
    pub(super) async fn bind_with(
        &self,
        transport: &dyn Transport,
        key: &Secret,
        options: String,
        admit: Admit,
    ) -> Result<Arc<dyn Endpoint>, ExitError> {
        let bind = BindOptions {
            secret_key: key.0,
            options,
            name: self.config.node.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            protocols: Protocol::ALL.iter().map(|protocol| protocol.name().into()).collect(),
            admit,
        };
        transport.bind(&bind).await.map_err(|error| {
            if let TransportError::BadArgument(_) = error {
                return self.option_error(PluginKind::Transport, &transport.info().id, &error);
            }
            ExitError::new(Exit::Failed, error)
        })
    }

    /// One line for each plugin that has options in the configuration and does not exist.
    pub(super) fn unknown_plugins(&self) -> Vec<String> {
        let mut unknown = Vec::new();
        for (kind, id, origin) in self.config.configured_plugins() {
            let known: BTreeSet<_> = match kind {
                PluginKind::Codec => self.registry.codecs().map(|codec| codec.info().id).collect(),
                PluginKind::Output => self.registry.outputs().map(|output| output.info().id).collect(),
                PluginKind::Transport => {
                    self.registry.transports().map(|transport| transport.info().id).collect()
                }
            };
            if !known.contains(id) {
                let known: Vec<_> = known.into_iter().collect();
                let kind = kind.as_str();
                unknown.push(format!("{origin}: there is no {kind} {id:?}; there are {}", known.join(", ")));
            }
        }
        unknown
    }

    /// Checks the options of every codec, with a proposal for CD audio. Without this check, the node would find a wrong option
    /// only when a client requests a track.
    pub(super) fn check_codec_options(&self) -> Result<(), ExitError> {
        let format = AudioFormat { rate: 44_100, channels: 2 };
        let source = SourceFormat { format, sample: SampleType::S16 };
        for codec in self.registry.codecs() {
            let id = codec.info().id;
            let options = self.config.plugin_options(PluginKind::Codec, &id);
            let choice = codec.propose(&source, &Limits::default(), &options);
            if let Err(error @ PluginError::BadArgument(_)) = choice {
                return Err(self.option_error(PluginKind::Codec, &id, &error));
            }
        }
        Ok(())
    }

    /// Checks the options of every plugin, also of those that the command does not use. A loaded output has no such check: it
    /// refuses wrong options when it is opened.
    pub(super) fn check_plugin_options(&self) -> Result<(), ExitError> {
        self.check_codec_options()?;
        for output in self.registry.outputs() {
            self.check_output_options(output.as_ref())?;
        }
        for transport in self.registry.transports() {
            let id = transport.info().id;
            let options = self.config.plugin_options(PluginKind::Transport, &id);
            let checked = transport.check_options(&options);
            checked.map_err(|error| self.option_error(PluginKind::Transport, &id, &error))?;
        }
        Ok(())
    }

    fn check_output_options(&self, output: &dyn OutputPlugin) -> Result<(), ExitError> {
        let id = output.info().id;
        let checked = output.check_options(&self.config.plugin_options(PluginKind::Output, &id));
        checked.map_err(|error| self.option_error(PluginKind::Output, &id, &error))
    }

    /// The error of a plugin that refuses its options, with the file and the line of the option.
    fn option_error(&self, kind: PluginKind, id: &str, error: &dyn std::error::Error) -> ExitError {
        ExitError::new(Exit::Usage, self.config.locate_option_error(kind, id, &error.to_string()))
    }

    /// The output that `output.use` names. `auto` means the default sound device. If there is none, returns the output without
    /// sound and a line that says so.
    pub(super) fn output(&self) -> Result<(OutputChoice, Option<String>), ExitError> {
        let chosen = self.config.output.chosen.as_str();
        if chosen != "auto" {
            let (id, target) = chosen.split_once(':').unwrap_or((chosen, ""));
            let mut choice = self.output_choice(id, target)?;
            choice.formats = OutputFormats::listed_by(&choice.plugin, target, &choice.options);
            return Ok((choice, None));
        }
        let Ok(plugin) = self.registry.output(SOUND) else {
            let line = "this build has no sound devices: playing silently (--output null)";
            return Ok((self.output_choice(SILENT, "")?, Some(line.into())));
        };
        match plugin.devices() {
            Ok(devices) if !devices.is_empty() => {
                let mut choice = self.output_choice(SOUND, "")?;
                choice.formats = OutputFormats::of(&devices, "", &choice.options);
                Ok((choice, None))
            }
            _ => {
                let line = "no sound device found: playing silently (--output null)";
                Ok((self.output_choice(SILENT, "")?, Some(line.into())))
            }
        }
    }

    fn output_choice(&self, id: &str, target: &str) -> Result<OutputChoice, ExitError> {
        let plugin = self.registry.output(id).or_exit(Exit::Output)?;
        self.check_output_options(plugin.as_ref())?;
        Ok(OutputChoice {
            plugin,
            target: target.into(),
            options: self.config.plugin_options(PluginKind::Output, id),
            on_lost: match self.config.playback.on_lost {
                media_config::OnLost::Follow => OnLost::Follow,
                media_config::OnLost::Wait => OnLost::Wait,
            },
            formats: OutputFormats::default(),
        })
    }
}
