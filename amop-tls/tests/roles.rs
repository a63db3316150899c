//! The roles of certificates, and where each is accepted: nodes, SDKs, agencies with the same name
//! as another one, keys that may not sign; and lists that are replaced.
#![forbid(unsafe_code)]

mod common;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use amop_tls::pki::{Agency, Authority, Issued, Leaf, Validity};
use amop_tls::{
    AdmissionLapse, ClientOptions, HandshakeFailure, Identity, Mode, NodeKey, PeerOptions,
    PublicKey, Role, ServerOptions, Side, TlsError, VerifyError, peer_info,
};
use common::*;
use rustls::pki_types::{CertificateDer, UnixTime, pem::PemObject};

fn role(file: &str) -> Role {
    peer_info(&certs(file)).unwrap().role
}

/// Certificates made by the scripts of all kinds of chain.
#[test]
fn real_certificates_say_whose_they_are_or_do_not() {
    for (file, expected) in [
        ("ec/node0/node.crt", Role::Node),
        ("ec/sdk/sdk.crt", Role::Sdk),
        // In the RSA channel of 2.x all subjects are alike.
        ("rsa/node0/node.crt", Role::Unknown),
        ("rsa/sdk/sdk.crt", Role::Unknown),
        ("roles/real/v2.0-sdk.crt", Role::Node),
        ("roles/real/gmnode.crt", Role::Node),
        ("roles/real/gmennode.crt", Role::Node),
        ("roles/real/gmsdk.crt", Role::Sdk),
        ("roles/real/gmensdk.crt", Role::Sdk),
        ("roles/real/sm_ssl.crt", Role::Node),
        ("roles/real/sm_enssl.crt", Role::Node),
        ("roles/real/sm_sdk.crt", Role::Sdk),
        ("roles/real/sm_ensdk.crt", Role::Sdk),
        ("roles/real/v3-ssl.crt", Role::Unknown),
        ("roles/real/v3-sdk.crt", Role::Unknown),
    ] {
        assert_eq!(role(file), expected, "{file}");
    }
}

const SDKS: [&str; 10] = [
    "sdk",
    "upper",
    "padded",
    "ensdk",
    "bmp",
    "printable",
    "teletex",
    "second",
    "first",
    "multi",
];

const NO_SDKS: [&str; 4] = ["node", "ssl", "agencies", "cn"];

fn of(name: &str) -> Identity {
    Identity::from_pem(
        &bytes(&format!("roles/{name}.crt")),
        &bytes(&format!("roles/{name}.key")),
        &bytes("roles/ca.crt"),
    )
    .unwrap()
}

fn refused_as_sdk(failure: &HandshakeFailure) -> bool {
    let text = failure.to_string();
    matches!(
        failure,
        HandshakeFailure::PeerCertificate(VerifyError::SdkCertificate { .. })
    ) && text.contains("CN=")
        && text.contains("sdk_certificates_as_nodes")
}

#[test]
fn no_sdk_is_a_node_for_nodes_either_way() {
    let node = of("node");
    let (dial, listen) = (
        node.peer_client_config(None).unwrap(),
        node.peer_server_config(None).unwrap(),
    );
    for name in NO_SDKS {
        let other = of(name);
        let done = handshake(other.peer_client_config(None).unwrap(), listen.clone());
        assert!(done.ok(), "{name}: {:?}", done.server_result);
        let done = handshake(dial.clone(), other.peer_server_config(None).unwrap());
        assert!(done.ok(), "{name}: {:?}", done.client_result);
    }
    for name in SDKS {
        let sdk = of(name);
        assert_eq!(sdk.role(), Role::Sdk, "{name}");
        let done = handshake(sdk.peer_client_config(None).unwrap(), listen.clone());
        assert!(refused_as_sdk(&done.server_failure(Mode::Ec)), "{name}");
        // The alert's text names the possible reason.
        let told = done.client_failure(Mode::Ec).to_string();
        assert!(
            told.contains("an SDK's where a node's is required"),
            "{told}"
        );
        let done = handshake(dial.clone(), sdk.peer_server_config(None).unwrap());
        assert!(refused_as_sdk(&done.client_failure(Mode::Ec)), "{name}");
    }
}

#[test]
fn no_sdk_is_a_node_for_sdks() {
    let client = of("sdk").client_config().unwrap();
    for name in NO_SDKS {
        let done = handshake(client.clone(), channel(&of(name)));
        assert!(done.ok(), "{name}: {:?}", done.client_result);
    }
    for name in SDKS {
        let done = handshake(client.clone(), channel(&of(name)));
        assert!(refused_as_sdk(&done.client_failure(Mode::Ec)), "{name}");
    }
}

/// Chains created before 2.1 have SDKs with OU=node, and some unusual chains have nodes with
/// OU=sdk.
#[test]
fn the_channel_takes_nodes_and_the_switch_takes_sdks() {
    let (node, sdk) = (of("node"), of("sdk"));
    for who in ["node", "ssl", "agencies", "sdk", "multi"] {
        let done = handshake(of(who).client_config().unwrap(), channel(&node));
        assert!(done.ok(), "{who}: {:?}", done.server_result);
    }
    let peers = |identity: &Identity| {
        let options = PeerOptions::default().sdk_certificates_as_nodes(true);
        identity.verifier_of_peers(options).unwrap()
    };
    let dial = node.dialling(&peers(&node)).unwrap();
    assert!(handshake(dial, sdk.listening(&peers(&sdk)).unwrap()).ok());
    let dial = sdk.dialling(&peers(&sdk)).unwrap();
    assert!(handshake(dial, node.listening(&peers(&node)).unwrap()).ok());
    let options = ClientOptions::default().sdk_certificates_as_nodes(true);
    let client = sdk.dialling(&sdk.verifier_of_nodes(options)).unwrap();
    assert!(handshake(client, channel(&sdk)).ok());
}

/// RSA certificates do not state a role, so none is refused because of it.
#[test]
fn where_certificates_do_not_tell_nobody_is_refused() {
    let (sdk, node) = (sdk("rsa/sdk"), node("rsa/node0"));
    assert_eq!(sdk.role(), Role::Unknown);
    assert!(handshake(sdk.client_config().unwrap(), channel(&node)).ok());
}

fn identity(issued: &Issued, agency: &Agency) -> Identity {
    Identity::from_pem(
        issued.cert_pem.as_bytes(),
        issued.key_pem.as_bytes(),
        agency.root_pem().as_bytes(),
    )
    .unwrap()
}

fn issue(agency: &Agency, leaf: Leaf) -> Identity {
    identity(&agency.issue(leaf, "x").unwrap(), agency)
}

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
        let text = failure.to_string();
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
    let text = done.client_failure(Mode::Ec).to_string();
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

fn chain_of(issued: &Issued) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(issued.cert_pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap()
}

/// New lists apply to handshakes at once, and decide which of the accepted peers may stay.
#[test]
fn lists_are_replaced_while_they_are_in_use() {
    let root = Authority::new_ec("chain").unwrap();
    let (agency, bad_agency) = (root.agency("a").unwrap(), root.agency("b").unwrap());
    let own = issue(&agency, Leaf::Node);
    let verifier = own.verifier_of_peers(PeerOptions::default()).unwrap();
    let server = own.listening(&verifier).unwrap();
    let issued =
        [&agency, &agency, &bad_agency].map(|agency| agency.issue(Leaf::Node, "x").unwrap());
    let now = UnixTime::now();
    let standings = issued.each_ref().map(|issued| {
        let admitted = verifier
            .verify(&chain_of(issued), Side::Client, now)
            .unwrap();
        assert_eq!(admitted.info.public_key, Some(PublicKey(issued.public_key)));
        admitted.standing
    });
    let judged = || {
        standings
            .each_ref()
            .map(|standing| verifier.still_admits(standing, now))
    };
    assert_eq!(judged(), [Ok(()); 3]);

    let validity = Validity::starting(SystemTime::now());
    let of_agency = agency.revoke(&[&issued[1].cert_pem], validity).unwrap();
    let of_root = root.revoke(&[bad_agency.cert_pem()], validity).unwrap();
    let with = own
        .clone()
        .with_revocation("a.crl", of_agency.as_bytes())
        .unwrap();
    let with = with
        .with_revocation("root.crl", of_root.as_bytes())
        .unwrap();
    verifier.replace_lists(&with, None);
    assert_eq!(
        judged(),
        [
            Ok(()),
            Err(AdmissionLapse::Revoked),
            Err(AdmissionLapse::Revoked)
        ]
    );
    for (issued, welcome) in issued.iter().zip([true, false, false]) {
        let client = identity(issued, &agency).peer_client_config(None).unwrap();
        assert_eq!(handshake(client, server.clone()).ok(), welcome);
    }

    // Lists that were removed revoke nothing; the filter is another list.
    let listed = PublicKey(issued[1].public_key);
    let filter = Arc::new(move |key: &PublicKey| *key == listed);
    verifier.replace_lists(&own, Some(filter));
    assert_eq!(
        judged(),
        [
            Err(AdmissionLapse::Unlisted),
            Ok(()),
            Err(AdmissionLapse::Unlisted)
        ]
    );
    assert!(verifier.lists_admit(&listed) && !verifier.lists_admit(&PublicKey([1; 64])));
    verifier.replace_lists(&own, None);
    assert_eq!(judged(), [Ok(()); 3]);
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

/// The standing ends when the first certificate of the path expires.
#[test]
fn a_standing_ends_with_the_first_certificate() {
    let start = SystemTime::now() - Duration::from_secs(10);
    let of = |seconds: u64| Validity {
        not_before: start,
        not_after: start + Duration::from_secs(seconds),
    };
    let seconds = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_secs()).unwrap()
    };
    for [root, agency, leaf] in [[1000, 2000, 3000], [3000, 1000, 2000], [3000, 2000, 1000]] {
        let root = Authority::new_ec_with("chain", of(root)).unwrap();
        let agency = root.agency_with("agency", of(agency)).unwrap();
        let issued = agency.issue_with(Leaf::Node, "x", of(leaf)).unwrap();
        let verifier = identity(&issued, &agency)
            .verifier_of_peers(PeerOptions::default())
            .unwrap();
        let chain = chain_of(&issued);
        let standing = verifier
            .verify(&chain, Side::Server, UnixTime::now())
            .unwrap()
            .standing;
        let end = seconds(start + Duration::from_secs(1000));
        assert_eq!(standing.expires(), end);
        assert_eq!(verifier.still_admits(&standing, time(end)), Ok(()));
        let expired = Err(AdmissionLapse::Expired { at: end });
        assert_eq!(verifier.still_admits(&standing, time(end + 1)), expired);
    }
}

/// A certificate of half a megabyte, or a hundred certificates, are not parsed.
#[test]
fn what_is_larger_than_any_chain_is_not_read() {
    let agency = Authority::new_ec("chain")
        .unwrap()
        .agency("agency")
        .unwrap();
    let issued = agency.issue(Leaf::Node, "x").unwrap();
    let verifier = identity(&issued, &agency)
        .verifier_of_peers(PeerOptions::default())
        .unwrap();
    let chain = chain_of(&issued);
    let long = CertificateDer::from(vec![0x30; 512 * 1024]);
    let with = [chain.clone(), vec![long]].concat();
    let error = verifier
        .verify(&with, Side::Client, UnixTime::now())
        .unwrap_err();
    assert!(matches!(error, VerifyError::BadEncoding { .. }), "{error}");
    assert!(error.to_string().contains("524288 bytes"), "{error}");
    let many = [chain, vec![CertificateDer::from(Vec::new()); 100]].concat();
    let error = verifier
        .verify(&many, Side::Client, UnixTime::now())
        .unwrap_err();
    assert!(matches!(error, VerifyError::TooComplex { .. }), "{error}");
    assert!(verifier.verify(&[], Side::Client, UnixTime::now()).is_err());
}

/// Returns the rows of the table of kinds of chains in docs/security.md.
fn documented() -> Vec<Vec<String>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md");
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.split("| chain | node | SDK |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| !line.is_empty());
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    })
    .collect()
}

/// Returns the units that a cell names, or some that match its description.
fn units(cell: &str) -> Vec<String> {
    match cell {
        "anything" => vec!["ops".into(), "Betrieb".into()],
        "anything with `sdk` in it" => vec!["our-sdk".into(), "SDKs".into()],
        _ => cell
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '=')
            .filter_map(|word| word.strip_prefix("OU="))
            .map(str::to_owned)
            .collect(),
    }
}

/// The document states which certificates are refused at which port for each kind of chain; the
/// test checks this with certificates of each kind.
#[test]
fn the_table_of_chains_says_what_is_so() {
    let agency = Authority::new_ec("chain").unwrap().agency("a").unwrap();
    let of = |unit: &str| {
        let validity = Validity::starting(SystemTime::now());
        identity(&agency.issue_as(unit, "x", validity).unwrap(), &agency)
    };
    let node = of("node");
    let listen = node.peer_server_config(None).unwrap();
    let port_takes = |other: &Identity| {
        let accepted = handshake(other.peer_client_config(None).unwrap(), listen.clone()).ok();
        let dial = node.peer_client_config(None).unwrap();
        let dialled = handshake(dial, other.peer_server_config(None).unwrap()).ok();
        assert_eq!(accepted, dialled, "both ways");
        accepted
    };
    let client = of("sdk").client_config().unwrap();
    let client_takes = |other: &Identity| handshake(client.clone(), channel(other)).ok();
    let rows = documented();
    assert!(rows.len() >= 7, "{rows:?}");
    for row in rows {
        let [chain, nodes, sdks, ports, clients] = &row[..] else {
            panic!("{row:?}");
        };
        let (nodes, sdks) = (units(nodes), units(sdks));
        assert!(!nodes.is_empty() && !sdks.is_empty(), "{row:?}");
        for unit in &nodes {
            assert!(port_takes(&of(unit)), "{chain}: node with OU={unit}");
            assert!(client_takes(&of(unit)), "{chain}: node with OU={unit}");
        }
        for unit in &sdks {
            let sdk = of(unit);
            assert!(
                handshake(sdk.client_config().unwrap(), channel(&node)).ok(),
                "{chain}: the port for SDKs takes OU={unit}"
            );
            let refused = match ports.as_str() {
                "refuse SDKs" | "refuse the latter" => true,
                _ if ports.starts_with("**cannot tell**") => false,
                // The other certificates are of another kind.
                "refuse SDKs: those ports use the other certificates" => {
                    let rsa = amop_tls::pki::RsaAuthority::new("a").unwrap();
                    let issued = rsa.issue().unwrap();
                    let other = Identity::from_pem(
                        issued.cert_pem.as_bytes(),
                        issued.key_pem.as_bytes(),
                        rsa.cert_pem().as_bytes(),
                    );
                    let dial = other.unwrap().client_config().unwrap();
                    assert!(!handshake(dial, listen.clone()).ok(), "{chain}");
                    continue;
                }
                other => panic!("{chain}: what does {other:?} mean?"),
            };
            assert_eq!(
                !port_takes(&sdk),
                refused,
                "{chain}: OU={unit} at the ports"
            );
            let refused = match clients.as_str() {
                "refuse an SDK as a node" | "refuse the latter" => true,
                "cannot tell: pin the nodes" => false,
                other => panic!("{chain}: what does {other:?} mean?"),
            };
            assert_eq!(!client_takes(&sdk), refused, "{chain}: OU={unit} as a node");
        }
    }
}
