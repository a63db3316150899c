//! The roles of certificates, and where each is accepted.

mod agencies;
mod pins;
mod standings;
mod table;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::common::*;
use amop_tls::pki::{Agency, Authority, Issued, Leaf, Validity};
use amop_tls::{
    AdmissionLapse, ClientOptions, HandshakeFailure, Identity, Mode, NodeKey, PeerOptions,
    PublicKey, Role, ServerOptions, Side, TlsError, VerifyError, peer_info,
};
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

fn chain_of(issued: &Issued) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(issued.cert_pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap()
}
