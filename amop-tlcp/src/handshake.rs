//! The handshake: one state machine for each role, driven by one message at a time.
//!
//! ```text
//! client                                  server
//! ClientHello
//!                                         ServerHello, Certificate, ServerKeyExchange,
//!                                         CertificateRequest, ServerHelloDone
//! Certificate, ClientKeyExchange,
//! CertificateVerify, ChangeCipherSpec,
//! Finished
//!                                         ChangeCipherSpec, Finished
//! ```

mod client;
mod context;
mod joiner;
#[cfg(test)]
pub(crate) mod replay;
mod server;

use std::sync::Arc;
use std::time::SystemTime;

use crate::crypto::Transcript;
use crate::messages::{HEADER, MessageType};
use crate::record::{ContentType, PlainRecord, RecordLayer};
use crate::{Config, ConnectionRole, Randomness, TlcpError};

pub(crate) use context::HandshakePeer;
use context::{HandshakeContext, HandshakeMessage};
use joiner::Joiner;

/// The state of either role.
enum HandshakeState {
    Client(client::ClientHandshake),
    Server(server::ServerHandshake),
}

impl HandshakeState {
    /// Returns the message types that may come next.
    fn due(&self) -> &'static [MessageType] {
        match self {
            Self::Client(state) => state.due(),
            Self::Server(state) => state.due(),
        }
    }

    fn message(
        self,
        message: &HandshakeMessage<'_>,
        context: &mut HandshakeContext<'_>,
    ) -> Result<Self, TlcpError> {
        Ok(match self {
            Self::Client(state) => Self::Client(state.message(message, context)?),
            Self::Server(state) => Self::Server(state.message(message, context)?),
        })
    }

    fn change_cipher_spec(self, context: &mut HandshakeContext<'_>) -> Result<Self, TlcpError> {
        Ok(match self {
            Self::Client(state) => Self::Client(state.change_cipher_spec(context)?),
            Self::Server(state) => Self::Server(state.change_cipher_spec(context)?),
        })
    }
}

/// A handshake in progress.
pub(crate) struct Handshake {
    config: Arc<Config>,
    joiner: Joiner,
    transcript: Transcript,
    /// `None` after an error.
    step: Option<HandshakeState>,
    #[cfg(test)]
    pub(crate) replay: Option<replay::Replay>,
}

impl Handshake {
    pub(crate) fn new(config: Arc<Config>, role: ConnectionRole) -> Self {
        Self {
            config,
            joiner: Joiner::default(),
            transcript: Transcript::default(),
            step: Some(match role {
                ConnectionRole::Client => HandshakeState::Client(client::ClientHandshake::Start),
                ConnectionRole::Server => HandshakeState::Server(server::ServerHandshake::Hello),
            }),
            #[cfg(test)]
            replay: None,
        }
    }

    /// Sends the ClientHello, if this side is the client.
    pub(crate) fn start(
        &mut self,
        records: &mut RecordLayer,
        rng: &mut Randomness,
    ) -> Result<(), TlcpError> {
        self.step(records, rng, SystemTime::UNIX_EPOCH, |step, context| {
            Ok(match step {
                HandshakeState::Client(state) => HandshakeState::Client(state.start(context)?),
                server => server,
            })
        })
    }

    /// Handles a record of the handshake. Returns the peer when the handshake has finished.
    pub(crate) fn record(
        &mut self,
        record: &PlainRecord,
        records: &mut RecordLayer,
        rng: &mut Randomness,
        now: SystemTime,
    ) -> Result<Option<HandshakePeer>, TlcpError> {
        match record.kind {
            ContentType::Handshake => {
                self.joiner.add(record.content());
                self.messages(records, rng, now)?;
            }
            ContentType::ChangeCipherSpec => {
                // Keys may change only at the right point, between messages and not within one.
                if record.content() != [1] || !self.joiner.is_empty() || !self.due().is_empty() {
                    return Err(self.unexpected(record.kind.name()));
                }
                self.step(records, rng, now, HandshakeState::change_cipher_spec)?;
            }
            ContentType::Data | ContentType::Alert => {
                return Err(self.unexpected(record.kind.name()));
            }
        }
        self.done()
    }

    fn messages(
        &mut self,
        records: &mut RecordLayer,
        rng: &mut Randomness,
        now: SystemTime,
    ) -> Result<(), TlcpError> {
        while let Some(message) = self.joiner.next(self.due())? {
            let kind = MessageType::from_code(message[0]).ok_or(TlcpError::HandshakePending)?;
            let before = self.transcript.hash();
            self.transcript.add(&message);
            let message = HandshakeMessage {
                kind,
                body: &message[HEADER..],
                before,
            };
            self.step(records, rng, now, |step, context| {
                step.message(&message, context)
            })?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        records: &mut RecordLayer,
        rng: &mut Randomness,
        now: SystemTime,
        take: impl FnOnce(
            HandshakeState,
            &mut HandshakeContext<'_>,
        ) -> Result<HandshakeState, TlcpError>,
    ) -> Result<(), TlcpError> {
        // After an error the connection passes no more records to a handshake.
        let step = self.step.take().ok_or(TlcpError::ClosedEarly)?;
        let mut context = HandshakeContext {
            config: &self.config,
            transcript: &mut self.transcript,
            records,
            rng,
            now,
            #[cfg(test)]
            replay: &mut self.replay,
        };
        self.step = Some(take(step, &mut context)?);
        Ok(())
    }

    fn due(&self) -> &'static [MessageType] {
        self.step.as_ref().map_or(&[], HandshakeState::due)
    }

    fn unexpected(&self, found: &str) -> TlcpError {
        joiner::unexpected(found, self.due())
    }

    fn done(&mut self) -> Result<Option<HandshakePeer>, TlcpError> {
        match self.step.take() {
            Some(
                HandshakeState::Client(client::ClientHandshake::Done(peer))
                | HandshakeState::Server(server::ServerHandshake::Done(peer)),
            ) => Ok(Some(peer)),
            step => {
                self.step = step;
                Ok(None)
            }
        }
    }
}
