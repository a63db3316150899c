//! Tests the OpenSSL backend with nodes that offer only static-RSA key exchange: an OpenSSL server
//! in this process, and `openssl s_server` if it is installed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, SystemTime};

use super::common::openssl::{self, no_openssl};
use super::common::*;
use amop_tls::openssl::pkey::PKey;
use amop_tls::openssl::ssl::{
    NameType, Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVerifyMode, SslVersion,
};
use amop_tls::openssl::x509::X509;
use amop_tls::openssl::x509::store::X509StoreBuilder;
use amop_tls::pki::{RsaAuthority, RsaIssued, Validity};
use amop_tls::rustls::pki_types::CertificateDer;
use amop_tls::{HandshakeFailure, Identity, Side, TlsError, VerifyError, peer_info};
use rustls::{AlertDescription, ClientConnection, ServerConnection};

/// The longest wait for the other side; it is a limit, not a pause.
const PATIENCE: Duration = Duration::from_secs(20);

/// The suites that a production node in RSA mode offers (channel-v2 section 2.4).
const STATIC_RSA: &str = "AES256-GCM-SHA384:AES128-GCM-SHA256";

/// A node's folder, as PEM.
struct Node {
    cert: Vec<u8>,
    key: Vec<u8>,
    ca: Vec<u8>,
}

impl Node {
    fn fixture(cert: &str, key: &str, ca: &str) -> Self {
        Self {
            cert: bytes(cert),
            key: bytes(key),
            ca: bytes(ca),
        }
    }

    fn issued(issued: &RsaIssued, ca: &RsaAuthority) -> Self {
        Self {
            cert: issued.cert_pem.clone().into(),
            key: issued.key_pem.clone().into(),
            ca: ca.cert_pem().into(),
        }
    }

    /// Returns an old and lenient context: any key size.
    fn context(&self, suites: &str) -> SslContextBuilder {
        let mut builder = SslContext::builder(SslMethod::tls_server()).unwrap();
        builder.set_security_level(0);
        builder
            .set_max_proto_version(Some(SslVersion::TLS1_2))
            .unwrap();
        builder.set_cipher_list(suites).unwrap();
        for (i, cert) in X509::stack_from_pem(&self.cert)
            .unwrap()
            .into_iter()
            .enumerate()
        {
            match i {
                0 => builder.set_certificate(&cert).unwrap(),
                _ => builder.add_extra_chain_cert(cert).unwrap(),
            }
        }
        let key = PKey::private_key_from_pem(&self.key).unwrap();
        builder.set_private_key(&key).unwrap();
        let mut trusted = X509StoreBuilder::new().unwrap();
        for cert in X509::stack_from_pem(&self.ca).unwrap() {
            trusted.add_cert(cert).unwrap();
        }
        builder.set_cert_store(trusted.build());
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        builder
    }

    fn serve(&self, suites: &str) -> SslContext {
        self.context(suites).build()
    }
}

fn rsa_node() -> Node {
    Node::fixture(
        "rsa/node0/node.crt",
        "rsa/node0/node.key",
        "rsa/node0/ca.crt",
    )
}

/// What the node learned of a connection on which data were exchanged.
struct Seen {
    suite: String,
    version: String,
    client: Vec<u8>,
    server_name: bool,
}

/// Runs the node's side: a handshake, five bytes, an answer.
fn node_side(context: &SslContext, tcp: TcpStream) -> Result<Seen, String> {
    let mut stream = SslStream::new(Ssl::new(context).unwrap(), tcp).unwrap();
    stream.accept().map_err(|e| e.to_string())?;
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).map_err(|e| e.to_string())?;
    assert_eq!(&heard, b"ping\n");
    stream.write_all(b"pong\n").map_err(|e| e.to_string())?;
    let ssl = stream.ssl();
    Ok(Seen {
        suite: ssl.current_cipher().unwrap().name().into(),
        version: ssl.version_str().into(),
        client: ssl.peer_certificate().unwrap().to_der().unwrap(),
        server_name: ssl.servername_raw(NameType::HOST_NAME).is_some(),
    })
}

/// Runs this side of the same exchange. Returns the node's chain.
fn client_side(
    identity: &Identity,
    tcp: TcpStream,
) -> Result<Vec<CertificateDer<'static>>, HandshakeFailure> {
    let (ssl, handshake) = identity.legacy_rsa().unwrap().start().unwrap();
    let mut stream = SslStream::new(ssl, tcp).unwrap();
    if let Err(error) = stream.connect() {
        return Err(handshake.failure(error));
    }
    let chain = handshake.verify(stream.ssl())?;
    stream.write_all(b"ping\n").unwrap();
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"pong\n");
    Ok(chain)
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn dial(port: u16) -> TcpStream {
    patient(TcpStream::connect(("127.0.0.1", port)).unwrap())
}

type Met = (
    Result<Vec<CertificateDer<'static>>, HandshakeFailure>,
    Result<Seen, String>,
);

fn meet(identity: &Identity, node: &SslContext) -> Met {
    let (listener, port) = listen();
    thread::scope(|scope| {
        let node = scope.spawn(|| node_side(node, patient(listener.accept().unwrap().0)));
        let ours = client_side(identity, dial(port));
        (ours, node.join().unwrap())
    })
}

/// Returns this side's error about a node when either refused the other, and the node's error.
fn refused(identity: &Identity, node: &SslContext) -> (HandshakeFailure, String) {
    let (ours, theirs) = meet(identity, node);
    (ours.unwrap_err(), theirs.err().expect("no data may flow"))
}

/// Returns the error about a peer that sends some bytes and closes the connection.
fn meets(hello: &'static [u8]) -> HandshakeFailure {
    let (listener, port) = listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut tcp = patient(listener.accept().unwrap().0);
            // Reads this side's whole hello, so that closing does not reset the connection.
            let mut header = [0; 5];
            tcp.read_exact(&mut header).unwrap();
            let mut rest = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
            tcp.read_exact(&mut rest).unwrap();
            tcp.write_all(hello).unwrap();
        });
        client_side(&sdk("rsa/sdk"), dial(port)).unwrap_err()
    })
}

fn identity(issued: &RsaIssued, ca: &RsaAuthority) -> Identity {
    Identity::from_pem(
        issued.cert_pem.as_bytes(),
        issued.key_pem.as_bytes(),
        ca.cert_pem().as_bytes(),
    )
    .unwrap()
}

fn past() -> Validity {
    let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
    Validity {
        not_before: at(1_577_836_800),
        not_after: at(1_609_459_200),
    }
}

#[test]
fn static_rsa_with_version_1_certificates() {
    let sdk = sdk("rsa/sdk");
    for suite in ["AES256-GCM-SHA384", "AES128-GCM-SHA256"] {
        let (chain, seen) = meet(&sdk, &rsa_node().serve(suite));
        let (chain, seen) = (chain.unwrap(), seen.unwrap());
        assert_eq!(seen.suite, suite);
        assert_eq!(seen.version, "TLSv1.2");
        assert_eq!(seen.client, sdk.chain()[0].as_ref());
        assert!(!seen.server_name);
        assert_eq!(chain[0], certs("rsa/node0/node.crt")[0]);
        let info = peer_info(&chain).unwrap();
        assert_eq!(info.name.as_deref(), Some("FISCO-BCOS"));
        assert_eq!(info.public_key, None);
    }
}

#[test]
fn forward_secrecy_where_the_node_has_it() {
    let suites = "AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256";
    let (ours, seen) = meet(&sdk("rsa/sdk"), &rsa_node().serve(suites));
    ours.unwrap();
    assert_eq!(seen.unwrap().suite, "ECDHE-RSA-AES128-GCM-SHA256");
}

/// The same settings work with an overlay node, which uses rustls.
#[test]
fn our_own_node() {
    let (listener, port) = listen();
    let config = channel(&node("rsa/node0"));
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut tcp = patient(listener.accept().unwrap().0);
            let mut tls = ServerConnection::new(config).unwrap();
            let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
            let mut heard = [0; 5];
            stream.read_exact(&mut heard).unwrap();
            stream.write_all(b"pong\n").unwrap();
        });
        client_side(&sdk("rsa/sdk"), dial(port)).unwrap();
    });
}

/// The default backend cannot do it, and names the one that can.
#[test]
fn rustls_says_how_to_get_it() {
    let (listener, port) = listen();
    let context = rsa_node().serve(STATIC_RSA);
    let told = thread::scope(|scope| {
        scope.spawn(|| {
            let tcp = patient(listener.accept().unwrap().0);
            assert!(node_side(&context, tcp).is_err());
        });
        let identity = sdk("rsa/sdk");
        let config = identity.client_config().unwrap();
        let mut tls = ClientConnection::new(config, Identity::server_name()).unwrap();
        let error = tls.complete_io(&mut dial(port)).unwrap_err();
        HandshakeFailure::from_io(error, Side::Client, identity.mode())
    });
    assert!(matches!(told, HandshakeFailure::StaticRsaOnly), "{told}");
}

#[test]
fn foreign_agencies_are_refused_by_both_sides() {
    let ours = RsaAuthority::new("agency").unwrap();
    let sdk = identity(&ours.issue().unwrap(), &ours);

    // The node would accept this side. Its agency has the same name.
    let other = RsaAuthority::new("agency").unwrap();
    let mut node = Node::issued(&other.issue().unwrap(), &other);
    node.ca = ours.cert_pem().into();
    let (told, theirs) = refused(&sdk, &node.serve(STATIC_RSA));
    assert!(
        matches!(told, HandshakeFailure::PeerUnknownIssuer),
        "{told}"
    );
    assert!(theirs.contains("unknown ca"), "{theirs}");

    // This side would accept the node.
    let other = RsaAuthority::new("other").unwrap();
    let mut node = Node::issued(&ours.issue().unwrap(), &ours);
    node.ca = other.cert_pem().into();
    let (told, _) = refused(&sdk, &node.serve(STATIC_RSA));
    match told {
        HandshakeFailure::OursRefused { alert, .. } => {
            assert_eq!(alert, AlertDescription::UnknownCA);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn expired_certificates_are_refused_by_both_sides() {
    let ca = RsaAuthority::new("agency").unwrap();
    let (good, expired) = (ca.issue().unwrap(), ca.issue_with(past()).unwrap());

    let node = Node::issued(&expired, &ca).serve(STATIC_RSA);
    let (told, _) = refused(&identity(&good, &ca), &node);
    match told {
        HandshakeFailure::PeerExpired { not_after } => assert_eq!(not_after, Some(1_609_459_200)),
        other => panic!("{other}"),
    }

    let node = Node::issued(&good, &ca).serve(STATIC_RSA);
    let (told, _) = refused(&identity(&expired, &ca), &node);
    match told {
        HandshakeFailure::OursRefused { alert, .. } => {
            assert_eq!(alert, AlertDescription::CertificateExpired);
        }
        other => panic!("{other}"),
    }

    // An expired CA, too; with these settings OpenSSL does not know which certificate has expired.
    let ca = RsaAuthority::new_with("agency", past()).unwrap();
    let node = Node::issued(&ca.issue().unwrap(), &ca).serve(STATIC_RSA);
    let (told, _) = refused(&identity(&ca.issue().unwrap(), &ca), &node);
    assert!(
        matches!(told, HandshakeFailure::PeerExpired { .. }),
        "{told}"
    );
}

/// The rules are those of the rustls verifier.
#[test]
fn what_the_verifier_refuses() {
    let odd = |name: &str| {
        let node = Node::fixture(
            &format!("odd/{name}.crt"),
            &format!("odd/{name}.key"),
            "odd/rsa-ca.crt",
        );
        node.serve(STATIC_RSA)
    };
    let sdk = odd_with("rsa", "rsa-ca.crt");
    // A SHA-512 signature is accepted.
    meet(&sdk, &odd("rsa")).0.unwrap();
    for (name, unsupported) in [("rsa1024", "key"), ("rsapss", "signature algorithm")] {
        match refused(&sdk, &odd(name)).0 {
            HandshakeFailure::PeerCertificate(VerifyError::Unsupported { what, .. }) => {
                assert_eq!(what, unsupported);
            }
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn a_node_that_wants_no_certificate_is_verified_all_the_same() {
    let ca = RsaAuthority::new("agency").unwrap();
    let mut context = Node::issued(&ca.issue().unwrap(), &ca).context(STATIC_RSA);
    context.set_verify(SslVerifyMode::NONE);
    let (told, _) = refused(&sdk("rsa/sdk"), &context.build());
    assert!(
        matches!(told, HandshakeFailure::PeerUnknownIssuer),
        "{told}"
    );
}

#[test]
fn nodes_with_nothing_in_common() {
    let sdk = sdk("rsa/sdk");
    // CBC is not offered.
    let (told, _) = refused(&sdk, &rsa_node().serve("AES256-SHA256:AES128-SHA"));
    assert!(matches!(told, HandshakeFailure::LegacyRefused), "{told}");
    assert!(!told.is_transient());
    // No suite of TLS 1.1 is offered, either.
    let mut old = rsa_node().context("AES256-SHA");
    old.set_max_proto_version(Some(SslVersion::TLS1_1)).unwrap();
    let (told, _) = refused(&sdk, &old.build());
    assert!(matches!(told, HandshakeFailure::LegacyRefused), "{told}");
    // A node in EC mode.
    let ec = Node::fixture("ec/node0/node.crt", "ec/node0/node.key", "ec/node0/ca.crt");
    let (told, _) = refused(&sdk, &ec.serve("ECDHE-ECDSA-AES256-GCM-SHA384"));
    assert!(matches!(told, HandshakeFailure::LegacyRefused), "{told}");
    // Only TLS 1.3.
    let mut new = rsa_node().context(STATIC_RSA);
    new.set_max_proto_version(None).unwrap();
    new.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
    let (told, _) = refused(&sdk, &new.build());
    assert!(matches!(told, HandshakeFailure::Version), "{told}");
}

#[test]
fn peers_that_are_no_nodes() {
    for hello in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.6\r\n",
        // A plain AMOP frame.
        &[0, 0, 0, 42, 0, 0x12, 0x30, 0x30],
        // The national TLS of guomi chains has record version 0x0101.
        &[22, 1, 1, 0, 4, 2, 0, 0, 0],
    ] {
        let told = meets(hello);
        assert!(matches!(told, HandshakeFailure::NotTls), "{told}");
    }
    let told = meets(b"");
    assert!(matches!(told, HandshakeFailure::Closed(_)), "{told}");
    assert!(told.is_transient());
    let told = meets(&[21, 3, 3, 0, 2, 2, 80]);
    assert!(
        matches!(
            told,
            HandshakeFailure::Alert(AlertDescription::InternalError)
        ),
        "{told}"
    );
}

#[test]
fn ec_folders_are_refused() {
    let error = sdk("ec/sdk").legacy_rsa().unwrap_err();
    assert!(matches!(error, TlsError::LegacyNeedsRsa { .. }), "{error}");
    assert!(error.to_string().contains("sdk.crt"), "{error}");
}

#[test]
fn keys_in_pkcs1() {
    let sdk = Identity::from_pem(
        &bytes("odd/rsa.crt"),
        &bytes("odd/rsa.pkcs1.key"),
        &bytes("odd/rsa-ca.crt"),
    )
    .unwrap();
    let node = Node::fixture("odd/rsa.crt", "odd/rsa.key", "odd/rsa-ca.crt");
    let (ours, seen) = meet(&sdk, &node.serve(STATIC_RSA));
    ours.unwrap();
    assert_eq!(seen.unwrap().client, sdk.chain()[0].as_ref());
}

/// Uses the command of the installed OpenSSL, restricted like a production node.
#[test]
fn s_server() {
    if no_openssl("s_server") {
        return;
    }
    let args = [
        "-cipher",
        "AES256-GCM-SHA384",
        "-Verify",
        "3",
        "-verify_return_error",
        "-rev",
    ];
    let files = [
        ("-cert", "rsa/node0/node.crt"),
        ("-key", "rsa/node0/node.key"),
        ("-CAfile", "rsa/node0/ca.crt"),
    ];
    let (_server, port) = openssl::s_server(&args, &files);
    let (ssl, handshake) = sdk("rsa/sdk").legacy_rsa().unwrap().start().unwrap();
    let mut stream = SslStream::new(ssl, dial(port)).unwrap();
    stream.connect().unwrap();
    handshake.verify(stream.ssl()).unwrap();
    let suite = stream.ssl().current_cipher().unwrap().name();
    assert_eq!(suite, "AES256-GCM-SHA384");
    stream.write_all(b"ping\n").unwrap();
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"gnip\n");
}
