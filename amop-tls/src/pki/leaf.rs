//! Leaf certificates with their keys.

use std::fmt;

/// The owner of a leaf certificate; it decides the OU of the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leaf {
    /// A node: `OU=node`.
    Node,
    /// An SDK: `OU=sdk`.
    Sdk,
}

impl Leaf {
    pub(super) fn unit(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Sdk => "sdk",
        }
    }
}

/// A secp256k1 leaf with its key.
#[derive(Clone)]
#[non_exhaustive]
pub struct Issued {
    /// The leaf followed by its issuers up to the root, the content of `node.crt` and `sdk.crt`.
    pub cert_pem: String,
    /// The key, as unencrypted PKCS#8. A secret.
    pub key_pem: String,
    /// x and y of the public key, big-endian: a node's identity.
    pub public_key: [u8; 64],
}

impl Issued {
    /// Returns the public key as 128 lower-case hexadecimal digits, the content of `node.nodeid`
    /// and `sdk.publickey`.
    pub fn node_id(&self) -> String {
        hex::encode(self.public_key)
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("public_key", &self.node_id())
            .finish_non_exhaustive()
    }
}
