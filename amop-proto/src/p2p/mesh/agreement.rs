//! Keys that two nodes share, and the MACs made with them.
//!
//! Each node makes an X25519 key pair when it starts and states the public half in its signed
//! record. So every node that knows the record shares a secret with it, and no relay knows this
//! secret.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{RoutingKey, Seal};
use crate::p2p::NodeId;

/// The purpose of a MAC. A MAC for one purpose is invalid for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacPurpose {
    /// A unicast on its way to its target.
    Unicast,
    /// The answer to a unicast.
    Answer,
    /// A multicast.
    Multicast,
}

/// The statement that a MAC proves: the node `voucher` sent this message into the network, for
/// `target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// The kind of message.
    pub purpose: MacPurpose,
    /// The node whose key makes the MAC.
    pub voucher: RoutingKey,
    /// The publisher's node: the voucher, or a FISCO node behind it.
    pub source: RoutingKey,
    /// The destination: the node at the other end of the key, or a FISCO node behind it.
    pub target: RoutingKey,
    /// The message's id.
    pub id: u64,
    /// The SHA-256 of the channel frame.
    pub content: [u8; 32],
}

/// A node's key pair, used while the node runs.
#[derive(Clone)]
pub struct Agreement {
    own: NodeId,
    secret: StaticSecret,
}

impl fmt::Debug for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Agreement")
    }
}

impl Agreement {
    /// Creates a key pair from random bytes that no other node knows. `start` differs at every
    /// start of the node, in case the bytes are not random.
    #[must_use]
    pub fn new(own: NodeId, random: &[u8; 32], start: u64) -> Self {
        let secret: [u8; 32] = Sha256::new()
            .chain_update(b"amop mesh agreement")
            .chain_update(random)
            .chain_update(start.to_be_bytes())
            .finalize()
            .into();
        Self {
            own,
            secret: secret.into(),
        }
    }

    /// Returns the public half, which the node's record states.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.secret).to_bytes()
    }

    /// Returns the key shared with another node, whose record states `theirs`. It takes about 50
    /// microseconds. `None` for a public half that gives the same secret with every key.
    #[must_use]
    pub fn with(&self, other: &NodeId, theirs: &[u8; 32]) -> Option<PairKey> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(*theirs));
        if !shared.was_contributory() {
            return None;
        }
        // Both ends hash the same bytes: the node with the lower ID comes first.
        let mine = (self.own, self.public());
        let mut ends = [mine, (*other, *theirs)];
        ends.sort_unstable();
        let [(low, low_public), (high, high_public)] = &ends;
        let info: [&[u8]; 5] = [b"amop mesh pair", &low.0, low_public, &high.0, high_public];
        let mut key = [0; 32];
        let hkdf = Hkdf::<Sha256>::new(None, shared.as_bytes());
        hkdf.expand_multi_info(&info, &mut key).ok()?;
        Some(PairKey(key))
    }
}

/// A key that two nodes share.
#[derive(Clone, PartialEq, Eq)]
pub struct PairKey([u8; 32]);

impl fmt::Debug for PairKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairKey")
    }
}

impl PairKey {
    /// Creates a key from its bytes, for test vectors.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the key's bytes, for test vectors.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Returns the seal of a message: HMAC-SHA256 cut to 16 bytes. Two messages of one voucher must
    /// not have the same counter.
    #[must_use]
    pub fn seal(&self, statement: &Statement, counter: u64) -> Seal {
        let mac = self.mac(statement, counter).finalize().into_bytes();
        let mut seal = Seal {
            counter,
            mac: [0; 16],
        };
        seal.mac.copy_from_slice(&mac[..16]);
        seal
    }

    /// Returns whether a seal belongs to a message. Takes the same time in both cases.
    #[must_use]
    pub fn is_sealed(&self, statement: &Statement, seal: &Seal) -> bool {
        let mac = self.mac(statement, seal.counter);
        mac.verify_truncated_left(&seal.mac).is_ok()
    }

    fn mac(&self, statement: &Statement, counter: u64) -> Hmac<Sha256> {
        let Statement {
            purpose,
            voucher,
            source,
            target,
            id,
            content,
        } = statement;
        let mut mac = keyed(&self.0);
        mac.update(b"amop mesh message");
        mac.update(&[match purpose {
            MacPurpose::Unicast => 1,
            MacPurpose::Answer => 2,
            MacPurpose::Multicast => 3,
        }]);
        for number in [voucher.0, source.0, target.0, *id, counter] {
            mac.update(&number.to_be_bytes());
        }
        mac.update(content);
        mac
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // A key of up to 64 bytes is padded with zeros (RFC 2104).
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    Hmac::new(&block.into())
}

#[cfg(test)]
mod tests;
