//! Requests to one node: the session that decides them, the tasks that carry them out, and the link they use.

mod backoff;
mod bounded_track;
mod chunk_download;
mod connection_pool;
mod exchange;
mod node_link;
mod path_history;
mod path_watch;
mod report;
mod request_task;
mod retry_jitter;
mod session;
mod session_events;
mod traffic;

pub(super) use chunk_download::ChunkDownload;
pub use connection_pool::{ConnectionPool, NodeAddress};
pub(super) use exchange::info;
pub use exchange::list;
pub use node_link::NodeLink;
pub use path_history::PathChange;
pub use report::FetchError;
pub(super) use session::{FetchSession, Inbox};
