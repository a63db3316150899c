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
