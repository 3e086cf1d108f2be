//! The running process's side: accepts connections of its own user, and passes their requests on.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    lines::next_line,
    message::{Call, Reply, Request},
};
use crate::files::accept_problem;

/// Connections at once; more wait for a place. A command uses one. Tested by `silent_connections_end_after_5_s`.
const MAX_CONNECTIONS: usize = 16;
/// Requests that wait for the process, over all connections.
const MAX_CALLS: usize = 16;
/// Time for a request to arrive, and for a reply to be read. Tested by `silent_connections_end_after_5_s`.
const LINE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the process to answer. Tested by `a_process_that_does_not_answer_is_reported_after_30_s`.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after an error of `accept`, for example when the process has no file descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// The socket of this process. Removed when dropped.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    accepting: JoinHandle<()>,
}

impl ControlSocket {
    /// Listens at `path`, which only this user can use. A socket that a dead process left there is replaced. Requests
    /// come out of the receiver, in no fixed order between connections. Needs a Tokio runtime.
    ///
    /// # Errors
    /// `AddrInUse` if another process listens there, and errors of the system.
    pub fn bind(path: &Path) -> io::Result<(Self, mpsc::Receiver<Call>)> {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            // Nobody listens: a dead process left the socket.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        // The folder keeps other users out until this is done.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let (sender, calls) = mpsc::channel(MAX_CALLS);
        let accepting = tokio::spawn(accept(listener, sender));
        Ok((Self { path: path.into(), accepting }, calls))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = fs::remove_file(&self.path);
    }
}

async fn accept(listener: UnixListener, calls: mpsc::Sender<Call>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed. Without a place, further connections wait in the system's queue.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("the control socket takes no connection: {}", accept_problem(&error));
                sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        match stream.peer_cred() {
            Ok(peer) if is_owner(peer.uid()) => {
                tokio::spawn(converse(stream, calls.clone(), slot));
            }
            Ok(peer) => tracing::warn!(user = peer.uid(), "the control socket refused another user"),
            Err(error) => tracing::warn!("the control socket cannot tell a connection's user: {error}"),
        }
    }
}

/// Returns whether a user may control this process: its own user, and root, who can do so anyway.
fn is_owner(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

/// Answers the requests of a connection, one at a time, until it ends, is silent, or breaks a bound.
async fn converse(stream: UnixStream, calls: mpsc::Sender<Call>, _slot: OwnedSemaphorePermit) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let (reply, is_last) = match timeout(LINE_TIMEOUT, next_line(&mut reader)).await {
            Ok(Ok(Some(line))) => (answer(&line, &calls).await, false),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => (Reply::failed(error), true),
            Ok(Ok(None) | Err(_)) | Err(_) => return,
        };
        let written = timeout(LINE_TIMEOUT, writer.write_all(&reply.encode())).await;
        if is_last || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

async fn answer(line: &[u8], calls: &mpsc::Sender<Call>) -> Reply {
    let request = match Request::decode(line) {
        Ok(request) => request,
        Err(reason) => return Reply::failed(reason),
    };
    let (reply, replied) = oneshot::channel();
    let asked = async {
        calls.send(Call { request, reply }).await.ok()?;
        replied.await.ok()
    };
    match timeout(ANSWER_TIMEOUT, asked).await {
        Ok(Some(reply)) => reply,
        Ok(None) => Reply::failed("the process is stopping"),
        Err(_) => Reply::failed(format!("the process did not answer within {} s", ANSWER_TIMEOUT.as_secs())),
    }
}
