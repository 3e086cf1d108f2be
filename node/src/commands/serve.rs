//! `serve`: serves files and folders to the holders of a ticket.

use std::{
    collections::HashSet,
    convert::Infallible,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::{block_in_place, spawn_blocking},
    time::{Instant, sleep, timeout_at},
};

use super::{
    Context,
    bound_server::BoundServer,
    library_watch::{follow, scan, warn_of_skipped},
    node_control::{NodeControl, open_socket},
    service_manager::ServiceManager,
    signals::{Signal, Signals},
    stats_writer::StatsWriter,
    stderr::{note, warn},
};
use crate::{
    access::AccessBook,
    control_socket::Call,
    exit::{Exit, ExitContext, ExitError},
    library::Catalog,
    machine_identity::node_lock,
    process_lock::{LockError, ProcessLock, ProcessRecord, Role},
};

/// Longest time for which `serve` waits for the first scan of the library before it prints the ticket. If the scan takes longer,
/// the node serves the tracks found so far.
const FIRST_SCAN_WAIT: Duration = Duration::from_millis(600);
/// Interval at which the node writes the bytes and times of its tickets' use. A node that is killed forgets at most this much.
const USAGE_INTERVAL: Duration = Duration::from_secs(10);

/// Serves the given paths, or those of the configuration if there are none, until a signal stops the process.
pub(super) async fn run(
    context: &Context,
    paths: Vec<PathBuf>,
    ticket_file: Option<&Path>,
) -> Result<(), ExitError> {
    let has_paths = !paths.is_empty();
    let paths = if has_paths { paths } else { context.config.library.paths.clone() };
    if paths.is_empty() {
        let message = "no folder to serve; name one, as in `media-node serve ~/Music`, or set library.paths";
        return Err(ExitError::new(Exit::Usage, message));
    }
    let mut signals = Signals::of_node();
    let key = context.key()?;
    let mut lock = lock_node(context)?;
    // Opens the control socket first, so that a command during the start waits for the node and changes it.
    let (_socket, mut calls) = open_socket(context, lock.as_mut()).unzip();
    let transports = context.transports()?;
    let first_scan_until = Instant::now() + FIRST_SCAN_WAIT;
    let library = &context.config.library;
    let (follow_links, index) = (library.follow_links, library.index.clone());
    let recalled = spawn_blocking(move || Catalog::recall(&paths, follow_links, index.as_deref())).await;
    let catalog = Arc::new(recalled.or_exit(Exit::Failed)?.or_exit(Exit::NotFound)?);
    let mut first_scan = scan(&catalog);
    let server =
        BoundServer::start(context, transports, &key, context.access_book()?, Arc::clone(&catalog)).await?;
    let scanned = timeout_at(first_scan_until, &mut first_scan).await.ok();
    let is_complete = scanned.is_some();
    let mut warned = HashSet::new();
    if let Some(scanned) = scanned {
        scanned.or_exit(Exit::Failed)?.or_exit(Exit::NotFound)?;
        warn_of_skipped(&catalog, &mut warned);
    }
    let process = lock.as_ref().map_or_else(|| ProcessRecord::new(Role::Serve), |lock| lock.record().clone());
    let (mut control, rescans) = NodeControl::new(context, &server, process, has_paths);
    let mut manager = ServiceManager::of_process();
    server.announce(&context.config.node.name, is_complete, ticket_file)?;
    let status = format!("serving as {}", context.config.node.name);
    manager.ready(&status);
    let mut follow = pin!(follow(catalog, (!is_complete).then_some(first_scan), rescans, warned));
    let mut serving = pin!(server.serve());
    let mut usage = pin!(write_usage(&server.access));
    let mut stats = StatsWriter::start(context, &server.server).await?;
    loop {
        tokio::select! {
            error = &mut serving => return Err(error),
            error = &mut follow => return Err(error),
            () = stats.write_when_due() => {}
            never = &mut usage => match never {},
            () = manager.answer_watchdog() => {}
            call = next_call(&mut calls) => control.answer(call),
            signal = signals.next() => match signal {
                Signal::Stop => break,
                // The result is printed; a wrong configuration does not end the node.
                Signal::Reload => {
                    manager.reloading();
                    drop(control.reload());
                    manager.ready(&status);
                }
            },
        }
    }
    note("stopping");
    manager.stopping();
    server.stop().await;
    stats.write();
    server.access.flush().or_exit(Exit::Failed)
}

/// Writes the use of tickets at an interval. A failed write is logged and repeated at the next.
async fn write_usage(access: &AccessBook) -> Infallible {
    loop {
        sleep(USAGE_INTERVAL).await;
        // The file is small; a slow disk blocks only this thread of the runtime.
        if let Err(error) = block_in_place(|| access.flush()) {
            tracing::warn!("{error}");
        }
    }
}

/// Takes the lock of the node's key. `None` with a warning if the system cannot lock its file.
fn lock_node(context: &Context) -> Result<Option<ProcessLock>, ExitError> {
    let key = &context.config.node.key;
    let path = node_lock(key);
    match ProcessLock::take_persistently(&path, Role::Serve) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Held(holder)) => {
            let holder = holder.map_or("another process".into(), |holder| format!("process {}", holder.pid));
            let message = format!(
                "{holder} serves with the key {} already: stop it (`media-node status` shows it), or give this node \
                 another key, as in --set node.key=FILE",
                key.display()
            );
            Err(ExitError::new(Exit::Failed, message))
        }
        Err(LockError::Io(error)) => {
            let path = path.display();
            warn(format_args!("cannot lock {path}: {error}; a second `serve` with this key is not noticed"));
            Ok(None)
        }
    }
}

/// Waits for a request of the control socket. Never returns without a socket. Cancel-safe.
async fn next_call(calls: &mut Option<mpsc::Receiver<Call>>) -> Call {
    if let Some(calls) = calls
        && let Some(call) = calls.recv().await
    {
        return call;
    }
    std::future::pending().await
}
