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
mod joiner;
#[cfg(test)]
pub(crate) mod replay;
mod server;

use std::sync::Arc;
use std::time::SystemTime;

use rand_core::Rng as _;
use subtle::ConstantTimeEq;

use crate::codec::put_prefixed;
use crate::crypto::Transcript;
use crate::crypto::prf::{DirectionKeys, Master};
use crate::messages::{HEADER, MessageType};
use crate::record::{ContentType, MacOrder, PlainRecord, RecordLayer};
use crate::{
    CertificateRefusal, Config, ConnectionRole, PeerCertificates, PeerKeys, Randomness, TlcpError,
};

use joiner::Joiner;

/// The data about the peer after the handshake.
pub(crate) struct HandshakePeer {
    pub(crate) certificates: PeerCertificates,
    pub(crate) keys: PeerKeys,
    pub(crate) order: MacOrder,
}

/// A handshake message.
struct HandshakeMessage<'a> {
    kind: MessageType,
    body: &'a [u8],
    /// The hash of all messages before this one.
    before: [u8; 32],
}

/// The data that a state needs for its step.
struct HandshakeContext<'a> {
    config: &'a Config,
    transcript: &'a mut Transcript,
    records: &'a mut RecordLayer,
    rng: &'a mut Randomness,
    now: SystemTime,
    #[cfg(test)]
    replay: &'a mut Option<replay::Replay>,
}

impl HandshakeContext<'_> {
    fn send(&mut self, kind: MessageType, body: &[u8]) -> Result<(), TlcpError> {
        let mut message = vec![kind as u8];
        put_prefixed(&mut message, 3, body);
        #[cfg(test)]
        if let Some(replay) = self.replay {
            message = replay.instead_of(message);
        }
        self.transcript.add(&message);
        self.records
            .send(ContentType::Handshake, &message, self.rng)
    }

    fn send_change_cipher_spec(&mut self) -> Result<(), TlcpError> {
        self.records
            .send(ContentType::ChangeCipherSpec, &[1], self.rng)
    }

    /// Sends ChangeCipherSpec, and Finished with the new keys.
    fn finish(
        &mut self,
        role: ConnectionRole,
        master: &Master,
        keys: &DirectionKeys,
        order: MacOrder,
    ) -> Result<(), TlcpError> {
        self.send_change_cipher_spec()?;
        self.records.seal_with(keys, order);
        let content = master.finished(role, &self.transcript.hash());
        self.send(MessageType::Finished, &content)
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Reads the peer's certificates and lets the caller verify them. Returns `None` if the list is
    /// empty.
    fn judge(&self, body: &[u8], order: MacOrder) -> Result<Option<HandshakePeer>, TlcpError> {
        let Some(certificates) = PeerCertificates::read(body)? else {
            return Ok(None);
        };
        let keys = self.config.verifier.verify(&certificates, self.now)?;
        if keys.signature == keys.encryption {
            let reason = "the certificates for signatures and for encryption have the same key";
            return Err(
                CertificateRefusal::new(crate::Alert::UNSUPPORTED_CERTIFICATE, reason).into(),
            );
        }
        Ok(Some(HandshakePeer {
            certificates,
            keys,
            order,
        }))
    }
}

/// Checks that the peer has seen the same handshake as this side.
fn check_finished(
    master: &Master,
    of: ConnectionRole,
    message: &HandshakeMessage<'_>,
) -> Result<(), TlcpError> {
    let expected = master.finished(of, &message.before);
    if bool::from(expected[..].ct_eq(message.body)) {
        Ok(())
    } else {
        Err(TlcpError::WrongFinished)
    }
}

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
