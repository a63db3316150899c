//! Signing and verifying statements. Both are injected, because keys and certificates are not part
//! of the protocol's logic.

use std::fmt;

use bytes::Bytes;

use crate::p2p::NodeId;

/// A node's signing key and certificates.
///
/// The node machine calls it when its statement changes, at most about 20 times a second; it must
/// not block.
pub trait StatementSigner: fmt::Debug + Send + Sync {
    /// Returns the number of the algorithm: 1 is ECDSA on secp256k1 with SHA-256, in DER; 2 is RSA
    /// with PKCS#1 v1.5 and SHA-256. The others up to 127 are reserved; those from 128 on are for
    /// tests.
    fn algorithm(&self) -> u8;

    /// Returns the node's full ID, if it is longer than the 64 bytes of its name (see
    /// [`NodeId::named`]). The node's records contain it, since their signatures are verified with
    /// it.
    fn long_id(&self) -> Option<Bytes> {
        None
    }

    /// Signs a message with the node's key. `None` if the key is not usable at the moment; the
    /// statement is tried again later.
    fn sign(&self, message: &[u8]) -> Option<Bytes>;

    /// Returns the node's certificate and those that lead from it to the CA, in DER. The node's ID
    /// follows from the first.
    fn chain(&self) -> Vec<Bytes>;
}

/// Why an identity is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdentityRefusal(pub String);

/// A node's identity according to its certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identified {
    /// The node's ID.
    pub node: NodeId,
    /// A digest that distinguishes the node's agency from all others, whatever its name is: scarce
    /// resources are shared by agency.
    pub authority: [u8; 32],
}

/// Decides which identities of other nodes to accept: the rules of the P2P port, for nodes that are
/// not neighbours.
///
/// All functions may take hundreds of microseconds, so they are called without the node's lock.
/// They must not block.
pub trait StatementVerifier: fmt::Debug + Send + Sync {
    /// Returns the node with these certificates (in DER, its own first). They must lead to the CA,
    /// belong to a node, be unexpired and not revoked, and the node's access lists must admit the
    /// node.
    ///
    /// # Errors
    ///
    /// [`IdentityRefusal`] with the rule that is violated.
    fn identify(&self, chain: &[Bytes]) -> Result<Identified, IdentityRefusal>;

    /// Checks whether the access lists admit a FISCO node of which there are no certificates,
    /// because it is behind another node.
    ///
    /// # Errors
    ///
    /// [`IdentityRefusal`] if they do not.
    fn admits(&self, fisco: &NodeId) -> Result<(), IdentityRefusal>;

    /// Returns whether the node with this full ID signed the message.
    fn is_signed(&self, algorithm: u8, id: &[u8], message: &[u8], signature: &[u8]) -> bool;
}

/// Signs and verifies with one secret that all nodes share. It is only for simulations and tests,
/// where it replaces keys and certificates and costs one hash. It proves nothing between nodes that
/// do not trust each other.
#[cfg(feature = "test-util")]
#[derive(Debug, Clone)]
pub struct SharedSecret {
    node: NodeId,
    /// Nodes that are not admitted. Clones share the set.
    refused: std::sync::Arc<std::sync::RwLock<std::collections::BTreeSet<NodeId>>>,
}

#[cfg(feature = "test-util")]
impl SharedSecret {
    /// The number of this algorithm.
    pub const ALGORITHM: u8 = 200;

    /// Creates the signer of a node, which is also a verifier.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            refused: std::sync::Arc::default(),
        }
    }

    /// Makes this verifier refuse a node from now on.
    pub fn refuse(&self, node: NodeId) {
        let mut refused = self
            .refused
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        refused.insert(node);
    }

    /// Returns the agency of a node. In tests the last byte of the ID says it: sixteen nodes belong
    /// to one agency.
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
impl StatementSigner for SharedSecret {
    fn algorithm(&self) -> u8 {
        Self::ALGORITHM
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&Self::tag(&self.node, message)))
    }

    fn chain(&self) -> Vec<Bytes> {
        // The certificate of a test is just the ID.
        vec![Bytes::copy_from_slice(&self.node.0)]
    }
}

#[cfg(feature = "test-util")]
impl StatementVerifier for SharedSecret {
    fn identify(&self, chain: &[Bytes]) -> Result<Identified, IdentityRefusal> {
        let first = chain.first().and_then(|first| first[..].try_into().ok());
        let node = NodeId(first.ok_or_else(|| IdentityRefusal("no certificate of a test".into()))?);
        let authority = Self::agency_of(&node);
        self.admits(&node).map(|()| Identified { node, authority })
    }

    fn admits(&self, node: &NodeId) -> Result<(), IdentityRefusal> {
        let refused = self
            .refused
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if refused.contains(node) {
            return Err(IdentityRefusal(format!("the lists do not let {node} in")));
        }
        Ok(())
    }

    fn is_signed(&self, algorithm: u8, id: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let node = NodeId::named(id);
        algorithm == Self::ALGORITHM
            && node.is_some_and(|node| signature == Self::tag(&node, message))
    }
}
