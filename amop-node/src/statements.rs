//! What nodes state to each other, signed with the keys of their certificates.

use amop_proto::p2p::{
    NodeId,
    mesh::{Refusal, Signer, Verifier},
};
use amop_tls::{Identity, PeerVerifier, PublicKey, Side};
use bytes::Bytes;
use rustls::pki_types::{CertificateDer, UnixTime};

/// ECDSA on secp256k1 with SHA-256, in DER.
const ALGORITHM: u8 = 1;

/// Signs with this node's key.
#[derive(Debug)]
pub(crate) struct NodeSigner(pub(crate) Identity);

impl Signer for NodeSigner {
    fn algorithm(&self) -> u8 {
        ALGORITHM
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        self.0.sign_statement(message).map(Bytes::from)
    }

    fn chain(&self) -> Vec<Bytes> {
        let chain = self.0.chain().iter();
        chain.map(|der| Bytes::copy_from_slice(der)).collect()
    }
}

/// Believes whom the P2P port lets in.
#[derive(Debug)]
pub(crate) struct NodeVerifier(pub(crate) PeerVerifier);

impl Verifier for NodeVerifier {
    fn identify(&self, chain: &[Bytes]) -> Result<NodeId, Refusal> {
        let chain: Vec<CertificateDer<'_>> = chain
            .iter()
            .map(|der| CertificateDer::from(&der[..]))
            .collect();
        let admitted = self.0.verify(&chain, Side::Client, UnixTime::now());
        let key = admitted.map(|admitted| admitted.info.public_key);
        match key {
            Ok(Some(key)) => Ok(NodeId(key.0)),
            Ok(None) => Err(Refusal("its certificate gives no node ID".into())),
            Err(error) => Err(Refusal(error.to_string())),
        }
    }

    fn is_signed(&self, algorithm: u8, node: &NodeId, message: &[u8], signature: &[u8]) -> bool {
        algorithm == ALGORITHM && PublicKey(node.0).signed_statement(message, signature)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use amop_tls::{PeerOptions, pki};

    use super::*;

    fn identity(agency: &pki::Agency, leaf: pki::Leaf) -> Identity {
        let issued = agency.issue(leaf, "node0").unwrap();
        Identity::from_pem(
            issued.cert_pem.as_bytes(),
            issued.key_pem.as_bytes(),
            agency.root_pem().as_bytes(),
        )
        .unwrap()
    }

    #[test]
    fn what_a_node_signs_is_believed_by_nodes_of_its_chain() {
        let agency = pki::Authority::new_ec("chain")
            .unwrap()
            .agency("a")
            .unwrap();
        let own = identity(&agency, pki::Leaf::Node);
        let id = NodeId(own.public_key().unwrap().0);
        let signer = NodeSigner(own.clone());
        let other = identity(&agency, pki::Leaf::Node);
        let rules = other.verifier_of_peers(PeerOptions::default()).unwrap();
        let verifier = NodeVerifier(rules);
        assert_eq!(verifier.identify(&signer.chain()), Ok(id));
        let signature = signer.sign(b"statement").unwrap();
        assert!(verifier.is_signed(ALGORITHM, &id, b"statement", &signature));
        assert!(!verifier.is_signed(ALGORITHM, &id, b"another", &signature));
        assert!(!verifier.is_signed(2, &id, b"statement", &signature));
        let stranger = NodeId(other.public_key().unwrap().0);
        assert!(!verifier.is_signed(ALGORITHM, &stranger, b"statement", &signature));

        let foreign = pki::Authority::new_ec("other")
            .unwrap()
            .agency("a")
            .unwrap();
        let foreign = NodeSigner(identity(&foreign, pki::Leaf::Node));
        assert!(verifier.identify(&foreign.chain()).is_err());
        assert!(verifier.identify(&[]).is_err());
        let sdk = NodeSigner(identity(&agency, pki::Leaf::Sdk));
        assert!(
            verifier.identify(&sdk.chain()).is_err(),
            "an SDK is no node"
        );
        let nobody = PeerOptions::default().filter(Some(Arc::new(|_: &PublicKey| false)));
        let refused = NodeVerifier(own.verifier_of_peers(nobody).unwrap());
        let refused = refused.identify(&signer.chain());
        assert!(refused.unwrap_err().0.contains("lists"));
    }
}
