//! Pinned nodes.

use std::error::Error;

use super::*;

#[test]
fn pinned_nodes_are_the_only_ones() {
    let agency = Authority::new_ec("chain")
        .unwrap()
        .agency("agency")
        .unwrap();
    let (right, other) = (issue(&agency, Leaf::Node), issue(&agency, Leaf::Node));
    let sdk = issue(&agency, Leaf::Sdk);
    let id = right.public_key().unwrap();
    let pinned = |keys: Vec<NodeKey>| {
        let options = ClientOptions::default().node_keys(keys);
        sdk.dialling(&sdk.verifier_of_nodes(options)).unwrap()
    };
    let foreign = NodeKey::from([7; 64]);
    let client = pinned(vec![foreign.clone(), id.into()]);
    assert!(handshake(client.clone(), channel(&right)).ok());
    let done = handshake(client, channel(&other));
    let failure = done.client_failure(Mode::Ec);
    let text = failure.source().unwrap().to_string();
    let came = other.public_key().unwrap().to_string();
    assert!(text.contains(&came) && text.contains("node_keys"), "{text}");
    // An empty list accepts no node; a key that is listed twice does no harm.
    assert!(!handshake(pinned(Vec::new()), channel(&right)).ok());
    assert!(handshake(pinned(vec![id.into(), id.into()]), channel(&right)).ok());
}

/// RSA certificates have no node ID. The error shows the key to pin, and pinning it works.
#[test]
fn rsa_nodes_are_pinned_by_what_the_error_shows() {
    let (sdk, node) = (sdk("rsa/sdk"), node("rsa/node0"));
    let connect = |key: NodeKey| {
        let options = ClientOptions::default().node_keys([key]);
        let client = sdk.dialling(&sdk.verifier_of_nodes(options)).unwrap();
        handshake(client, channel(&node))
    };
    let done = connect(NodeKey::from(PublicKey([1; 64])));
    let key = match done.client_failure(Mode::Rsa) {
        HandshakeFailure::PeerCertificate(VerifyError::NotPinned { key, .. }) => key,
        other => panic!("{other}"),
    };
    assert!(connect(key.parse().unwrap()).ok());
}
