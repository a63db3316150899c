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
        let chain = pki::Authority::new_ec("chain").unwrap();
        let agency = chain.agency("a").unwrap();
        let own = identity(&agency, pki::Leaf::Node);
        let id = NodeId(own.public_key().unwrap().0);
        let signer = NodeSigner(own.clone());
        let other = identity(&agency, pki::Leaf::Node);
        let rules = other.verifier_of_peers(PeerOptions::default()).unwrap();
        let verifier = NodeVerifier(rules);
        let identified = verifier.identify(&signer.chain()).unwrap();
        assert_eq!(identified.node, id);
        // All nodes of an agency have the same one, and no node of another agency has it.
        let of_other = verifier.identify(&NodeSigner(other.clone()).chain());
        assert_eq!(of_other.unwrap().authority, identified.authority);
        let elsewhere = identity(&chain.agency("a").unwrap(), pki::Leaf::Node);
        let elsewhere = verifier.identify(&NodeSigner(elsewhere).chain()).unwrap();
        assert_ne!(elsewhere.authority, identified.authority);
        let signature = signer.sign(b"statement").unwrap();
        assert_eq!((signer.algorithm(), signer.long_id()), (ECDSA, None));
        assert!(verifier.is_signed(ECDSA, &id.0, b"statement", &signature));
        assert!(!verifier.is_signed(ECDSA, &id.0, b"another", &signature));
        assert!(!verifier.is_signed(ECDSA, &id.0[1..], b"statement", &signature));
        for algorithm in [0, RSA, 3, 200] {
            assert!(!verifier.is_signed(algorithm, &id.0, b"statement", &signature));
        }
        // Keys of RSA chains are longer.
        let authority = pki::RsaAuthority::new("a").unwrap();
        let issued = authority.issue().unwrap();
        let rsa = NodeSigner(
            Identity::from_pem(
                issued.cert_pem.as_bytes(),
                issued.key_pem.as_bytes(),
                authority.cert_pem().as_bytes(),
            )
            .unwrap(),
        );
        let (long, signature) = (rsa.long_id().unwrap(), rsa.sign(b"statement").unwrap());
        assert_eq!((rsa.algorithm(), long.len()), (RSA, 270));
        assert!(verifier.is_signed(RSA, &long, b"statement", &signature));
        assert!(!verifier.is_signed(RSA, &long, b"another", &signature));
        assert!(!verifier.is_signed(ECDSA, &long, b"statement", &signature));
        let signature = signer.sign(b"statement").unwrap();
        let stranger = NodeId(other.public_key().unwrap().0);
        assert!(!verifier.is_signed(ECDSA, &stranger.0, b"statement", &signature));

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
            "an SDK is not a node"
        );
        let nobody = PeerOptions::default().filter(Some(Arc::new(|_: &PublicKey| false)));
        let refused = NodeVerifier(own.verifier_of_peers(nobody).unwrap());
        let refused = refused.identify(&signer.chain());
        assert!(refused.unwrap_err().0.contains("lists"));
        assert_eq!(verifier.admits(&id), Ok(()));
        let nobody = PeerOptions::default().filter(Some(Arc::new(|_: &PublicKey| false)));
        let refused = NodeVerifier(own.verifier_of_peers(nobody).unwrap()).admits(&id);
        assert!(refused.unwrap_err().0.contains("lists"));
    }
}
