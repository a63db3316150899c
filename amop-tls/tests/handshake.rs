//! Handshakes between this crate's client and server, in memory, with right and wrong folders of a
//! chain's script.

use std::sync::{Arc, Mutex};

use super::common::*;
use amop_tls::{
    HandshakeFailure, Identity, Mode, PublicKey, ServerOptions, VerifyError, peer_info,
    peer_public_key,
};
use rustls::{
    AlertDescription, CipherSuite, ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion,
    SignatureScheme,
};

const SECP256K1: NamedGroup = NamedGroup::Unknown(0x16);

#[test]
fn ec_channel() {
    let (sdk, node) = (sdk("ec/sdk"), node("ec/node0"));
    let done = handshake(sdk.client_config().unwrap(), channel(&node));
    assert!(
        done.ok(),
        "{:?} {:?}",
        done.client_result,
        done.server_result
    );
    assert_eq!(
        done.client.protocol_version(),
        Some(ProtocolVersion::TLSv1_2)
    );
    assert_eq!(
        done.client.negotiated_cipher_suite().unwrap().suite(),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    );
    let group = done.server.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), SECP256K1);

    let seen = peer_info(done.server.peer_certificates().unwrap()).unwrap();
    let expected = String::from_utf8(bytes("ec/sdk/sdk.publickey")).unwrap();
    assert_eq!(seen.public_key.unwrap().to_string(), expected.trim());
    assert_eq!(seen.public_key, sdk.public_key());
    assert_eq!(seen.name.as_deref(), Some("sdk"));
    assert_eq!(seen.agency.as_deref(), Some("agency"));
    assert_eq!(seen.not_after, sdk.not_after());

    let key = peer_public_key(done.client.peer_certificates().unwrap()).unwrap();
    let expected = String::from_utf8(bytes("ec/node0/node.nodeid")).unwrap();
    assert_eq!(key.to_string(), expected.trim());
}

#[test]
fn rsa_channel_with_version_1_leaves() {
    let (sdk, node) = (sdk("rsa/sdk"), node("rsa/node0"));
    assert_eq!((sdk.mode(), node.mode()), (Mode::Rsa, Mode::Rsa));
    let done = handshake(sdk.client_config().unwrap(), channel(&node));
    assert!(
        done.ok(),
        "{:?} {:?}",
        done.client_result,
        done.server_result
    );
    assert_eq!(
        done.client.negotiated_cipher_suite().unwrap().suite(),
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    );
    let seen = peer_info(done.server.peer_certificates().unwrap()).unwrap();
    assert_eq!(seen.public_key, None);
    assert_eq!(seen.agency.as_deref(), Some("agency"));
    let err = peer_public_key(done.server.peer_certificates().unwrap()).unwrap_err();
    assert!(matches!(err, VerifyError::NoPublicKey { .. }), "{err}");
}

#[test]
fn p2p() {
    let (a, b) = (node("ec/node0"), node("ec/node1"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let filter = |name: &'static str| {
        let seen = seen.clone();
        Arc::new(move |id: &PublicKey| {
            seen.lock().unwrap().push((name, *id));
            true
        })
    };
    let done = handshake(
        a.peer_client_config(Some(filter("client"))).unwrap(),
        b.peer_server_config(Some(filter("server"))).unwrap(),
    );
    assert!(
        done.ok(),
        "{:?} {:?}",
        done.client_result,
        done.server_result
    );
    assert_eq!(
        *seen.lock().unwrap(),
        [
            ("client", b.public_key().unwrap()),
            ("server", a.public_key().unwrap())
        ]
    );
}

#[test]
fn p2p_lists_refuse_on_both_sides() {
    let (a, b) = (node("ec/node0"), node("ec/node1"));
    let all_but = |id: PublicKey| Some(Arc::new(move |peer: &PublicKey| *peer != id) as _);
    let (id_a, id_b) = (a.public_key().unwrap(), b.public_key().unwrap());

    let done = handshake(
        a.peer_client_config(None).unwrap(),
        b.peer_server_config(all_but(id_a)).unwrap(),
    );
    match done.server_failure(Mode::Ec) {
        HandshakeFailure::PeerCertificate(VerifyError::Filtered { public_key }) => {
            assert_eq!(public_key, id_a);
        }
        other => panic!("{other}"),
    }
    assert!(matches!(
        done.client_failure(Mode::Ec),
        HandshakeFailure::OursRefused { .. }
    ));

    let done = handshake(
        a.peer_client_config(all_but(id_b)).unwrap(),
        b.peer_server_config(None).unwrap(),
    );
    assert!(matches!(
        done.client_failure(Mode::Ec),
        HandshakeFailure::PeerCertificate(VerifyError::Filtered { public_key }) if public_key == id_b
    ));
}

#[test]
fn channel_lists_refuse_an_sdk() {
    let (sdk, node) = (sdk("ec/sdk"), node("ec/node0"));
    let options = ServerOptions::default().filter(Arc::new(|_: &PublicKey| false));
    let done = handshake(
        sdk.client_config().unwrap(),
        node.server_config(options).unwrap(),
    );
    assert!(matches!(
        done.server_failure(Mode::Ec),
        HandshakeFailure::PeerCertificate(VerifyError::Filtered { .. })
    ));
}

#[test]
fn p2p_needs_a_node_id() {
    let rsa = node("rsa/node0");
    let err = rsa.peer_client_config(None).unwrap_err().to_string();
    assert!(
        err.contains("node.crt") && err.contains("secp256k1"),
        "{err}"
    );
    assert!(rsa.peer_server_config(None).is_err());
    let anonymous = odd("nobasic").peer_server_config(None).unwrap_err();
    assert!(
        matches!(anonymous, amop_tls::TlsError::NoNodeId { .. }),
        "{anonymous}"
    );
}

/// The names in another chain are the same as in this one.
#[test]
fn foreign_chains_are_refused_by_both_sides() {
    let (ours, foreign) = (node("ec/node0"), sdk("foreign"));
    let done = handshake(foreign.client_config().unwrap(), channel(&ours));
    assert!(matches!(
        done.client_failure(Mode::Ec),
        HandshakeFailure::PeerUnknownIssuer
    ));

    // A client that trusts this chain's CA but has a certificate of the other chain.
    let client = client_with(
        &sdk("ec/sdk"),
        raw_key(certs("foreign/sdk.crt"), "foreign/sdk.key"),
    );
    let done = handshake(client, channel(&ours));
    assert!(matches!(
        done.server_failure(Mode::Ec),
        HandshakeFailure::PeerUnknownIssuer
    ));
    match done.client_failure(Mode::Ec) {
        HandshakeFailure::OursRefused { alert, .. } => {
            assert_eq!(alert, AlertDescription::UnknownCA);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn expired_client() {
    let done = handshake(
        sdk("expired").client_config().unwrap(),
        channel(&node("ec/node0")),
    );
    match done.server_failure(Mode::Ec) {
        HandshakeFailure::PeerExpired { not_after } => assert_eq!(not_after, Some(1_609_459_200)),
        other => panic!("{other}"),
    }
    match done.client_failure(Mode::Ec) {
        HandshakeFailure::OursRefused { alert, .. } => {
            assert_eq!(alert, AlertDescription::CertificateExpired);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn validity_is_judged_at_the_time_given() {
    let (sdk, node) = (sdk("ec/sdk"), node("ec/node0"));
    let end = sdk.not_after();
    for (client_time, server_time, good) in [
        (end, end, true),
        (end + 1, end, false),
        (end, end + 1, false),
        (0, end, false),
        (end, 0, false),
    ] {
        let done = handshake(
            client_at(sdk.client_config().unwrap(), client_time),
            server_at(channel(&node), server_time),
        );
        assert_eq!(done.ok(), good, "{client_time} {server_time}");
        if client_time == 0 {
            assert!(matches!(
                done.client_failure(Mode::Ec),
                HandshakeFailure::PeerNotYetValid
            ));
        }
        if server_time == end + 1 {
            assert!(matches!(
                done.server_failure(Mode::Ec),
                HandshakeFailure::PeerExpired { .. }
            ));
        }
    }
}

#[test]
fn client_without_certificate() {
    let base = sdk("ec/sdk");
    let mut config = (*base.client_config().unwrap()).clone();
    config.client_auth_cert_resolver = Arc::new(NoCertificate);
    let done = handshake(Arc::new(config), channel(&node("ec/node0")));
    assert!(matches!(
        done.server_failure(Mode::Ec),
        HandshakeFailure::PeerSentNoCertificate
    ));
    match done.client_failure(Mode::Ec) {
        HandshakeFailure::OursRefused { reason, .. } => assert!(reason.contains("we sent none")),
        other => panic!("{other}"),
    }
}

#[derive(Debug)]
struct NoCertificate;

impl rustls::client::ResolvesClientCert for NoCertificate {
    fn resolve(
        &self,
        hints: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        // The CertificateRequest names no CAs (channel-v2 section 2.4), and one scheme, followed by
        // that of older JDKs.
        assert!(hints.is_empty());
        let schemes_of_sdks = [
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_SHA1_Legacy,
        ];
        assert_eq!(schemes, schemes_of_sdks);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// FISCO nodes answer this with alert 48, too.
#[test]
fn leaf_without_its_agency() {
    let mut chain = certs("ec/sdk/sdk.crt");
    chain.truncate(1);
    let client = client_with(&sdk("ec/sdk"), raw_key(chain, "ec/sdk/sdk.key"));
    let done = handshake(client, channel(&node("ec/node0")));
    assert!(matches!(
        done.server_failure(Mode::Ec),
        HandshakeFailure::PeerUnknownIssuer
    ));
    match done.client_failure(Mode::Ec) {
        HandshakeFailure::OursRefused { alert, reason } => {
            assert_eq!(alert, AlertDescription::UnknownCA);
            assert!(reason.contains("lacks the agency certificate"));
        }
        other => panic!("{other}"),
    }
}

/// The owner of a certificate must also have its key.
#[test]
fn stolen_certificate() {
    let client = client_with(
        &sdk("ec/sdk"),
        raw_key(certs("ec/sdk/sdk.crt"), "ec/node1/node.key"),
    );
    let done = handshake(client, channel(&node("ec/node0")));
    assert!(matches!(
        done.server_failure(Mode::Ec),
        HandshakeFailure::PeerSignature
    ));
    let mut server = (*channel(&node("ec/node0"))).clone();
    server.cert_resolver = raw_key(certs("ec/node0/node.crt"), "ec/node1/node.key");
    let done = handshake(sdk("ec/sdk").client_config().unwrap(), Arc::new(server));
    assert!(matches!(
        done.client_failure(Mode::Ec),
        HandshakeFailure::PeerSignature
    ));
}

#[test]
fn modes_do_not_mix() {
    // The node is in EC mode, the SDK folder is of RSA mode, so there is no common suite.
    let done = handshake(
        sdk("rsa/sdk").client_config().unwrap(),
        channel(&node("ec/node0")),
    );
    assert!(matches!(
        done.server_failure(Mode::Ec),
        HandshakeFailure::NothingInCommon {
            what: "cipher suite",
            mode: Mode::Ec
        }
    ));
    let told = done.client_failure(Mode::Rsa);
    assert!(matches!(told, HandshakeFailure::StaticRsaOnly), "{told}");

    let done = handshake(
        sdk("ec/sdk").client_config().unwrap(),
        channel(&node("rsa/node0")),
    );
    let told = done.client_failure(Mode::Ec);
    assert!(matches!(told, HandshakeFailure::Refused), "{told}");
    assert!(told.to_string().contains("rsa_crypto_channel"));

    // The EC node accepts only ECDSA signatures, so no RSA certificate is sent.
    let client = client_with(
        &sdk("ec/sdk"),
        raw_key(certs("rsa/sdk/sdk.crt"), "rsa/sdk/sdk.key"),
    );
    let done = handshake(client, channel(&node("ec/node0")));
    assert!(matches!(
        done.server_failure(Mode::Ec),
        HandshakeFailure::PeerSentNoCertificate
    ));
}

/// A flipped bit anywhere in the client's bytes must end the handshake.
#[test]
fn tampering_ends_the_handshake() {
    let (sdk, node) = (sdk("ec/sdk"), node("ec/node0"));
    let (client, server) = (sdk.client_config().unwrap(), channel(&node));
    let mut second = 0;
    handshake_tampered(client.clone(), server.clone(), {
        let mut flight = 0;
        let second = &mut second;
        move |wire| {
            flight += 1;
            if flight == 2 {
                *second = wire.len();
            }
        }
    });
    assert!(
        second > 1000,
        "certificate, key exchange, signature, finished"
    );
    // Changes of record headers are either harmless or make the handshake fail, too.
    for at in (5..second - 10).step_by(37) {
        let mut flight = 0;
        let done = handshake_tampered(client.clone(), server.clone(), |wire| {
            flight += 1;
            // ECDSA signatures vary in length, so the end is not at a fixed position.
            if flight == 2 && at < wire.len() {
                wire[at] ^= 1;
            }
        });
        assert!(!done.ok() || done.server.is_handshaking(), "byte {at}");
        assert!(done.server_result.is_err() || done.server.is_handshaking());
    }
}

#[test]
fn tls_1_3_only_peers() {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let done = handshake(Arc::new(client), channel(&node("ec/node0")));
    assert!(matches!(
        done.server_failure(Mode::Ec),
        HandshakeFailure::Version
    ));
    let told = done.client_failure(Mode::Ec);
    assert!(matches!(told, HandshakeFailure::Version), "{told}");
}

#[test]
fn offers() {
    for mode in [Mode::Ec, Mode::Rsa] {
        let provider = amop_tls::crypto_provider(mode);
        let groups: Vec<_> = provider.kx_groups.iter().map(|g| g.name()).collect();
        assert_eq!(groups[..2], [SECP256K1, NamedGroup::secp256r1]);
        assert!(!groups.contains(&NamedGroup::X25519));
        assert_eq!(groups.len(), if mode == Mode::Ec { 2 } else { 3 });
        assert!(provider.cipher_suites.iter().all(|s| s.tls13().is_none()));
    }
}

/// Every connection is verified again, so a list that changed in between applies.
#[test]
fn no_session_is_resumed() {
    let (sdk, node) = (sdk("ec/sdk"), node("ec/node0"));
    let (client, server) = (sdk.client_config().unwrap(), channel(&node));
    for _ in 0..2 {
        let done = handshake(client.clone(), server.clone());
        assert!(done.ok());
        assert_eq!(done.client.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(done.server.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(done.server.peer_certificates().unwrap().len(), 3);
    }
}

#[test]
fn own_chain_check() {
    let good = sdk("ec/sdk");
    assert_eq!(good.check_chain(time(good.not_after())), Ok(()));
    let expired = sdk("expired");
    assert!(matches!(
        expired.check_chain(time(expired.not_after() + 1)),
        Err(VerifyError::Expired { .. })
    ));
    let bare: Vec<u8> = bytes("ec/sdk/sdk.crt");
    let end = b"-----END CERTIFICATE-----\n";
    let cut = bare.windows(end.len()).position(|w| w == end).unwrap() + end.len();
    let bare = Identity::from_pem(
        &bare[..cut],
        &bytes("ec/sdk/sdk.key"),
        &bytes("ec/sdk/ca.crt"),
    );
    let bare = bare.unwrap();
    assert!(matches!(
        bare.check_chain(time(good.not_after())),
        Err(VerifyError::UnknownIssuer { .. })
    ));
}
