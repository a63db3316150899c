//! The state machine of a connection.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use rand_core::CryptoRng;

use crate::handshake::{Handshake, HandshakePeer};
use crate::record::{ContentType, MacOrder, PlainRecord, RecordLayer};
use crate::{
    Alert, Config, ConnectionRole, PeerCertificates, PeerKeys, Randomness, TlcpError, limits,
};

/// One connection, without socket, clock or randomness of its own. Pass received bytes to
/// [`receive`](Self::receive), send the bytes of [`output`](Self::output), and pass in time and
/// randomness.
///
/// A connection holds one incomplete record, the content of one complete record, and the output
/// that waits to be sent: about 100 KiB at most, and no buffer while it is idle.
///
/// # Example
///
/// Client and server in one thread, each with its own end of a wire.
///
/// ```
/// use std::sync::Arc;
/// use std::time::SystemTime;
/// use amop_tlcp::{
///     CertificateRefusal, CertificateVerifier, Config, Flavour, PeerCertificates, PeerKeys,
///     TlcpConnection, TlcpIdentity,
/// };
/// use rand::{SeedableRng, rngs::StdRng};
///
/// # macro_rules! file { ($name:literal) => { include_str!(concat!("../tests/data/v3/", $name)) } }
/// // A real verifier looks for a path to the chain's authority, and at validity and revocation.
/// struct Anybody;
/// impl CertificateVerifier for Anybody {
///     fn verify(
///         &self,
///         peer: &PeerCertificates,
///         _now: SystemTime,
///     ) -> Result<PeerKeys, CertificateRefusal> {
///         peer.public_keys()
///     }
/// }
///
/// let sdk = TlcpIdentity::from_pem(
///     file!("sdk/sm_sdk.crt"), file!("sdk/sm_sdk.key"),
///     file!("sdk/sm_ensdk.crt"), file!("sdk/sm_ensdk.key"),
/// )?;
/// let node = TlcpIdentity::from_pem(
///     file!("node0/sm_ssl.crt"), file!("node0/sm_ssl.key"),
///     file!("node0/sm_enssl.crt"), file!("node0/sm_enssl.key"),
/// )?;
/// let node_key = *node.public_key();
/// let config = |identity| Arc::new(Config::new(Flavour::Tlcp, identity, Arc::new(Anybody)));
/// let mut client = TlcpConnection::client(config(sdk), StdRng::from_rng(&mut rand::rng()));
/// let mut server = TlcpConnection::server(config(node), StdRng::from_rng(&mut rand::rng()));
///
/// /// What one end has to send goes to the other.
/// fn carry(from: &mut TlcpConnection, to: &mut TlcpConnection) -> Result<(), amop_tlcp::TlcpError> {
///     while !from.output().is_empty() {
///         let count = to.receive(SystemTime::now(), from.output())?;
///         from.sent(count);
///     }
///     Ok(())
/// }
///
/// while client.is_handshaking() || server.is_handshaking() {
///     carry(&mut client, &mut server)?;
///     carry(&mut server, &mut client)?;
/// }
/// assert_eq!(client.peer_keys().map(|keys| keys.signature), Some(node_key));
///
/// client.write(b"hello")?;
/// carry(&mut client, &mut server)?;
/// assert_eq!(server.plaintext(), b"hello");
/// server.consume(5);
///
/// client.close();
/// carry(&mut client, &mut server)?;
/// assert!(server.peer_has_closed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TlcpConnection {
    config: Arc<Config>,
    role: ConnectionRole,
    rng: Randomness,
    records: RecordLayer,
    /// `None` once the handshake has finished.
    handshake: Option<Box<Handshake>>,
    peer: Option<Box<HandshakePeer>>,
    plaintext: Vec<u8>,
    /// The part of the plaintext that has not been read.
    unread: Range<usize>,
    empty_records: u32,
    warnings: u32,
    peer_has_closed: bool,
    closed: bool,
    error: Option<TlcpError>,
}

impl TlcpConnection {
    /// Creates the client's end. Its first message waits to be sent.
    ///
    /// All randomness comes from `rng`, which must be cryptographically secure and seeded from the
    /// system.
    pub fn client(config: Arc<Config>, rng: impl CryptoRng + Send + Sync + 'static) -> Self {
        Self::new(config, ConnectionRole::Client, Box::new(rng))
    }

    /// Creates the server's end. It requests certificates and refuses clients without them.
    ///
    /// All randomness comes from `rng`, which must be cryptographically secure and seeded from the
    /// system.
    pub fn server(config: Arc<Config>, rng: impl CryptoRng + Send + Sync + 'static) -> Self {
        Self::new(config, ConnectionRole::Server, Box::new(rng))
    }

    fn new(config: Arc<Config>, role: ConnectionRole, rng: Randomness) -> Self {
        let mut connection = Self::idle(config, role, rng);
        connection.start();
        connection
    }

    fn idle(config: Arc<Config>, role: ConnectionRole, rng: Randomness) -> Self {
        Self {
            role,
            rng,
            records: RecordLayer::new(config.flavour, role),
            handshake: Some(Box::new(Handshake::new(Arc::clone(&config), role))),
            config,
            peer: None,
            plaintext: Vec::new(),
            unread: 0..0,
            empty_records: 0,
            warnings: 0,
            peer_has_closed: false,
            closed: false,
            error: None,
        }
    }

    fn start(&mut self) {
        if let Some(handshake) = &mut self.handshake
            && let Err(error) = handshake.start(&mut self.records, &mut self.rng)
        {
            self.fail(error);
        }
    }

    /// Creates a connection that sends a recorded handshake instead of its own.
    #[cfg(test)]
    pub(crate) fn replaying(
        config: Arc<Config>,
        role: ConnectionRole,
        rng: Randomness,
        replay: crate::handshake::replay::Replay,
    ) -> Self {
        let mut connection = Self::idle(config, role, rng);
        if let Some(handshake) = &mut connection.handshake {
            handshake.replay = Some(replay);
        }
        connection.start();
        connection
    }

    /// Sends an empty record, as one kind of peer does.
    #[cfg(test)]
    pub(crate) fn send_empty_record(&mut self) {
        self.send_record(ContentType::Data, &[]);
    }

    /// Sends any record, also one that no peer should send.
    #[cfg(test)]
    pub(crate) fn send_record(&mut self, kind: ContentType, content: &[u8]) {
        self.records
            .send_one(kind, content, &mut self.rng)
            .expect("numbers are not used up");
    }

    #[cfg(test)]
    pub(crate) fn replay(&self) -> &crate::handshake::replay::Replay {
        let handshake = self
            .handshake
            .as_ref()
            .expect("the handshake has not finished");
        handshake.replay.as_ref().expect("it is a replay")
    }

    /// Takes bytes from the peer, and returns how many it took. It stops at the end of a record
    /// with application data, so that it holds only one: read the data, then call it again with the
    /// remaining bytes. Certificates must be valid at the time `now`.
    ///
    /// Bytes after the peer's close_notify are discarded.
    ///
    /// # Errors
    ///
    /// Every error ends the connection. An alert for the peer then waits to be sent, unless the
    /// peer itself has ended the connection; send the output before you close the socket.
    pub fn receive(&mut self, now: SystemTime, input: &[u8]) -> Result<usize, TlcpError> {
        self.check()?;
        let mut rest = input;
        let result = self.receive_all(now, &mut rest);
        match result {
            Ok(()) => Ok(input.len() - rest.len()),
            Err(error) => Err(self.fail(error)),
        }
    }

    fn receive_all(&mut self, now: SystemTime, rest: &mut &[u8]) -> Result<(), TlcpError> {
        while !rest.is_empty() && self.unread.is_empty() {
            if self.peer_has_closed {
                *rest = &[];
                return Ok(());
            }
            if let Some(record) = self.records.receive(rest)? {
                self.record(now, record)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, now: SystemTime, record: PlainRecord) -> Result<(), TlcpError> {
        if record.kind == ContentType::Alert {
            return self.alert(record.content());
        }
        if let Some(handshake) = &mut self.handshake {
            let (records, rng) = (&mut self.records, &mut self.rng);
            if let Some(peer) = handshake.record(&record, records, rng, now)? {
                self.peer = Some(Box::new(peer));
                self.handshake = None;
            }
            return Ok(());
        }
        if record.kind != ContentType::Data {
            return Err(TlcpError::Unexpected {
                found: record.kind.name().to_owned(),
                expected: "application data (there is no renegotiation)",
            });
        }
        let (bytes, range) = record.into_parts();
        if range.is_empty() {
            self.empty_records += 1;
            if self.empty_records > limits::EMPTY_RECORDS {
                return Err(TlcpError::Unexpected {
                    found: "one empty record after the other".to_owned(),
                    expected: "application data",
                });
            }
            return Ok(());
        }
        self.empty_records = 0;
        self.plaintext = bytes;
        self.unread = range;
        Ok(())
    }

    fn alert(&mut self, content: &[u8]) -> Result<(), TlcpError> {
        const WARNING: u8 = 1;
        const FATAL: u8 = 2;
        let [level, code] = *content else {
            return Err(TlcpError::Malformed {
                message: "an alert",
                reason: "it is not 2 bytes long",
            });
        };
        let alert = Alert::from_code(code);
        match level {
            WARNING | FATAL if alert == Alert::CLOSE_NOTIFY => {
                if self.handshake.is_some() {
                    return Err(TlcpError::ClosedEarly);
                }
                self.peer_has_closed = true;
                Ok(())
            }
            WARNING => {
                self.warnings += 1;
                if self.warnings > limits::WARNINGS {
                    return Err(TlcpError::Unexpected {
                        found: "one warning after the other".to_owned(),
                        expected: "anything else",
                    });
                }
                Ok(())
            }
            FATAL => Err(TlcpError::PeerAlert(alert)),
            _ => Err(TlcpError::Illegal {
                message: "an alert",
                reason: "its level is neither warning nor fatal",
            }),
        }
    }

    /// Call this when the stream of the peer's bytes has ended.
    ///
    /// # Errors
    ///
    /// [`TlcpError::Truncated`] if the peer has not sent close_notify: an attacker may have cut the
    /// connection, and data may be missing. During the handshake [`TlcpError::ClosedEarly`].
    pub fn end_of_input(&mut self) -> Result<(), TlcpError> {
        self.check()?;
        if self.peer_has_closed {
            return Ok(());
        }
        let error = if self.handshake.is_some() {
            TlcpError::ClosedEarly
        } else {
            TlcpError::Truncated
        };
        Err(self.fail(error))
    }

    /// Returns application data that was received and not consumed: at most 16 KiB.
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext[self.unread.clone()]
    }

    /// Marks the first `count` bytes of the [`plaintext`](Self::plaintext) as read.
    pub fn consume(&mut self, count: usize) {
        self.unread.start = self.unread.end.min(self.unread.start + count);
        if self.unread.is_empty() {
            // An idle connection holds no buffer.
            self.plaintext = Vec::new();
            self.unread = 0..0;
        }
    }

    /// Takes application data to be sent, and returns how many bytes it took. It takes only a part
    /// of `data` when more than 64 KiB wait to be sent, and nothing until some of these are sent.
    ///
    /// # Errors
    ///
    /// If the handshake has not finished, or the connection is closed or has failed.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, TlcpError> {
        self.check()?;
        if self.handshake.is_some() {
            return Err(TlcpError::HandshakePending);
        }
        if self.closed {
            return Err(TlcpError::Closed);
        }
        let mut taken = 0;
        for part in data.chunks(limits::PLAINTEXT) {
            if self.records.output().len() >= limits::OUTPUT {
                break;
            }
            let sent = self.records.send(ContentType::Data, part, &mut self.rng);
            if let Err(error) = sent {
                return Err(self.fail(error));
            }
            taken += part.len();
        }
        Ok(taken)
    }

    /// Tells the peer that no more data follow. Data that the peer still sends can be read. During
    /// the handshake this ends the connection.
    pub fn close(&mut self) {
        if self.closed || self.error.is_some() {
            return;
        }
        self.closed = true;
        let content = [1, Alert::CLOSE_NOTIFY.code()];
        let sent = self
            .records
            .send(ContentType::Alert, &content, &mut self.rng);
        if let Err(error) = sent {
            self.fail(error);
        }
    }

    /// Returns the bytes to send to the peer.
    pub fn output(&self) -> &[u8] {
        self.records.output()
    }

    /// Marks the first `count` bytes of the [`output`](Self::output) as sent.
    pub fn sent(&mut self, count: usize) {
        self.records.advance(count);
    }

    /// Returns whether the handshake is in progress.
    pub fn is_handshaking(&self) -> bool {
        self.handshake.is_some() && self.error.is_none()
    }

    /// Returns whether the peer has sent close_notify, so that no more data follow.
    pub fn peer_has_closed(&self) -> bool {
        self.peer_has_closed
    }

    /// Returns the error with which the connection has failed, if it has.
    pub fn error(&self) -> Option<&TlcpError> {
        self.error.as_ref()
    }

    /// Returns which end this is.
    pub fn role(&self) -> ConnectionRole {
        self.role
    }

    /// Returns the peer's certificates, once the handshake has finished.
    pub fn peer_certificates(&self) -> Option<&PeerCertificates> {
        self.peer.as_ref().map(|peer| &peer.certificates)
    }

    /// Returns the peer's public keys, once the handshake has finished.
    pub fn peer_keys(&self) -> Option<&PeerKeys> {
        self.peer.as_ref().map(|peer| &peer.keys)
    }

    /// Returns whether the MAC covers the ciphertext, once the handshake has finished.
    pub fn encrypts_then_macs(&self) -> bool {
        let peer = self.peer.as_ref();
        peer.is_some_and(|peer| peer.order == MacOrder::EncryptThenMac)
    }

    fn check(&self) -> Result<(), TlcpError> {
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Ends the connection, with an alert if the peer should be told. The handshake's keys are
    /// dropped.
    fn fail(&mut self, error: TlcpError) -> TlcpError {
        // After close_notify nothing is sent, not even an alert.
        if let Some(alert) = error.alert().filter(|_| !self.closed) {
            let content = [2, alert.code()];
            // If this cannot be sent either, the peer will notice by itself.
            let _ = self
                .records
                .send(ContentType::Alert, &content, &mut self.rng);
        }
        self.handshake = None;
        self.closed = true;
        self.error = Some(error.clone());
        error
    }
}

impl fmt::Debug for TlcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlcpConnection")
            .field("flavour", &self.config.flavour)
            .field("role", &self.role)
            .field("handshaking", &self.is_handshaking())
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
