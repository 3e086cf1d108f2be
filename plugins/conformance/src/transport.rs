//! Conformance suite of transports. A transport's tests run it with [`transport_suite`](crate::transport_suite).

pub mod connections;
pub mod streams;

use std::{
    error::Error,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use media_plugin_sdk::transport::{
    Admission, Admit, BindOptions, Connection, Endpoint, RecvStream, Stream, Transport, TransportError,
};

/// Result of a check; an error fails the test.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Time after which a check counts as hanging.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Makes one test for each check. `$subject` is an expression of type [`Subject`].
#[macro_export]
macro_rules! transport_suite {
    ($subject:expr) => {
        $crate::transport_suite!(@tests $subject;
            connections: shakes_hands_and_answers, refuses_with_the_code, reports_a_missing_peer,
            closes_both_ends, closes_with_the_node, connects_again_after_a_close, ends_with_its_last_handle,
            names_an_unknown_option, derives_its_identity_from_the_key;
            streams: runs_many_at_once, delivers_fifty_megabytes, opens_from_either_side, finishes, aborts,
            stops_the_sender, holds_the_sender_back, bounds_what_opens_a_stream, accepts_after_a_cancelled_accept);
    };
    (@tests $subject:expr; $($module:ident: $($check:ident),+);+) => {
        $($(
            #[tokio::test(flavor = "multi_thread")]
            async fn $check() -> $crate::transport::Outcome {
                let check = $crate::transport::$module::$check($subject);
                tokio::time::timeout($crate::transport::LIMIT, check).await?
            }
        )+)+
    };
}

/// Transport under test.
pub struct Subject {
    transport: Box<dyn Transport>,
    options: String,
}

/// Two connected nodes.
pub struct Pair {
    /// The endpoint that was dialled.
    pub server: Arc<dyn Endpoint>,
    /// The endpoint that dialled.
    pub client: Arc<dyn Endpoint>,
    /// The server's end.
    pub there: Arc<dyn Connection>,
    /// The client's end.
    pub here: Arc<dyn Connection>,
}

impl Subject {
    /// Makes a subject of a transport and its options. The options must keep it on this machine, and let a dial fail within
    /// about a second.
    #[must_use]
    pub fn new(transport: impl Transport + 'static, options: &str) -> Self {
        Self { transport: Box::new(transport), options: options.to_owned() }
    }

    /// Binds an endpoint with a new key.
    ///
    /// # Errors
    /// As [`Transport::bind`].
    pub async fn bind(&self, admit: Admit) -> Result<Arc<dyn Endpoint>, TransportError> {
        self.transport.bind(&self.settings(fresh_key(), admit)).await
    }

    fn settings(&self, secret_key: [u8; 32], admit: Admit) -> BindOptions {
        BindOptions {
            secret_key,
            options: self.options.clone(),
            name: "conformance".into(),
            version: "1".into(),
            protocols: vec!["test.echo".into()],
            admit,
        }
    }

    /// Binds and connects two nodes.
    ///
    /// # Errors
    /// The transport's error.
    pub async fn pair(&self) -> Result<Pair, Box<dyn Error + Send + Sync>> {
        let server = self.bind(admit_all()).await?;
        let client = self.bind(media_plugin_sdk::transport::refuse_all()).await?;
        let address = server.address();
        let (here, there) = tokio::join!(client.connect(&address, None), server.accept());
        let (here, there) = (here?, there.ok_or("the server was closed")?);
        Ok(Pair { server, client, there, here })
    }
}

/// Admits every peer.
#[must_use]
pub fn admit_all() -> Admit {
    Arc::new(|_, _| Ok(Admission::default()))
}

fn fresh_key() -> [u8; 32] {
    let mut key = [0; 32];
    for (index, part) in key.chunks_exact_mut(8).enumerate() {
        part.copy_from_slice(&RandomState::new().hash_one(index).to_le_bytes());
    }
    key
}

/// Bytes that do not repeat, so that a check notices lost or swapped pieces.
fn pattern(length: usize, seed: u64) -> Bytes {
    let mut state = seed | 1;
    let mut bytes = BytesMut::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes.freeze()
}

/// Reads until the peer finishes.
async fn read_all(recv: &mut dyn RecvStream) -> Result<Bytes, TransportError> {
    let mut all = BytesMut::new();
    while let Some(piece) = recv.recv(64 * 1024).await? {
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// Sends all received bytes back.
async fn echo(mut stream: Stream) -> Result<(), TransportError> {
    while let Some(piece) = stream.recv.recv(64 * 1024).await? {
        stream.send.send(piece).await?;
    }
    stream.send.finish()
}

/// Opens a stream, sends a body and reads the answer.
async fn ask(
    connection: &dyn Connection,
    protocol: &str,
    data: &str,
    body: Bytes,
) -> Result<Bytes, TransportError> {
    let mut stream = connection.open(protocol, data).await?;
    stream.send.send(body).await?;
    stream.send.finish()?;
    read_all(stream.recv.as_mut()).await
}
