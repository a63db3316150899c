//! Who signs statements and who believes them: injected, because keys and certificates are no part of
//! the protocol's logic.

use std::fmt;

use bytes::Bytes;

use crate::p2p::NodeId;

/// A node's signing key and certificates.
///
/// Called by the node machine when its statement changes, some 20 times a second at most; it must not
/// block.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The number of the algorithm: 1 is ECDSA on secp256k1 with SHA-256, in DER; 2 is RSA with PKCS#1
    /// v1.5 and SHA-256. The others up to 127 are kept for later; those from 128 on are for tests.
    fn algorithm(&self) -> u8;

    /// The node's whole ID, if it is longer than the 64 bytes that it goes by (see [`NodeId::named`]): its
    /// records state it, since it is what their signatures are verified with.
    fn long_id(&self) -> Option<Bytes> {
        None
    }

    /// Signs a message with the node's key. `None` if the key cannot be used just now; the statement
    /// is tried again later.
    fn sign(&self, message: &[u8]) -> Option<Bytes>;

    /// The node's certificate and those that lead from it to the CA, in DER. Its ID follows from the
    /// first.
    fn chain(&self) -> Vec<Bytes>;
}

/// Why an identity is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Who a node is by its certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identified {
    /// Its ID.
    pub node: NodeId,
    /// A digest of what tells its agency from all others, whatever name that has: what is short is shared by
    /// agency.
    pub authority: [u8; 32],
}

/// What a node believes of others: the rules of its P2P port, for nodes that are not its neighbours.
///
/// All functions may take hundreds of microseconds, so they are called off the node's lock. They
/// must not block.
pub trait Verifier: fmt::Debug + Send + Sync {
    /// The node with these certificates (in DER, its own first), if they lead to the CA, are
    /// those of a node, have not expired and are not revoked, and the node's lists let it in.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with the rule that is broken.
    fn identify(&self, chain: &[Bytes]) -> Result<Identified, Refusal>;

    /// Whether the node's lists let in a FISCO node of which there are no certificates, because it is
    /// behind somebody else.
    ///
    /// # Errors
    ///
    /// [`Refusal`], if not.
    fn admits(&self, fisco: &NodeId) -> Result<(), Refusal>;

    /// Whether the node with this ID, the whole of it, signed the message.
    fn is_signed(&self, algorithm: u8, id: &[u8], message: &[u8], signature: &[u8]) -> bool;
}

/// Signs and verifies with one secret that all nodes share: for simulations and tests alone, where it
/// stands for keys and certificates and costs a hash. Between strangers it proves nothing.
#[cfg(feature = "test-util")]
#[derive(Debug, Clone)]
pub struct SharedSecret {
    node: NodeId,
    /// Nodes that are not let in. Clones share them.
    refused: std::sync::Arc<std::sync::RwLock<std::collections::BTreeSet<NodeId>>>,
}

#[cfg(feature = "test-util")]
impl SharedSecret {
    /// The number of its algorithm.
    pub const ALGORITHM: u8 = 200;

    /// The signer of a node, and a verifier.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            refused: std::sync::Arc::default(),
        }
    }

    /// As a verifier it does not let this node in from now on.
    pub fn refuse(&self, node: NodeId) {
        let mut refused = self
            .refused
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        refused.insert(node);
    }

    /// The agency of a node, which the last byte of its ID names here: sixteen nodes are of one.
    #[must_use]
    pub fn agency_of(node: &NodeId) -> [u8; 32] {
        [node.0[63] >> 4; 32]
    }

    fn tag(node: &NodeId, message: &[u8]) -> [u8; 32] {
        use hmac::{KeyInit, Mac};
        let mut mac = hmac::Hmac::<sha2::Sha256>::new(
            &hmac::digest::Key::<hmac::Hmac<sha2::Sha256>>::from([0x5a; 64]),
        );
        mac.update(&node.0);
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(feature = "test-util")]
impl Signer for SharedSecret {
    fn algorithm(&self) -> u8 {
        Self::ALGORITHM
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&Self::tag(&self.node, message)))
    }

    fn chain(&self) -> Vec<Bytes> {
        // A certificate of sorts: the ID alone.
        vec![Bytes::copy_from_slice(&self.node.0)]
    }
}

#[cfg(feature = "test-util")]
impl Verifier for SharedSecret {
    fn identify(&self, chain: &[Bytes]) -> Result<Identified, Refusal> {
        let first = chain.first().and_then(|first| first[..].try_into().ok());
        let node = NodeId(first.ok_or_else(|| Refusal("no certificate of a test".into()))?);
        let authority = Self::agency_of(&node);
        self.admits(&node).map(|()| Identified { node, authority })
    }

    fn admits(&self, node: &NodeId) -> Result<(), Refusal> {
        let refused = self
            .refused
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if refused.contains(node) {
            return Err(Refusal(format!("the lists do not let {node} in")));
        }
        Ok(())
    }

    fn is_signed(&self, algorithm: u8, id: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let node = NodeId::named(id);
        algorithm == Self::ALGORITHM
            && node.is_some_and(|node| signature == Self::tag(&node, message))
    }
}
