//! Who may come in. The first stream of a connection carries the handshake; a peer of v0.5 has none and is admitted by its
//! identity alone.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use iroh::endpoint::{Connection, ConnectionError};
use media_plugin_sdk::transport::{Admit, Bind, Result, SendStream, TransportError};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    error, id52,
    incoming_stream::{self as opening, Fault, Opening},
    line_reader::{LineError, LineReader},
    stream::{Sender, read_ack},
    wire::{self, ClientHello, Header, ServerHello, code},
};

const FULL_RETRY_MS: u32 = TransportError::FULL_RETRY.as_millis() as u32;

/// What this node says of itself, and whom it lets in.
pub(crate) struct Greeting {
    name: String,
    version: String,
    protocols: Vec<Value>,
    admit: Admit,
    /// A permit for every peer that may be connected at once.
    room: Arc<Semaphore>,
}

/// A peer that came in: its place, and the stream it opened with when it is of v0.5.
pub(crate) struct Admitted {
    pub(crate) place: OwnedSemaphorePermit,
    pub(crate) first: Option<Opening>,
}

/// Why a peer does not come in: what QUIC tells it.
pub(crate) struct Refusal {
    pub(crate) code: u32,
    pub(crate) reason: String,
}

impl Refusal {
    fn protocol(reason: &str) -> Self {
        Self { code: code::PROTOCOL, reason: reason.to_owned() }
    }

    fn gone() -> Self {
        Self::protocol("the handshake was broken off")
    }

    fn refused(reason: String) -> Self {
        Self { code: code::REFUSED, reason }
    }
}

impl Greeting {
    pub(crate) fn new(bind: &Bind, max_peers: usize) -> Self {
        Self {
            name: bind.name.clone(),
            version: bind.version.clone(),
            protocols: bind.protocols.iter().cloned().map(Value::String).collect(),
            admit: bind.admit.clone(),
            room: Arc::new(Semaphore::new(max_peers)),
        }
    }

    /// The dialled side. Not bounded in time.
    pub(crate) async fn receive(&self, connection: &Connection) -> std::result::Result<Admitted, Refusal> {
        let (send, recv) = connection.accept_bi().await.map_err(|_| Refusal::gone())?;
        let (mut send, mut reader) = (Sender::new(send), LineReader::new(recv));
        match opening::read_header(&mut reader).await {
            Ok(Header::Handshake) => self.answer(connection, send, reader).await,
            Ok(header) => {
                let place = self.decide(connection, None).map_err(Refusal::refused)?;
                Ok(Admitted { place, first: Some(Opening { send, reader, header: Some(header) }) })
            }
            Err(Fault::BeforeAck(why)) => {
                opening::refuse(&mut send, why).await;
                send.delivered().await;
                Err(Refusal::protocol(why))
            }
            Err(_) => Err(Refusal::gone()),
        }
    }

    async fn answer(
        &self,
        connection: &Connection,
        mut send: Sender,
        mut reader: LineReader,
    ) -> std::result::Result<Admitted, Refusal> {
        send.write(Bytes::from_static(wire::ACK_LINE)).await.map_err(|_| Refusal::gone())?;
        let hello = reader.line().await.map_err(|e| Refusal::protocol(bad_hello(&e)))?;
        // The parser's message would quote the line, which holds the token.
        let hello: ClientHello =
            serde_json::from_str(&hello).map_err(|_| Refusal::protocol("bad_handshake"))?;
        let decided = self
            .decide(connection, hello.auth_token.as_deref())
            .and_then(|place| Ok((place, self.accepted(&hello)?)));
        let reply = match &decided {
            Ok((_, accepted)) => ServerHello::Success {
                server_name: self.name.clone(),
                server_version: self.version.clone(),
                accepted_protocols: accepted.clone(),
            },
            Err(code) => ServerHello::Failure {
                code: code.clone(),
                retry_after_ms: (code == TransportError::FULL).then_some(FULL_RETRY_MS),
            },
        };
        let mut line = serde_json::to_vec(&reply).map_err(|_| Refusal::protocol("internal_error"))?;
        line.push(b'\n');
        send.write(line.into()).await.map_err(|_| Refusal::gone())?;
        let _ = send.finish();
        if decided.is_err() {
            // A close would overtake the line.
            send.delivered().await;
        }
        decided.map(|(place, _)| Admitted { place, first: None }).map_err(Refusal::refused)
    }

    fn decide(
        &self,
        connection: &Connection,
        token: Option<&str>,
    ) -> std::result::Result<OwnedSemaphorePermit, String> {
        (self.admit)(&id52::encode(&connection.remote_id()), token)?;
        self.room.clone().try_acquire_owned().map_err(|_| TransportError::FULL.to_owned())
    }

    /// What both sides speak. A side that names nothing is not held to it.
    fn accepted(&self, hello: &ClientHello) -> std::result::Result<Vec<Value>, String> {
        let asked = &hello.supported_protocols;
        let both: Vec<Value> = asked.iter().filter(|one| self.protocols.contains(one)).cloned().collect();
        if both.is_empty() && !asked.is_empty() && !self.protocols.is_empty() {
            return Err("no_common_protocols".into());
        }
        Ok(both)
    }

    /// The dialling side: one round trip. Not bounded in time.
    pub(crate) async fn send(&self, connection: &Connection, token: Option<&str>) -> Result<()> {
        match self.exchange(connection, token).await {
            // The close may overtake the line.
            Err(e) => Err(refused(connection).unwrap_or(e)),
            Ok(ServerHello::Failure { code, retry_after_ms }) => {
                let after = retry_after_ms.map(|it| Duration::from_millis(it.into()));
                Err(TransportError::refused(error::printable(&code), after))
            }
            Ok(ServerHello::Success { .. }) => Ok(()),
        }
    }

    async fn exchange(&self, connection: &Connection, token: Option<&str>) -> Result<ServerHello> {
        let (send, recv) = connection.open_bi().await.map_err(|e| error::lost(&e))?;
        let (mut send, mut reader) = (Sender::new(send), LineReader::new(recv));
        let hello = ClientHello {
            client_name: self.name.clone(),
            client_version: self.version.clone(),
            supported_protocols: self.protocols.clone(),
            auth_token: token.map(str::to_owned),
        };
        send.write(hello.lines()?.into()).await?;
        read_ack(&mut reader).await?;
        let line = reader.line().await.map_err(|e| error::line(&e, "the node's handshake"))?;
        let reply = serde_json::from_str(&line)
            .map_err(|_| TransportError::Protocol("the node's handshake is not understood".into()))?;
        let _ = send.finish();
        Ok(reply)
    }
}

fn bad_hello(error: &LineError) -> &'static str {
    match error {
        LineError::Bad(bad) => opening::name(*bad),
        LineError::Ended | LineError::Read(_) => "the handshake was broken off",
    }
}

fn refused(connection: &Connection) -> Option<TransportError> {
    match connection.close_reason()? {
        ConnectionError::ApplicationClosed(close) if close.error_code == code::REFUSED.into() => {
            let code = error::printable(&String::from_utf8_lossy(&close.reason));
            Some(TransportError::refused(code, None))
        }
        _ => None,
    }
}
