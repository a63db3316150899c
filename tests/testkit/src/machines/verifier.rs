//! A node that checks nothing.

use amop_proto::p2p::{
    NodeId,
    mesh::{Identified, IdentityRefusal, SharedSecret, StatementVerifier},
};
use bytes::Bytes;

/// Accepts every signature, but no certificates of another node.
#[derive(Debug)]
pub struct Gullible(pub SharedSecret);

impl StatementVerifier for Gullible {
    fn identify(&self, chain: &[Bytes]) -> Result<Identified, IdentityRefusal> {
        self.0.identify(chain)
    }

    fn admits(&self, fisco: &NodeId) -> Result<(), IdentityRefusal> {
        self.0.admits(fisco)
    }

    fn is_signed(&self, _: u8, _: &[u8], _: &[u8], _: &[u8]) -> bool {
        true
    }
}
