//! The generations of FISCO BCOS, and which of them a client speaks to a node.

use std::fmt;

use amop_tls::{Identity, Mode};

/// The generation of FISCO BCOS whose protocol a client speaks to its nodes.
///
/// The two generations have nothing in common on the wire: a node of 2.x has its channel port, a node
/// of 3.x a WebSocket on its RPC port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// The client finds it out for each endpoint. It begins with what its certificates suggest: 3.x
    /// with RSA, 2.x otherwise. If the node's answer shows that it is of the other generation, the
    /// client connects a second time, within the same
    /// [`connect_timeout`](crate::ClientBuilder::connect_timeout). Without TLS it is always 3.x, and with
    /// `Tls::legacy_rsa`, which only nodes of 2.x need, always 2.x.
    ///
    /// What shows this: to 3.x any answer that is not HTTP, the end of the connection, or 2 s of silence; to 2.x anything that is not a frame, or the end of the connection before the
    /// version handshake. Silence of a node to which 2.x was spoken shows nothing, because old nodes
    /// of 2.x do not answer the handshake.
    ///
    /// The client begins with the generation that an endpoint had last; a node of 3.x that is known has
    /// half of the time for its answer instead of 2 s.
    #[default]
    Auto,
    /// FISCO BCOS 2.x.
    V2,
    /// FISCO BCOS 3.x.
    V3,
}

/// The generation of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Generation {
    /// FISCO BCOS 2.x, or an overlay node's channel port.
    V2,
    /// FISCO BCOS 3.x, or an overlay node's port for SDKs of 3.x.
    V3,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "2.x",
            Self::V3 => "3.x",
        })
    }
}

impl Protocol {
    /// Returns the generations to try with these certificates, the most likely first.
    pub(crate) fn generations(self, identity: Option<&Identity>) -> &'static [Generation] {
        const V2_FIRST: &[Generation] = &[Generation::V2, Generation::V3];
        const V3_FIRST: &[Generation] = &[Generation::V3, Generation::V2];
        match (self, identity.map(Identity::mode)) {
            (Self::V2, _) => &[Generation::V2],
            (Self::V3, _) => &[Generation::V3],
            // Nodes of 2.x always have TLS.
            (Self::Auto, None) => &[Generation::V3],
            (Self::Auto, Some(Mode::Rsa)) => V3_FIRST,
            (Self::Auto, Some(_)) => V2_FIRST,
        }
    }
}
