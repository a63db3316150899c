//! Tests with the `openssl` command as a peer that is not rustls.
//!
//! With only secp256k1 and TLS 1.2, `s_server` and `s_client` behave like FISCO nodes and SDKs.
//! Without the command these tests print a notice and pass.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::common::openssl::{no_openssl, openssl, s_server};
use super::common::*;
use amop_tls::{HandshakeFailure, Identity, Mode, ServerOptions, Side, peer_info};
use rustls::{ClientConfig, ClientConnection, NamedGroup, ServerConfig, ServerConnection};

/// The longest wait for the other process; it is a limit, not a pause.
const PATIENCE: Duration = Duration::from_secs(20);

fn connect(config: Arc<ClientConfig>, port: u16) -> Result<ClientConnection, std::io::Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut tls = ClientConnection::new(config, Identity::server_name()).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    Ok(tls)
}

/// Lets `s_client` connect to this crate's server; returns the server's view.
fn accept(
    config: Arc<ServerConfig>,
    args: &[&str],
    files: &[(&str, &str)],
) -> Result<ServerConnection, std::io::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut all = vec!["s_client", "-connect", &address, "-tls1_2", "-quiet"];
    all.extend(args);
    let mut client = openssl(&all, files);
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut tls = ServerConnection::new(config).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    // Data in both directions prove that both have the same keys.
    client
        .0
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"ping\n")
        .unwrap();
    let mut pipe = rustls::Stream::new(&mut tls, &mut stream);
    let mut heard = [0; 5];
    pipe.read_exact(&mut heard)?;
    assert_eq!(&heard, b"ping\n");
    pipe.write_all(b"pong\n")?;
    let mut line = [0; 5];
    client.0.stdout.as_mut().unwrap().read_exact(&mut line)?;
    assert_eq!(&line, b"pong\n");
    Ok(tls)
}

const EC_NODE: &[(&str, &str)] = &[
    ("-cert", "ec/node0/node.crt"),
    ("-cert_chain", "ec/node0/node.crt"),
    ("-key", "ec/node0/node.key"),
    ("-CAfile", "ec/node0/ca.crt"),
];
const EC_SDK: &[(&str, &str)] = &[
    ("-cert", "ec/sdk/sdk.crt"),
    ("-cert_chain", "ec/sdk/sdk.crt"),
    ("-key", "ec/sdk/sdk.key"),
    ("-CAfile", "ec/sdk/ca.crt"),
];
const RSA_NODE: &[(&str, &str)] = &[
    ("-cert", "rsa/node0/node.crt"),
    ("-key", "rsa/node0/node.key"),
    ("-CAfile", "rsa/node0/ca.crt"),
];
const RSA_SDK: &[(&str, &str)] = &[
    ("-cert", "rsa/sdk/sdk.crt"),
    ("-key", "rsa/sdk/sdk.key"),
    ("-CAfile", "rsa/sdk/ca.crt"),
];
/// The settings of a node: only secp256k1, client certificate required.
const AS_NODE: &[&str] = &[
    "-groups",
    "secp256k1",
    "-Verify",
    "3",
    "-verify_return_error",
];

#[test]
fn our_client_and_an_ec_node() {
    if no_openssl("our_client_and_an_ec_node") {
        return;
    }
    let (_server, port) = s_server(AS_NODE, EC_NODE);
    let tls = connect(sdk("ec/sdk").client_config().unwrap(), port).unwrap();
    let group = tls.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::Unknown(0x16));
    let seen = peer_info(tls.peer_certificates().unwrap()).unwrap();
    assert_eq!(seen.name.as_deref(), Some("node0"));
    assert_eq!(seen.public_key, node("ec/node0").public_key());
}

#[test]
fn our_client_and_p256() {
    if no_openssl("our_client_and_p256") {
        return;
    }
    // The curve of the certificates must be one of the groups, too.
    let args = [
        "-groups",
        "prime256v1:secp256k1",
        "-serverpref",
        "-Verify",
        "3",
    ];
    let (_server, port) = s_server(&args, EC_NODE);
    let tls = connect(sdk("ec/sdk").client_config().unwrap(), port).unwrap();
    let group = tls.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::secp256r1);
}

#[test]
fn a_node_refuses_a_foreign_client() {
    if no_openssl("a_node_refuses_a_foreign_client") {
        return;
    }
    let (_server, port) = s_server(AS_NODE, EC_NODE);
    let client = client_with(
        &sdk("ec/sdk"),
        raw_key(certs("foreign/sdk.crt"), "foreign/sdk.key"),
    );
    let error = connect(client, port).unwrap_err();
    let told = HandshakeFailure::from_io(error, Side::Client, Mode::Ec);
    assert!(
        matches!(told, HandshakeFailure::OursRefused { .. }),
        "{told}"
    );
}

#[test]
fn our_client_refuses_a_foreign_node() {
    if no_openssl("our_client_refuses_a_foreign_node") {
        return;
    }
    let (_server, port) = s_server(AS_NODE, EC_NODE);
    let error = connect(sdk("foreign").client_config().unwrap(), port).unwrap_err();
    let told = HandshakeFailure::from_io(error, Side::Client, Mode::Ec);
    assert!(
        matches!(told, HandshakeFailure::PeerUnknownIssuer { .. }),
        "{told}"
    );
}

#[test]
fn our_client_and_an_rsa_node_with_ecdhe() {
    if no_openssl("our_client_and_an_rsa_node_with_ecdhe") {
        return;
    }
    let (_server, port) = s_server(&["-Verify", "3", "-verify_return_error"], RSA_NODE);
    let tls = connect(sdk("rsa/sdk").client_config().unwrap(), port).unwrap();
    let seen = peer_info(tls.peer_certificates().unwrap()).unwrap();
    assert_eq!(seen.name.as_deref(), Some("FISCO-BCOS"));
    assert_eq!(seen.public_key, None);
}

/// The assumed settings of production nodes in RSA mode (channel-v2 section 2.4).
#[test]
fn our_client_and_an_rsa_node_without_ecdhe() {
    if no_openssl("our_client_and_an_rsa_node_without_ecdhe") {
        return;
    }
    let args = ["-cipher", "AES256-GCM-SHA384", "-Verify", "3"];
    let (_server, port) = s_server(&args, RSA_NODE);
    let error = connect(sdk("rsa/sdk").client_config().unwrap(), port).unwrap_err();
    let told = HandshakeFailure::from_io(error, Side::Client, Mode::Rsa);
    assert!(matches!(told, HandshakeFailure::StaticRsaOnly), "{told}");
    assert!(!told.is_transient());
    let text = told.to_string();
    assert!(text.contains("static-RSA") && text.contains("rsa_crypto_channel=false"));
}

#[test]
fn our_client_and_tls_1_3_only() {
    if no_openssl("our_client_and_tls_1_3_only") {
        return;
    }
    let (_server, port) = s_server(&["-tls1_3"], RSA_NODE);
    let error = connect(sdk("rsa/sdk").client_config().unwrap(), port).unwrap_err();
    let told = HandshakeFailure::from_io(error, Side::Client, Mode::Rsa);
    assert!(matches!(told, HandshakeFailure::Version), "{told}");
}

#[test]
fn our_server_and_clients_with_secp256k1_only() {
    if no_openssl("our_server_and_clients_with_secp256k1_only") {
        return;
    }
    let args = ["-groups", "secp256k1", "-verify_return_error"];
    let tls = accept(channel(&node("ec/node0")), &args, EC_SDK).unwrap();
    let seen = peer_info(tls.peer_certificates().unwrap()).unwrap();
    assert_eq!(seen.public_key, sdk("ec/sdk").public_key());
    let group = tls.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::Unknown(0x16));

    let tls = accept(channel(&node("rsa/node0")), &args, RSA_SDK).unwrap();
    let group = tls.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::Unknown(0x16));
}

/// A production node as client offers number 29 first and means SM2 (p2p-v2 section 2.3); here
/// X25519 replaces it. The server must choose another group.
#[test]
fn our_server_passes_group_29_over() {
    if no_openssl("our_server_passes_group_29_over") {
        return;
    }
    let args = ["-groups", "X25519:P-256:P-521:P-384:secp256k1"];
    let p2p = node("ec/node1").peer_server_config(None).unwrap();
    let tls = accept(p2p, &args, EC_NODE).unwrap();
    let group = tls.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::secp256r1);
}

#[test]
fn our_server_refuses() {
    if no_openssl("our_server_refuses") {
        return;
    }
    let refused = |args: &[&str], files: &[(&str, &str)]| {
        let error = accept(channel(&node("ec/node0")), args, files).unwrap_err();
        HandshakeFailure::from_io(error, Side::Server, Mode::Ec)
    };
    let secp256k1 = ["-groups", "secp256k1"];
    let told = refused(&secp256k1, &[]);
    assert!(
        matches!(told, HandshakeFailure::PeerSentNoCertificate),
        "{told}"
    );

    // Only the leaf, without the agency.
    let told = refused(&secp256k1, &[EC_SDK[0], EC_SDK[2]]);
    assert!(
        matches!(told, HandshakeFailure::PeerUnknownIssuer { .. }),
        "{told}"
    );

    let told = refused(&["-groups", "P-384", "-sigalgs", "ECDSA+SHA256"], &[]);
    assert!(
        matches!(
            told,
            HandshakeFailure::NothingInCommon { what: "group", .. }
        ),
        "{told}"
    );
    let told = refused(
        &[
            "-groups",
            "secp256k1",
            "-cipher",
            "ECDHE-RSA-AES256-GCM-SHA384",
        ],
        &[],
    );
    assert!(
        matches!(
            told,
            HandshakeFailure::NothingInCommon {
                what: "cipher suite",
                ..
            }
        ),
        "{told}"
    );
}

/// With `check_cert_issuer` off, an SDK of another agency is accepted.
#[test]
fn other_agencies() {
    if no_openssl("other_agencies") {
        return;
    }
    let files = [
        ("-cert", "odd/sdk2.crt"),
        ("-cert_chain", "odd/sdk2.crt"),
        ("-key", "odd/sdk2.key"),
    ];
    let args = ["-groups", "secp256k1"];
    let error = accept(channel(&odd("node")), &args, &files).unwrap_err();
    let failure = HandshakeFailure::from_io(error, Side::Server, Mode::Ec);
    let told = failure.source().unwrap().to_string();
    assert!(told.contains("check_cert_issuer=false"), "{told}");
    let options = ServerOptions::default().check_cert_issuer(false);
    accept(odd("node").server_config(options).unwrap(), &args, &files).unwrap();
}
