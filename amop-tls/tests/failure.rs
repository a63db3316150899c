//! The errors for peers that are not valid TLS peers.

use std::io::{self, Cursor, Read, Write};

use super::common::*;
use amop_tls::{HandshakeFailure, Identity, Mode, Side};
use rustls::{AlertDescription, ClientConnection, Error, ServerConnection};

/// A peer that sends some bytes and closes the connection.
struct Peer(Cursor<Vec<u8>>);

impl Peer {
    fn says(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Cursor::new(bytes.into()))
    }
}

impl Read for Peer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Peer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn client_meets(mut peer: Peer, folder: &str) -> HandshakeFailure {
    let identity = sdk(folder);
    let config = identity.client_config().unwrap();
    let mut tls = ClientConnection::new(config, Identity::server_name()).unwrap();
    let error = tls.complete_io(&mut peer).unwrap_err();
    HandshakeFailure::from_io(error, Side::Client, identity.mode())
}

fn server_meets(mut peer: Peer) -> HandshakeFailure {
    let identity = node("ec/node0");
    let mut tls = ServerConnection::new(channel(&identity)).unwrap();
    let error = tls.complete_io(&mut peer).unwrap_err();
    HandshakeFailure::from_io(error, Side::Server, identity.mode())
}

fn alert(description: AlertDescription) -> Peer {
    Peer::says([21, 3, 3, 0, 2, 2, u8::from(description)])
}

#[test]
fn peers_that_do_not_speak_tls() {
    for hello in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.6\r\n",
        // A plain AMOP frame: its length is first.
        &[0, 0, 0, 42, 0, 0x12, 0x30, 0x30],
    ] {
        let told = client_meets(Peer::says(hello), "ec/sdk");
        assert!(matches!(told, HandshakeFailure::NotTls), "{told}");
    }
    let told = server_meets(Peer::says(&b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"[..]));
    assert!(matches!(told, HandshakeFailure::NotTls), "{told}");
    // The national TLS of guomi chains has record version 0x0101.
    let told = server_meets(Peer::says([22, 1, 1, 0, 4, 1, 0, 0, 0]));
    assert!(matches!(told, HandshakeFailure::NotTls), "{told}");
}

#[test]
fn peers_that_hang_up() {
    let told = client_meets(Peer::says([]), "ec/sdk");
    assert!(matches!(told, HandshakeFailure::Closed(_)), "{told}");
    assert!(told.is_transient());
    let told = server_meets(Peer::says([]));
    assert!(
        matches!(told, HandshakeFailure::ClosedByClient(_)),
        "{told}"
    );
    assert!(told.is_transient());
    for (kind, closed) in [
        (io::ErrorKind::ConnectionReset, true),
        (io::ErrorKind::BrokenPipe, true),
        (io::ErrorKind::TimedOut, false),
    ] {
        let told = HandshakeFailure::from_io(kind.into(), Side::Client, Mode::Ec);
        assert_eq!(
            matches!(told, HandshakeFailure::Closed(_)),
            closed,
            "{told}"
        );
        assert_eq!(matches!(told, HandshakeFailure::Io(_)), !closed, "{told}");
    }
}

#[test]
fn alerts() {
    use AlertDescription as A;
    for refusal in [
        A::UnknownCA,
        A::BadCertificate,
        A::CertificateExpired,
        A::CertificateUnknown,
        A::CertificateRequired,
        A::AccessDenied,
    ] {
        match client_meets(alert(refusal), "ec/sdk") {
            HandshakeFailure::OursRefused { alert, reason } => {
                assert_eq!(alert, refusal);
                assert!(!reason.is_empty());
            }
            other => panic!("{refusal:?}: {other}"),
        }
    }
    let told = client_meets(alert(A::HandshakeFailure), "ec/sdk");
    assert!(matches!(told, HandshakeFailure::Refused), "{told}");
    let told = client_meets(alert(A::HandshakeFailure), "rsa/sdk");
    assert!(matches!(told, HandshakeFailure::StaticRsaOnly), "{told}");
    let told = client_meets(alert(A::ProtocolVersion), "ec/sdk");
    assert!(matches!(told, HandshakeFailure::Version), "{told}");
    let told = client_meets(alert(A::InternalError), "ec/sdk");
    assert!(
        matches!(told, HandshakeFailure::Alert(A::InternalError)),
        "{told}"
    );
}

/// A server's error does not contain advice for a client.
#[test]
fn a_server_that_receives_handshake_failure() {
    let error = Error::AlertReceived(AlertDescription::HandshakeFailure);
    let told = HandshakeFailure::from_rustls(&error, Side::Server, Mode::Rsa);
    assert!(matches!(told, HandshakeFailure::Alert(_)), "{told}");
    let error = Error::AlertReceived(AlertDescription::InternalError);
    for (mode, can_sign) in [(Mode::Rsa, true), (Mode::Ec, false)] {
        let told = HandshakeFailure::from_rustls(&error, Side::Server, mode).to_string();
        assert_ne!(told.contains("sha1_client_signatures"), can_sign, "{told}");
    }
}

/// The solution is in the message.
#[test]
fn static_rsa_only_says_how_to_connect_all_the_same() {
    let told = HandshakeFailure::StaticRsaOnly.to_string();
    assert_eq!(
        told,
        "the node has no cipher suite in common with us (alert handshake_failure): nodes with \
         rsa_crypto_channel=true offer static-RSA key exchange (TLS_RSA_WITH_*) only, which rustls \
         does not implement because it lacks forward secrecy. Either set rsa_crypto_channel=false \
         in the node's config.ini, restart the node and use the secp256k1 sdk folder, or build \
         with the cargo feature `legacy-rsa` of the crate amop and connect by \
         Client::builder().tls(amop::Tls::legacy_rsa()), which uses OpenSSL; if the node is of FISCO \
         BCOS 2.x in EC mode, only the folder is wrong: it is in RSA mode, as those of 3.x chains are"
    );
}
