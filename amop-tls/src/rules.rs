//! The rules and lists of a port.

use std::sync::Arc;

use crate::filter::PeerFilter;
use crate::issuer::OwnIssuer;
use crate::pin::NodeKey;
use crate::revoke::Revoked;

/// The rules for a leaf, in addition to a valid path.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    /// The key that must have signed a client's leaf.
    pub(crate) issuer: Option<OwnIssuer>,
    /// Whether the leaf must yield a node ID.
    pub(crate) need_public_key: bool,
    /// Whether an SDK's certificate is refused.
    pub(crate) no_sdks: bool,
    /// The only keys that are accepted.
    pub(crate) pins: Option<Arc<[NodeKey]>>,
    /// Whether the leaf's key may decrypt instead of signing: static RSA.
    pub(crate) may_decipher: bool,
    /// Whether clients with secp256k1 keys may sign with SHA-1.
    pub(crate) sha1_signatures: bool,
}

/// The lists that can be replaced.
#[derive(Clone, Default)]
pub(crate) struct ReplaceableLists {
    pub(crate) revoked: Revoked,
    pub(crate) filter: Option<Arc<dyn PeerFilter>>,
}
