//! Peers that violate the protocol. They include the messages they send in their own hash of the
//! handshake, so that only the violation itself can be noticed.

use std::sync::Arc;

use super::common::{self, FLAVOURS, Fixed, Who, ends_in_one_alert, give, take_output};
use crate::codec::put_prefixed;
use crate::handshake::replay::Replay;
use crate::messages::MessageType;
use crate::{Alert, ConnectionRole, Flavour, TlcpConnection, TlcpError};

/// Returns a message with this body, to be sent instead of another one.
pub(super) fn message(kind: MessageType, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind as u8];
    put_prefixed(&mut message, 3, body);
    message
}

/// Does a handshake in which `hostile` sends its messages of one `kind` as changed by `alter`.
/// Returns the honest side's error; the peer must have been sent exactly one alert about it.
pub(super) fn refusal(
    flavour: Flavour,
    hostile: ConnectionRole,
    kind: MessageType,
    mut alter: impl FnMut(Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
) -> TlcpError {
    let (who, honest) = match hostile {
        ConnectionRole::Client => (Who::Sdk, Who::Node),
        ConnectionRole::Server => (Who::Node, Who::Sdk),
    };
    let replay = Replay::altering(move |own| {
        if own[0] == kind as u8 {
            alter(own)
        } else {
            own
        }
    });
    let config = Arc::new(common::config(flavour, who));
    let mut bad = TlcpConnection::replaying(config, hostile, Box::new(Fixed::new(3)), replay);
    let config = Arc::new(common::config(flavour, honest));
    let mut good = match hostile {
        ConnectionRole::Client => TlcpConnection::server(config, Fixed::new(4)),
        ConnectionRole::Server => TlcpConnection::client(config, Fixed::new(4)),
    };
    for _ in 0..6 {
        let _ = give(&mut bad, &take_output(&mut good));
        let output = take_output(&mut bad);
        if let Err(error) = give(&mut good, &output) {
            let alert = error.alert().expect("the peer is told");
            let output = take_output(&mut good);
            assert!(ends_in_one_alert(&output), "{error}: {output:02x?}");
            // The violation may be in a message after the one that is answered.
            if common::records(&output).len() == 1 {
                assert_eq!(seen(&mut bad, &output), alert);
            }
            return error;
        }
    }
    panic!("nothing was refused: {good:?}");
}

fn seen(bad: &mut TlcpConnection, alert: &[u8]) -> Alert {
    match give(bad, alert) {
        Err(TlcpError::PeerAlert(alert)) => alert,
        other => panic!("{other:?} in place of an alert"),
    }
}

/// Replaces some bytes in the body of a message.
pub(super) fn with(
    at: usize,
    bytes: &'static [u8],
) -> impl FnMut(Vec<u8>) -> Vec<u8> + Send + Sync + 'static {
    move |mut own| {
        own[4 + at..][..bytes.len()].copy_from_slice(bytes);
        own
    }
}

/// Replaces the body of a message.
pub(super) fn body(
    mut make: impl FnMut(&[u8]) -> Vec<u8> + Send + Sync + 'static,
) -> impl FnMut(Vec<u8>) -> Vec<u8> + Send + Sync + 'static {
    move |own| {
        let mut altered = vec![own[0]];
        put_prefixed(&mut altered, 3, &make(&own[4..]));
        altered
    }
}

/// The length of version, random and session ID, after which the rest of this side's hellos begins.
const AFTER_SESSION: usize = 2 + 32 + 1;

#[test]
fn hellos_that_say_what_they_may_not() {
    for flavour in FLAVOURS {
        let client = |alter: &'static [u8], at| {
            refusal(
                flavour,
                ConnectionRole::Client,
                MessageType::ClientHello,
                with(at, alter),
            )
        };
        let server = |alter: &'static [u8], at| {
            refusal(
                flavour,
                ConnectionRole::Server,
                MessageType::ServerHello,
                with(at, alter),
            )
        };
        assert!(matches!(
            client(&[3, 9], 0),
            TlcpError::Version { found: 0x0309, .. }
        ));
        assert!(matches!(
            server(&[3, 9], 0),
            TlcpError::Version { found: 0x0309, .. }
        ));
        // Another suite.
        let error = client(&[0, 5], AFTER_SESSION + 2);
        assert!(matches!(error, TlcpError::NoCommonSuite { .. }), "{error}");
        let error = server(&[0, 5], AFTER_SESSION);
        assert!(matches!(error, TlcpError::NoCommonSuite { .. }), "{error}");
        // An odd length, and zero.
        let error = client(&[0, 3], AFTER_SESSION);
        assert!(matches!(error, TlcpError::Malformed { .. }), "{error}");
        let error = client(&[0, 0], AFTER_SESSION);
        assert!(matches!(error, TlcpError::Malformed { .. }), "{error}");
        // Compression.
        let error = client(&[1, 1], AFTER_SESSION + 6);
        assert!(matches!(error, TlcpError::Illegal { .. }), "{error}");
        let error = server(&[1], AFTER_SESSION + 2);
        assert!(matches!(error, TlcpError::Illegal { .. }), "{error}");
        // A session ID that is too long.
        let error = client(&[33], AFTER_SESSION - 1);
        assert!(matches!(error, TlcpError::Malformed { .. }), "{error}");
    }
}

/// Sends a hello with these extensions instead of its own.
fn extended(flavour: Flavour, hostile: ConnectionRole, extensions: &[(u16, &[u8])]) -> TlcpError {
    let mut list = Vec::new();
    for (number, content) in extensions {
        list.extend(number.to_be_bytes());
        put_prefixed(&mut list, 2, content);
    }
    // Suites and compression, or the chosen suite and compression.
    let (kind, fixed) = match hostile {
        ConnectionRole::Client => (MessageType::ClientHello, AFTER_SESSION + 8),
        ConnectionRole::Server => (MessageType::ServerHello, AFTER_SESSION + 3),
    };
    refusal(
        flavour,
        hostile,
        kind,
        body(move |own| {
            let mut body = own[..fixed].to_vec();
            put_prefixed(&mut body, 2, &list);
            body
        }),
    )
}

#[test]
fn extensions_that_are_wrong() {
    for flavour in FLAVOURS {
        for role in [ConnectionRole::Client, ConnectionRole::Server] {
            let twice = extended(flavour, role, &[(0x16, &[]), (0x16, &[])]);
            assert!(
                matches!(
                    twice,
                    TlcpError::Illegal { .. } | TlcpError::Malformed { .. }
                ),
                "{twice}"
            );
            let filled = extended(flavour, role, &[(0x16, &[0])]);
            assert!(matches!(filled, TlcpError::Malformed { .. }), "{filled}");
            let renegotiates = extended(flavour, role, &[(0xff01, &[1, 7])]);
            assert!(
                matches!(renegotiates, TlcpError::Illegal { .. }),
                "{renegotiates}"
            );
        }
        let unknown = extended(flavour, ConnectionRole::Server, &[(0x23, &[])]);
        assert!(
            matches!(unknown, TlcpError::UnknownExtension { extension: 0x23 }),
            "{unknown}"
        );
    }
}

/// The last byte of each message with a signature belongs to the signature.
#[test]
fn signatures_that_are_wrong() {
    for flavour in FLAVOURS {
        for (role, kind) in [
            (ConnectionRole::Server, MessageType::ServerKeyExchange),
            (ConnectionRole::Client, MessageType::CertificateVerify),
        ] {
            let alter = |mut own: Vec<u8>| {
                *own.last_mut().unwrap() ^= 1;
                own
            };
            let error = refusal(flavour, role, kind, alter);
            assert!(matches!(error, TlcpError::WrongSignature { .. }), "{error}");
        }
    }
}

#[test]
fn key_exchanges_of_2_x_that_are_wrong() {
    for (role, kind) in [
        (ConnectionRole::Server, MessageType::ServerKeyExchange),
        (ConnectionRole::Client, MessageType::ClientKeyExchange),
    ] {
        let send =
            |alter: &'static [u8], at| refusal(Flavour::Tls12Sm, role, kind, with(at, alter));
        for error in [
            // Another kind of curve, another curve, a compressed point, a point that is not on the
            // curve.
            send(&[1], 0),
            send(&[0, 23], 1),
            send(&[2], 4),
            send(&[0; 64], 5),
        ] {
            assert!(matches!(error, TlcpError::Illegal { .. }), "{error}");
        }
        let error = send(&[64], 3);
        assert!(
            matches!(
                error,
                TlcpError::Malformed { .. } | TlcpError::Illegal { .. }
            ),
            "{error}"
        );
    }
}

/// Whatever is wrong with an encrypted secret, the result is the same and appears at the same
/// point: when the client's Finished does not decrypt.
#[test]
fn a_secret_that_does_not_decrypt_is_found_at_finished_only() {
    let send = |alter: Box<dyn FnMut(Vec<u8>) -> Vec<u8> + Send + Sync>| {
        refusal(
            Flavour::Tlcp,
            ConnectionRole::Client,
            MessageType::ClientKeyExchange,
            alter,
        )
    };
    let key = common::config(Flavour::Tlcp, Who::Node)
        .identity()
        .decrypter
        .public()
        .to_owned();
    let encrypted = move |secret: [u8; 48]| {
        body(move |_| {
            let mut body = Vec::new();
            put_prefixed(
                &mut body,
                2,
                &key.encrypt(&secret, &mut Fixed::new(5)).unwrap(),
            );
            body
        })
    };
    // C2, C3, the point, bytes that are not a ciphertext, and no bytes.
    let mut errors = Vec::new();
    for back in [1, 48, 49, 60, 90, 120] {
        errors.push(send(Box::new(move |mut own| {
            let at = own.len() - back;
            own[at] ^= 1;
            own
        })));
    }
    errors.push(send(Box::new(body(|_| vec![0, 1, 0]))));
    errors.push(send(Box::new(body(|_| vec![0, 0]))));
    // A secret with another version.
    let mut secret = [9; 48];
    errors.push(send(Box::new(encrypted(secret))));
    // A valid secret, but not the one from which the client derives its keys.
    secret[..2].copy_from_slice(&[1, 1]);
    errors.push(send(Box::new(encrypted(secret))));
    for error in errors {
        assert!(matches!(error, TlcpError::BadRecord), "{error}");
    }
}

#[test]
fn a_wrong_finished() {
    for flavour in FLAVOURS {
        for role in [ConnectionRole::Client, ConnectionRole::Server] {
            for at in 0..12 {
                let alter = move |mut own: Vec<u8>| {
                    own[4 + at] ^= 1;
                    own
                };
                let error = refusal(flavour, role, MessageType::Finished, alter);
                assert!(matches!(error, TlcpError::WrongFinished), "{error}");
            }
        }
    }
}

/// Every message is left out, sent twice, or followed by a message of another type. Empty messages
/// are sent where none may be empty.
#[test]
fn messages_that_are_missing_doubled_or_of_another_type() {
    let server = [
        MessageType::ServerHello,
        MessageType::Certificate,
        MessageType::ServerKeyExchange,
        MessageType::ServerHelloDone,
        MessageType::Finished,
    ];
    let client = [
        MessageType::ClientHello,
        MessageType::Certificate,
        MessageType::ClientKeyExchange,
        MessageType::CertificateVerify,
        MessageType::Finished,
    ];
    for flavour in FLAVOURS {
        for (role, kinds) in [
            (ConnectionRole::Server, server),
            (ConnectionRole::Client, client),
        ] {
            for kind in kinds {
                let twice = refusal(flavour, role, kind, |own| [&own[..], &own].concat());
                assert!(
                    matches!(twice, TlcpError::Unexpected { .. }),
                    "{kind:?}: {twice}"
                );
                let other = refusal(flavour, role, kind, |own| {
                    [&message(MessageType::CertificateRequest, &[])[..], &own].concat()
                });
                assert!(
                    matches!(
                        other,
                        TlcpError::Unexpected { .. } | TlcpError::Malformed { .. }
                    ),
                    "{kind:?}: {other}"
                );
                let unknown = refusal(flavour, role, kind, |own| {
                    [&[99, 0, 0, 0][..], &own].concat()
                });
                assert!(
                    matches!(unknown, TlcpError::Unexpected { .. }),
                    "{kind:?}: {unknown}"
                );
                let long = refusal(flavour, role, kind, |mut own| {
                    own[1] = 0xff;
                    own
                });
                assert!(
                    matches!(long, TlcpError::MessageTooLong { .. }),
                    "{kind:?}: {long}"
                );
                // For the last message of a flight the other side only waits.
                let is_last = matches!(
                    kind,
                    MessageType::ClientHello | MessageType::ServerHelloDone | MessageType::Finished
                );
                if !is_last {
                    let missing = refusal(flavour, role, kind, |_| Vec::new());
                    assert!(
                        matches!(missing, TlcpError::Unexpected { .. }),
                        "{kind:?}: {missing}"
                    );
                }
            }
        }
        // The key exchange of 2.x needs the client's certificates.
        if flavour == Flavour::Tls12Sm {
            let error = refusal(
                flavour,
                ConnectionRole::Server,
                MessageType::CertificateRequest,
                |_| Vec::new(),
            );
            assert!(matches!(error, TlcpError::NoCertificates(_)), "{error}");
        }
    }
}

/// The sender alters each byte of each message in turn. Nothing panics, and a handshake that is not
/// refused ends with the same keys on both sides.
#[test]
fn a_peer_that_alters_any_byte_of_its_own_messages() {
    for flavour in FLAVOURS {
        for hostile in [ConnectionRole::Client, ConnectionRole::Server] {
            let mut connected = 0;
            let mut refused = 0;
            for step in 0.. {
                match any_byte(flavour, hostile, step) {
                    None => break,
                    Some(true) => connected += 1,
                    Some(false) => refused += 1,
                }
            }
            // A longer list of groups, or an authority that is not needed, does no harm.
            assert!(
                refused > 4 * connected,
                "{flavour}, {hostile:?}: {refused} of {connected}"
            );
        }
    }
}

/// Returns `None` if no message has this many bytes.
fn any_byte(flavour: Flavour, hostile: ConnectionRole, step: usize) -> Option<bool> {
    // Certificates are long, and most of their bytes are signed.
    let stride = |kind: u8| {
        if kind == MessageType::Certificate as u8 {
            13
        } else {
            1
        }
    };
    let mut left = step;
    let mut altered = false;
    let touched = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = Arc::clone(&touched);
    let replay = Replay::altering(move |mut own| {
        let positions = own.len().div_ceil(stride(own[0]));
        if !altered && left < positions {
            let at = left * stride(own[0]);
            own[at] ^= 1 << (at % 8);
            altered = true;
            flag.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        left = left.saturating_sub(positions);
        own
    });
    let (who, honest) = match hostile {
        ConnectionRole::Client => (Who::Sdk, Who::Node),
        ConnectionRole::Server => (Who::Node, Who::Sdk),
    };
    let config = Arc::new(common::config(flavour, who));
    let mut bad = TlcpConnection::replaying(config, hostile, Box::new(Fixed::new(3)), replay);
    let config = Arc::new(common::config(flavour, honest));
    let mut good = match hostile {
        ConnectionRole::Client => TlcpConnection::server(config, Fixed::new(4)),
        ConnectionRole::Server => TlcpConnection::client(config, Fixed::new(4)),
    };
    for _ in 0..4 {
        let up = take_output(&mut bad);
        if let Err(error) = give(&mut good, &up) {
            // The altered side may have noticed the error first.
            let told = ends_in_one_alert(&take_output(&mut good));
            assert_eq!(told, error.alert().is_some(), "{error}");
            return Some(false);
        }
        let _ = give(&mut bad, &take_output(&mut good));
    }
    if !touched.load(std::sync::atomic::Ordering::Relaxed) {
        return None;
    }
    if good.is_handshaking() || bad.is_handshaking() || bad.error().is_some() {
        // It waits for the rest of a message, which does not come.
        good.end_of_input().unwrap_err();
        return Some(false);
    }
    good.write(b"same keys").unwrap();
    assert_eq!(
        give(&mut bad, &take_output(&mut good)).unwrap(),
        b"same keys"
    );
    Some(true)
}
