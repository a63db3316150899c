//! [`PeerFilter`]: the lists of keys that may connect.

use crate::key::PublicKey;

/// Decides which keys may connect: the black and white lists of a node, which are applied during
/// the handshake (p2p-v2 section 2.2).
///
/// Any `Fn(&PublicKey) -> bool` is a filter. It is called in every handshake, by the task that runs
/// the handshake, so it must be quick and must not block.
pub trait PeerFilter: Send + Sync {
    /// Returns `true` to accept the peer.
    fn allow(&self, peer: &PublicKey) -> bool;
}

impl<F: Fn(&PublicKey) -> bool + Send + Sync> PeerFilter for F {
    fn allow(&self, peer: &PublicKey) -> bool {
        self(peer)
    }
}
