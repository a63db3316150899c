//! Agencies with the same name as another one, and keys that may not sign.

use super::*;

/// An agency gives an authority below it the name of another agency. A comparison of names would
/// not notice this.
#[test]
fn an_agency_is_known_by_its_key_and_not_by_its_name() {
    let chain = Authority::new_ec("chain").unwrap();
    let (ours, theirs) = (
        chain.agency("ours").unwrap(),
        chain.agency("theirs").unwrap(),
    );
    let posing = theirs.agency("ours").unwrap();
    let node = issue(&ours, Leaf::Node);
    let done = handshake(
        issue(&ours, Leaf::Sdk).client_config().unwrap(),
        channel(&node),
    );
    assert!(done.ok(), "{:?}", done.server_result);
    for (agency, alike) in [(&theirs, false), (&posing, true)] {
        let sdk = issue(agency, Leaf::Sdk).client_config().unwrap();
        let done = handshake(sdk.clone(), channel(&node));
        match done.server_failure(Mode::Ec) {
            HandshakeFailure::PeerCertificate(e @ VerifyError::IssuerMismatch { .. }) => {
                let text = e.to_string();
                assert!(text.contains("set check_cert_issuer=false"), "{text}");
                assert_eq!(text.contains("with another key"), alike, "{text}");
            }
            other => panic!("{other}"),
        }
        let lenient = ServerOptions::default().check_cert_issuer(false);
        let done = handshake(sdk, node.server_config(lenient).unwrap());
        assert!(done.ok(), "{:?}", done.server_result);
    }
}

/// A leaf without basicConstraints is not accepted either, although FISCO nodes accept it.
#[test]
fn a_bare_leaf_of_another_agency_is_refused() {
    let done = handshake(
        of("otherbare").client_config().unwrap(),
        channel(&of("node")),
    );
    assert!(matches!(
        done.server_failure(Mode::Ec),
        HandshakeFailure::PeerCertificate(VerifyError::IssuerMismatch { .. })
    ));
    // In RSA mode no certificate has basicConstraints, and all are issued by the channel's CA.
    let done = handshake(
        sdk("rsa/sdk").client_config().unwrap(),
        channel(&node("rsa/node0")),
    );
    assert!(done.ok(), "{:?}", done.server_result);
}

/// Without the agency's certificate the keys cannot be compared.
#[test]
fn a_node_whose_issuer_is_not_known_says_so() {
    let agency = Authority::new_ec("chain")
        .unwrap()
        .agency("agency")
        .unwrap();
    let mut issued = agency.issue(Leaf::Node, "x").unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let leaf = issued.cert_pem.find(end).unwrap() + end.len();
    issued.cert_pem.truncate(leaf);
    let node = identity(&issued, &agency);
    match node.server_config(ServerOptions::default()) {
        Err(e @ TlsError::NoIssuer { .. }) => {
            let text = e.to_string();
            assert!(
                text.contains("CN=agency") && text.contains("append"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    let lenient = ServerOptions::default().check_cert_issuer(false);
    assert!(node.server_config(lenient).is_ok());
}

#[test]
fn a_key_that_may_not_sign_is_no_tls_key() {
    let node = of("node");
    let good = of("signonly");
    assert!(
        handshake(
            good.peer_client_config(None).unwrap(),
            node.peer_server_config(None).unwrap()
        )
        .ok()
    );
    let bad = of("nosign");
    let wrong = |failure: HandshakeFailure| {
        let text = failure.source().unwrap().to_string();
        assert!(text.contains("lacks digitalSignature"), "{text}");
        matches!(
            failure,
            HandshakeFailure::PeerCertificate(VerifyError::WrongKeyUsage { .. })
        )
    };
    let done = handshake(bad.client_config().unwrap(), channel(&node));
    assert!(wrong(done.server_failure(Mode::Ec)));
    let done = handshake(of("sdk").client_config().unwrap(), channel(&bad));
    assert!(wrong(done.client_failure(Mode::Ec)));
    let done = handshake(
        bad.peer_client_config(None).unwrap(),
        node.peer_server_config(None).unwrap(),
    );
    assert!(wrong(done.server_failure(Mode::Ec)));
}

#[test]
fn a_list_needs_an_authority_that_may_sign_lists() {
    let node = of("node")
        .with_revocation("lists.crl", &bytes("roles/lists.crl"))
        .unwrap();
    let done = handshake(
        of("oflists").peer_client_config(None).unwrap(),
        node.peer_server_config(None).unwrap(),
    );
    assert!(matches!(
        done.server_failure(Mode::Ec),
        HandshakeFailure::PeerCertificate(VerifyError::Revoked { .. })
    ));
    let error = of("node")
        .with_revocation("nolists.crl", &bytes("roles/nolists.crl"))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("nolists.crl") && text.contains("cRLSign"),
        "{text}"
    );
}

/// If `ca.crt` has a root and the chain's CA below it, peers may send the CA or not.
#[test]
fn an_agency_is_the_same_with_and_without_the_certificates_above_it() {
    let root = Authority::new_ec("root").unwrap();
    let ca = root.agency("chain").unwrap();
    let [one, two] = ["a", "b"].map(|name| ca.agency(name).unwrap());
    let below = one.agency("b").unwrap();
    let issued = [&one, &one, &below, &two].map(|agency| agency.issue(Leaf::Node, "x").unwrap());
    for anchors in [
        [root.cert_pem(), ca.cert_pem()].concat(),
        [ca.cert_pem(), root.cert_pem()].concat(),
    ] {
        let node = one.issue(Leaf::Node, "node").unwrap();
        let files = [&node.cert_pem, &node.key_pem, &anchors].map(|text| text.as_bytes());
        let node = Identity::from_pem(files[0], files[1], files[2]).unwrap();
        let verifier = node.verifier_of_peers(PeerOptions::default()).unwrap();
        let agency = |issued: &Issued, sent: usize| {
            let chain = &chain_of(issued)[..sent];
            let admitted = verifier.verify(chain, Side::Client, UnixTime::now());
            admitted.unwrap().standing.agency_digest()
        };
        let first = agency(&issued[0], 2);
        assert_eq!(agency(&issued[1], 3), first);
        assert_eq!(agency(&issued[1], 4), first);
        assert_eq!(agency(&issued[2], 3), first);
        assert_eq!(agency(&issued[2], 5), first);
        assert_ne!(agency(&issued[3], 2), first);
        assert_eq!(agency(&issued[3], 3), agency(&issued[3], 2));
    }
}
