//! The statements that nodes send to each other, signed with the keys of their certificates.

use amop_proto::p2p::{
    NodeId,
    mesh::{Identified, IdentityRefusal, StatementSigner, StatementVerifier},
};
use amop_tls::{
    Identity, Mode, PeerVerifier, PublicKey, Side, rsa_public_key, rsa_signed_statement,
};
use bytes::Bytes;
use rustls::pki_types::{CertificateDer, UnixTime};

/// ECDSA on secp256k1 with SHA-256, in DER.
const ECDSA: u8 = 1;

/// RSA with PKCS#1 v1.5 and SHA-256.
const RSA: u8 = 2;

/// Signs with this node's key.
#[derive(Debug)]
pub(crate) struct NodeSigner(pub(crate) Identity);

impl StatementSigner for NodeSigner {
    fn algorithm(&self) -> u8 {
        match self.0.mode() {
            Mode::Ec => ECDSA,
            _ => RSA,
        }
    }

    fn long_id(&self) -> Option<Bytes> {
        let own = self.0.chain().first()?;
        rsa_public_key(own).map(Bytes::from)
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        self.0.sign_statement(message).map(Bytes::from)
    }

    fn chain(&self) -> Vec<Bytes> {
        let chain = self.0.chain().iter();
        chain.map(|der| Bytes::copy_from_slice(der)).collect()
    }
}

/// Accepts statements of nodes that the P2P port would admit.
#[derive(Debug)]
pub(crate) struct NodeVerifier(pub(crate) PeerVerifier);

impl StatementVerifier for NodeVerifier {
    fn identify(&self, chain: &[Bytes]) -> Result<Identified, IdentityRefusal> {
        let chain: Vec<CertificateDer<'_>> = chain
            .iter()
            .map(|der| CertificateDer::from(&der[..]))
            .collect();
        let admitted = self.0.verify(&chain, Side::Client, UnixTime::now());
        let admitted = admitted.map_err(|error| IdentityRefusal(error.to_string()))?;
        let node = match admitted.info.public_key {
            Some(key) => Some(NodeId(key.0)),
            // Nodes of RSA chains have their whole key as their ID.
            None => chain
                .first()
                .and_then(rsa_public_key)
                .and_then(|id| NodeId::named(&id)),
        };
        let node =
            node.ok_or_else(|| IdentityRefusal("its certificate gives no node ID".into()))?;
        let authority = admitted.standing.agency_digest();
        Ok(Identified { node, authority })
    }

    fn admits(&self, fisco: &NodeId) -> Result<(), IdentityRefusal> {
        if self.0.lists_admit(&PublicKey(fisco.0)) {
            Ok(())
        } else {
            Err(IdentityRefusal(
                "the lists of this node do not let it in".into(),
            ))
        }
    }

    fn is_signed(&self, algorithm: u8, id: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match algorithm {
            ECDSA => id
                .try_into()
                .is_ok_and(|key| PublicKey(key).signed_statement(message, signature)),
            RSA => rsa_signed_statement(id, message, signature),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
