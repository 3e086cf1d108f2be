//! Handshake of a connection and admission of its peer.
//!
//! The first stream of a connection carries the handshake. A peer of fastn v0.5 sends none; its identity
//! alone decides about its admission.

use std::{any::Any, sync::Arc, time::Duration};

use bytes::Bytes;
use iroh::endpoint::{Connection, ConnectionError};
use media_plugin_sdk::transport::{
    Admission, Admit, BindOptions, Refusal, Result, SendStream, TransportError, Welcome,
};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    error, id52,
    incoming_stream::{self, IncomingStream, OpeningError},
    line_reader::{LineError, LineReader},
    stream::{Sender, read_ack},
    wire::{self, ClientHello, Header, ServerHello, code},
};

/// Retry delay sent with the code `server_full`, in ms.
const FULL_RETRY_MS: u32 = TransportError::FULL_RETRY.as_millis() as u32;

/// Close reason if the peer ends the connection or the stream during the handshake.
const INCOMPLETE: &str = "the handshake was not completed";

/// This node's part of every handshake: its name, version and protocols, and its admission rule.
pub(crate) struct Handshake {
    name: String,
    version: String,
    protocols: Vec<Value>,
    admit: Admit,
    /// One permit per peer that may be connected at once.
    peer_slots: Arc<Semaphore>,
}

/// Result of a successful handshake on the accepting side.
pub(crate) struct Admitted {
    pub(crate) peer_slot: OwnedSemaphorePermit,
    /// The node's data about the peer.
    pub(crate) grant: Option<Arc<dyn Any + Send + Sync>>,
    /// First stream of a peer of v0.5, which carries a request in place of the handshake.
    pub(crate) first_stream: Option<IncomingStream>,
}

/// QUIC close code and reason for a peer that is not admitted.
pub(crate) struct Closing {
    pub(crate) code: u32,
    pub(crate) reason: String,
}

impl Closing {
    fn protocol(reason: &str) -> Self {
        Self { code: code::PROTOCOL, reason: reason.to_owned() }
    }

    fn incomplete() -> Self {
        Self::protocol(INCOMPLETE)
    }

    /// The reason is the refusal's code alone, which a client of any version understands.
    fn refused(refusal: Refusal) -> Self {
        Self { code: code::REFUSED, reason: refusal.code }
    }
}

impl Handshake {
    pub(crate) fn new(bind: &BindOptions, max_peers: usize) -> Self {
        Self {
            name: bind.name.clone(),
            version: bind.version.clone(),
            protocols: bind.protocols.iter().cloned().map(Value::String).collect(),
            admit: bind.admit.clone(),
            peer_slots: Arc::new(Semaphore::new(max_peers)),
        }
    }

    /// Runs the accepting side. The caller sets a timeout.
    pub(crate) async fn respond(&self, connection: &Connection) -> std::result::Result<Admitted, Closing> {
        let (send, recv) = connection.accept_bi().await.map_err(|_| Closing::incomplete())?;
        let mut send = Sender::new(send);
        let mut reader = LineReader::new(recv);
        match incoming_stream::read_header(&mut reader).await {
            Ok(Header::Handshake) => self.answer(connection, send, reader).await,
            Ok(header) => {
                let (peer_slot, admission) = self.admit(connection, None).map_err(Closing::refused)?;
                let first_stream = Some(IncomingStream { send, reader, header: Some(header) });
                Ok(Admitted { peer_slot, grant: admission.grant, first_stream })
            }
            Err(OpeningError::BeforeAck(code)) => {
                incoming_stream::refuse(&mut send, code).await;
                send.delivered().await;
                Err(Closing::protocol(code))
            }
            Err(_) => Err(Closing::incomplete()),
        }
    }

    async fn answer(
        &self,
        connection: &Connection,
        mut send: Sender,
        mut reader: LineReader,
    ) -> std::result::Result<Admitted, Closing> {
        send.write(Bytes::from_static(wire::ACK_LINE)).await.map_err(|_| Closing::incomplete())?;
        let hello = reader.line().await.map_err(|e| Closing::protocol(bad_hello(&e)))?;
        // The parser's error message is dropped, because it would quote the line with the token.
        let hello: ClientHello =
            serde_json::from_str(&hello).map_err(|_| Closing::protocol("bad_handshake"))?;
        let decided = self
            .admit(connection, hello.auth_token.as_deref())
            .and_then(|(slot, admission)| Ok((slot, admission, self.common_protocols(&hello)?)));
        let reply = match &decided {
            Ok((_, Admission { welcome, .. }, accepted)) => ServerHello::Success {
                server_name: self.name.clone(),
                server_version: self.version.clone(),
                accepted_protocols: accepted.clone(),
                features: welcome.features.clone(),
                rights: welcome.rights.clone(),
                auth_token: welcome.auth_token.clone(),
            },
            Err(Refusal { code, reason }) => ServerHello::Failure {
                code: code.clone(),
                reason: reason.clone(),
                retry_after_ms: (code == TransportError::FULL).then_some(FULL_RETRY_MS),
            },
        };
        let mut line = serde_json::to_vec(&reply).map_err(|_| Closing::protocol("internal_error"))?;
        line.push(b'\n');
        send.write(line.into()).await.map_err(|_| Closing::incomplete())?;
        let _ = send.finish();
        if decided.is_err() {
            // The close that follows could overtake the line, so this waits until the peer has it.
            send.delivered().await;
        }
        let (peer_slot, admission, _) = decided.map_err(Closing::refused)?;
        Ok(Admitted { peer_slot, grant: admission.grant, first_stream: None })
    }

    /// Reserves a slot for a peer that the node's rule admits.
    fn admit(
        &self,
        connection: &Connection,
        token: Option<&str>,
    ) -> std::result::Result<(OwnedSemaphorePermit, Admission), Refusal> {
        let admission = (self.admit)(&id52::encode(&connection.remote_id()), token)?;
        let slot = self.peer_slots.clone().try_acquire_owned();
        Ok((slot.map_err(|_| Refusal::from(TransportError::FULL))?, admission))
    }

    /// Returns the protocols that both sides support. A side that names none supports any.
    fn common_protocols(&self, hello: &ClientHello) -> std::result::Result<Vec<Value>, Refusal> {
        let offered = &hello.supported_protocols;
        let common: Vec<Value> =
            offered.iter().filter(|protocol| self.protocols.contains(protocol)).cloned().collect();
        if common.is_empty() && !offered.is_empty() && !self.protocols.is_empty() {
            return Err("no_common_protocols".into());
        }
        Ok(common)
    }

    /// Runs the dialling side, which takes one round trip. The caller sets a timeout.
    pub(crate) async fn initiate(&self, connection: &Connection, token: Option<&str>) -> Result<Welcome> {
        match self.exchange(connection, token).await {
            // The peer's close may overtake its line. It carries the same code.
            Err(e) => Err(refused(connection).unwrap_or(e)),
            Ok(ServerHello::Failure { code, reason, retry_after_ms }) => {
                let after = retry_after_ms.map(|millis| Duration::from_millis(millis.into()));
                let refusal = Refusal { code: error::printable(&code), reason: error::printable(&reason) };
                Err(TransportError::refused(refusal, after))
            }
            Ok(ServerHello::Success { features, rights, auth_token, server_version, .. }) => {
                Ok(Welcome { features, rights, auth_token, version: server_version }.bounded())
            }
        }
    }

    async fn exchange(&self, connection: &Connection, token: Option<&str>) -> Result<ServerHello> {
        let (send, recv) = connection.open_bi().await.map_err(|e| error::lost(&e))?;
        let mut send = Sender::new(send);
        let mut reader = LineReader::new(recv);
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
            .map_err(|_| TransportError::Protocol("cannot parse the node's handshake".into()))?;
        let _ = send.finish();
        Ok(reply)
    }
}

/// Close reason for a client whose line of the handshake cannot be read.
fn bad_hello(error: &LineError) -> &'static str {
    match error {
        LineError::Bad(bad) => incoming_stream::error_code(*bad),
        LineError::Ended | LineError::Read(_) => INCOMPLETE,
    }
}

/// Error of a connection that the peer closed with a refusal.
fn refused(connection: &Connection) -> Option<TransportError> {
    match connection.close_reason()? {
        ConnectionError::ApplicationClosed(close) if close.error_code == code::REFUSED.into() => {
            let code = error::printable(&String::from_utf8_lossy(&close.reason));
            Some(TransportError::refused(&*code, None))
        }
        _ => None,
    }
}
