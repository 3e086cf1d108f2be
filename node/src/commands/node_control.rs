//! Requests to a node that serves: of its control socket, and of SIGHUP.

use media_config::Config;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    task::block_in_place,
};

use super::{
    Context,
    bound_server::BoundServer,
    library_watch::Rescans,
    status::{EndpointStatus, NodeStatus},
    stderr::{note, warn},
};
use crate::{
    access::AccessRequest,
    control_socket::{Call, ControlSocket, Reply, open_folder, socket_name},
    exit::{Exit, ExitContext, ExitError},
    process_lock::{ProcessLock, ProcessRecord, Role},
};

/// Sections and keys that a running node takes over.
const RELOADABLE: [&str; 3] = ["library.", "access.", "log.level"];

/// Keys that differ after the configuration was read again.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReloadReport {
    /// Keys whose new value is in effect.
    pub(super) reloaded: Vec<String>,
    /// Keys whose new value waits for the next start.
    pub(super) restart: Vec<String>,
}

impl ReloadReport {
    /// The changes between two configurations. The lists of the library are those of the command line if `has_paths`.
    fn between(old: &Config, new: &Config, has_paths: bool) -> Self {
        let values = |config: &Config| -> std::collections::BTreeMap<_, _> {
            config.entries().into_iter().map(|entry| (entry.key, entry.value)).collect()
        };
        let (old, new) = (values(old), values(new));
        let mut report = Self::default();
        let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys.into_iter().filter(|key| old.get(*key) != new.get(*key)) {
            let is_reloadable = RELOADABLE.iter().any(|prefix| key.starts_with(prefix));
            let is_overridden = has_paths && key == "library.paths";
            let keys =
                if is_reloadable && !is_overridden { &mut report.reloaded } else { &mut report.restart };
            keys.push(key.clone());
        }
        report
    }

    /// Lines for a person; those about a restart begin with `warning: `.
    pub(super) fn lines(&self) -> Vec<String> {
        let reloaded = match self.reloaded.as_slice() {
            [] => "configuration reloaded: no change to take over".into(),
            keys => format!("configuration reloaded: {}", keys.join(", ")),
        };
        let restart = self.restart.iter().map(|key| {
            format!("warning: {key} has changed too; it takes effect when the node is started again")
        });
        [reloaded].into_iter().chain(restart).collect()
    }
}

/// The state of a node that requests can see and change.
pub(super) struct NodeControl<'a> {
    context: &'a Context,
    server: &'a BoundServer,
    process: ProcessRecord,
    /// The configuration that is in effect.
    applied: Config,
    /// True if the command line names the paths to serve.
    has_paths: bool,
    rescans: watch::Sender<Rescans>,
}

impl<'a> NodeControl<'a> {
    /// A node that serves the paths of its configuration, or of its command line if `has_paths`. The receiver tells the
    /// rescans of the library when to run.
    pub(super) fn new(
        context: &'a Context,
        server: &'a BoundServer,
        process: ProcessRecord,
        has_paths: bool,
    ) -> (Self, watch::Receiver<Rescans>) {
        let applied = context.config.clone();
        let (sender, rescans) =
            watch::channel(Rescans { interval: applied.library.rescan.get(), changes: 0 });
        (Self { context, server, process, applied, has_paths, rescans: sender }, rescans)
    }

    /// Answers a request of the control socket.
    pub(super) fn answer(&mut self, Call { request, reply }: Call) {
        let answer = match request.request.as_str() {
            "status" => serde_json::to_value(self.status()).map_or_else(Reply::failed, Reply::Ok),
            "reload" => match self.reload() {
                Ok(report) => serde_json::to_value(report).map_or_else(Reply::failed, Reply::Ok),
                Err(error) => Reply::Error { code: error.exit as u8, message: error.message },
            },
            "asking" => {
                serde_json::to_value(self.server.asking.devices()).map_or_else(Reply::failed, Reply::Ok)
            }
            "access" => self.answer_access(request.data),
            other => Reply::failed(format!("this node does not know the request {other:.40?}")),
        };
        // An error means that the command did not wait.
        let _ = reply.send(answer);
    }

    /// Answers a request about tickets and allowed identities, which the owner makes on this machine.
    fn answer_access(&self, data: Value) -> Reply {
        let request: AccessRequest = match serde_json::from_value(data) {
            Ok(request) => request,
            Err(_) => return Reply::failed("this node does not know this request about tickets"),
        };
        let allowed = match &request {
            AccessRequest::Create(new) => new.identity.clone(),
            _ => None,
        };
        // The file is small; a slow disk blocks only this thread of the runtime.
        let answer = block_in_place(|| self.server.access.handle(request, &self.server.routes()));
        match answer {
            Ok(answer) => {
                allowed.iter().for_each(|id| self.server.asking.remove(id));
                serde_json::to_value(answer).map_or_else(Reply::failed, Reply::Ok)
            }
            Err(error) => Reply::Error { code: Exit::Usage as u8, message: error.to_string() },
        }
    }

    /// Reads the configuration again, takes over the keys that a running node can change, and prints the result. On an
    /// error, all stays as it was.
    pub(super) fn reload(&mut self) -> Result<ReloadReport, ExitError> {
        let reloaded = self.try_reload();
        match &reloaded {
            Ok(report) => report.lines().iter().for_each(note),
            Err(error) => warn(format_args!("the configuration was not reloaded: {}", error.message)),
        }
        reloaded
    }

    fn try_reload(&mut self) -> Result<ReloadReport, ExitError> {
        let new = Config::load(&self.context.sources).or_exit(Exit::Usage)?;
        let report = ReloadReport::between(&self.applied, &new, self.has_paths);
        let is_changed = |prefix: &str| report.reloaded.iter().any(|key| key.starts_with(prefix));
        if is_changed("library.") {
            self.reload_library(&new)?;
        }
        if is_changed("access.") {
            self.server.set_access(&new);
            self.applied.access = new.access.clone();
        }
        if is_changed("log.level") {
            self.context.log.set_level(&new).context(Exit::Failed, "changing the level of the log")?;
            self.applied.log = new.log.clone();
        }
        Ok(report)
    }

    fn reload_library(&mut self, new: &Config) -> Result<(), ExitError> {
        let (old, new) = (&self.applied.library, &new.library);
        let mut rescans = *self.rescans.borrow();
        if !self.has_paths
            && (&old.paths, old.follow_links, &old.index) != (&new.paths, new.follow_links, &new.index)
        {
            if new.paths.is_empty() {
                return Err(ExitError::new(
                    Exit::Usage,
                    "library.paths is empty: the node keeps its folders",
                ));
            }
            let catalog = self.server.server.catalog();
            catalog
                .set_folders(&new.paths, new.follow_links, new.index.as_deref())
                .or_exit(Exit::NotFound)?;
            rescans.changes += 1;
        }
        rescans.interval = new.rescan.get();
        self.rescans.send_replace(rescans);
        let paths = self.applied.library.paths.clone();
        self.applied.library = new.clone();
        if self.has_paths {
            self.applied.library.paths = paths;
        }
        Ok(())
    }

    fn status(&self) -> NodeStatus {
        let server = &self.server.server;
        let endpoints = self.server.addresses().map(|(transport, address)| EndpointStatus {
            transport: transport.into(),
            id: address.id,
            addresses: address.addresses,
        });
        NodeStatus {
            process: self.process.clone(),
            name: self.context.config.node.name.clone(),
            endpoints: endpoints.collect(),
            tracks: server.catalog().len(),
            connections: server.connections(),
            stats: serde_json::to_value(server.stats()).unwrap_or_default(),
        }
    }
}

/// Opens the control socket of a node and notes it in the node's lock. A failure is a warning: the node serves without it.
pub(super) fn open_socket(
    context: &Context,
    lock: Option<&mut ProcessLock>,
) -> Option<(ControlSocket, mpsc::Receiver<Call>)> {
    let key = &context.config.node.key;
    let opened = open_folder(key).and_then(|folder| {
        let path = folder.join(socket_name(Role::Serve.as_str(), key));
        let opened = ControlSocket::bind(&path)
            .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        if let Some(lock) = lock {
            lock.note_socket(&path)?;
        }
        Ok(opened)
    });
    opened
        .inspect_err(|error| {
            warn(format_args!("no control socket, so `media-node status` cannot ask this node: {error}"));
        })
        .ok()
}
