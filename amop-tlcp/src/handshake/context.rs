//! What both roles need for a step of the handshake.

use std::time::SystemTime;

use rand_core::Rng as _;
use subtle::ConstantTimeEq;

use crate::codec::put_prefixed;
use crate::crypto::Transcript;
use crate::crypto::prf::{DirectionKeys, Master};
use crate::messages::MessageType;
use crate::record::{ContentType, MacOrder, RecordLayer};
use crate::{
    CertificateRefusal, Config, ConnectionRole, PeerCertificates, PeerKeys, Randomness, TlcpError,
};

/// The data about the peer after the handshake.
pub(crate) struct HandshakePeer {
    pub(crate) certificates: PeerCertificates,
    pub(crate) keys: PeerKeys,
    pub(crate) order: MacOrder,
}

/// A handshake message.
pub(super) struct HandshakeMessage<'a> {
    pub(super) kind: MessageType,
    pub(super) body: &'a [u8],
    /// The hash of all messages before this one.
    pub(super) before: [u8; 32],
}

/// The data that a state needs for its step.
pub(super) struct HandshakeContext<'a> {
    pub(super) config: &'a Config,
    pub(super) transcript: &'a mut Transcript,
    pub(super) records: &'a mut RecordLayer,
    pub(super) rng: &'a mut Randomness,
    pub(super) now: SystemTime,
    #[cfg(test)]
    pub(super) replay: &'a mut Option<super::replay::Replay>,
}

impl HandshakeContext<'_> {
    pub(super) fn send(&mut self, kind: MessageType, body: &[u8]) -> Result<(), TlcpError> {
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

    pub(super) fn send_change_cipher_spec(&mut self) -> Result<(), TlcpError> {
        self.records
            .send(ContentType::ChangeCipherSpec, &[1], self.rng)
    }

    /// Sends ChangeCipherSpec, and Finished with the new keys.
    pub(super) fn finish(
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

    pub(super) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Reads the peer's certificates and lets the caller verify them. Returns `None` if the list is
    /// empty.
    pub(super) fn judge(
        &self,
        body: &[u8],
        order: MacOrder,
    ) -> Result<Option<HandshakePeer>, TlcpError> {
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
pub(super) fn check_finished(
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
