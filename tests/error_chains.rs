//! Every error with a cause, made from a cause with a marked text. The crates that this one does not
//! depend on have tests of their own.

use std::{error::Error, io, path::PathBuf, sync::Arc};

use amop::{
    CloseReason, CodecError, ConnectError, GrantError, GuardError, MessageKind, OpenError,
    ReaderError, ReplyError, SdkConfigError, SealError, SealedDeliveryError, SealingKey,
    SubscribeError, TopicError, TopicKey, UpgradeError, with_causes,
};
use amop_node::{Port, ReloadError, StartError, config::ConfigError, layout::LayoutError};
use amop_proto::{
    channel::{AmopBodyError, FrameError, FrameType, Seq},
    node::{PeerCloseReason, RecordsFault, SessionCloseReason},
    p2p::NodeId,
};
use amop_tls::{HandshakeFailure, TlsError, VerifyError, pki::PkiError, rustls};

use amop_testkit::assert_causes_once;

const MARK: &str = "the marked cause";

fn system() -> io::Error {
    io::Error::other(MARK)
}

fn file() -> PathBuf {
    PathBuf::from("some/file")
}

fn name() -> String {
    "node:1".to_owned()
}

fn lost() -> CloseReason {
    CloseReason::Transport {
        kind: io::ErrorKind::Other,
        message: MARK.to_owned(),
    }
}

fn codec() -> CodecError {
    CodecError::new("json", MARK)
}

fn unreadable() -> TlsError {
    TlsError::Read {
        file: name(),
        source: system(),
    }
}

fn tcp() -> ConnectError {
    ConnectError::Tcp {
        endpoint: name(),
        address: ([127, 0, 0, 1], 1).into(),
        source: system(),
    }
}

fn assert_all(errors: impl IntoIterator<Item = Box<dyn Error>>) {
    for error in errors {
        assert_causes_once(&*error, MARK);
    }
}

#[test]
fn connecting() {
    let endpoint = name();
    assert_all([
        Box::new(ConnectError::Certificates(unreadable())) as Box<dyn Error>,
        Box::new(ConnectError::Resolve {
            endpoint: name(),
            source: system(),
        }),
        Box::new(tcp()),
        Box::new(ConnectError::Tls {
            endpoint: name(),
            source: HandshakeFailure::Io(system()),
        }),
        Box::new(ConnectError::Upgrade {
            endpoint: name(),
            source: UpgradeError::Io(system()),
        }),
        Box::new(ConnectError::HandshakeRejected {
            endpoint: name(),
            reason: lost(),
        }),
        Box::new(ConnectError::ClosedDuringHandshake {
            endpoint,
            reason: lost(),
        }),
        Box::new(ConnectError::Config(SdkConfigError::Read {
            path: file(),
            source: system(),
        })),
    ]);
    let not_a_node = ConnectError::NotANode {
        endpoint: name(),
        source: FrameError::TooShort { len: 4711 },
    };
    assert_causes_once(&not_a_node, "4711");
    for reason in [CloseReason::Peer, CloseReason::DuringHandshake] {
        let early = ConnectError::ClosedDuringHandshake {
            endpoint: name(),
            reason,
        };
        assert_causes_once(&early, "closed the connection");
    }
    // An error that holds several shows each with its causes, and has no source.
    let all = ConnectError::AllFailed {
        failures: vec![Arc::new(tcp()), Arc::new(tcp())],
    };
    assert!(all.source().is_none());
    assert_eq!(all.to_string().matches(MARK).count(), 2, "{all}");
    let neither = ConnectError::NoGeneration {
        endpoint: name(),
        failures: vec![Arc::new(tcp()), Arc::new(tcp())],
    };
    assert!(neither.source().is_none());
    assert_eq!(neither.to_string().matches(MARK).count(), 2, "{neither}");
}

#[test]
fn topics_and_messages() {
    let (topic, endpoint) = (name(), name());
    let subscribe = || SubscribeError::Disconnected {
        topic: name(),
        endpoint: name(),
        reason: lost(),
    };
    assert_all([
        Box::new(SubscribeError::InvalidTopic(TopicError::Tab(
            MARK.to_owned(),
        ))) as Box<dyn Error>,
        Box::new(subscribe()),
        Box::new(GrantError::InvalidTopic(TopicError::Tab(MARK.to_owned()))),
        Box::new(GrantError::Unconfirmed {
            topic: name(),
            source: subscribe(),
        }),
        Box::new(ReplyError::Encode {
            topic: name(),
            source: codec(),
        }),
        Box::new(ReplyError::Disconnected {
            topic,
            endpoint,
            reason: lost(),
        }),
        Box::new(codec()),
    ]);
    let sealed = SubscribeError::Sealed {
        topic: name(),
        source: ReaderError::NoKey,
    };
    assert_causes_once(&sealed, "no key to open messages");
    let seal = ReplyError::Seal {
        topic: name(),
        source: SealError::NoRecipient,
    };
    assert_causes_once(&seal, "no recipient");
    let refused = SealedDeliveryError::Refused {
        topic: name(),
        seq: Seq([b'0'; 32]),
        kind: MessageKind::Unicast,
        source: OpenError::NotRecipient,
    };
    assert_causes_once(&refused, "sealed to other keys");
}

/// The causes of a codec's own error are in its text.
#[test]
fn a_codec_shows_what_its_error_shows() {
    let cause = io::Error::other(tcp());
    let text = with_causes(&CodecError::new("own", cause)).to_string();
    assert_eq!(text.matches(MARK).count(), 1, "{text}");
    assert!(
        text.contains("own") && text.contains("cannot connect"),
        "{text}"
    );
}

#[test]
fn keys_and_stores() {
    let missing = "no/such/file";
    let key = TopicKey::load(missing).unwrap_err();
    assert_causes_once(&key, "(os error 2)");
    assert!(key.to_string().contains(missing), "{key}");
    let topic = SdkConfigError::PrivateTopic {
        path: file(),
        line: 7,
        topic: name(),
        source: key,
    };
    assert_causes_once(&topic, "(os error 2)");
    let not_pem = TopicKey::from_pem("-----BEGIN PRIVATE KEY-----");
    assert_causes_once(&not_pem.unwrap_err(), "that begins in line 1");
    let sealing = SealingKey::load(missing).unwrap_err();
    assert_causes_once(&sealing, "(os error 2)");
    assert!(sealing.to_string().contains(missing), "{sealing}");
    let guard = GuardError::Store {
        place: name(),
        source: system(),
    };
    assert_causes_once(&guard, MARK);
}

#[test]
fn certificates_and_handshakes() {
    let general = || rustls::Error::General(MARK.to_owned());
    let unknown = VerifyError::UnknownIssuer {
        subject: MARK.to_owned(),
    };
    assert_all([
        Box::new(unreadable()) as Box<dyn Error>,
        Box::new(TlsError::Rustls(general())),
        Box::new(HandshakeFailure::PeerCertificate(unknown)),
        Box::new(HandshakeFailure::Closed(system())),
        Box::new(HandshakeFailure::ClosedByClient(system())),
        Box::new(HandshakeFailure::Protocol(general())),
        Box::new(HandshakeFailure::Io(system())),
        Box::new(HandshakeFailure::Other(general())),
    ]);
}

#[test]
fn starting_a_node() {
    let bind = |source| StartError::Bind {
        what: Port::Channel,
        address: ([127, 0, 0, 1], 1).into(),
        source,
    };
    let config = || ConfigError::Read {
        file: file(),
        source: system(),
    };
    let pki = || PkiError::Certificate(MARK.to_owned());
    assert_all([
        Box::new(StartError::Config(config())) as Box<dyn Error>,
        Box::new(StartError::Tls {
            what: Port::P2p,
            source: TlsError::Missing {
                file: MARK.to_owned(),
            },
        }),
        Box::new(bind(system())),
        Box::new(StartError::Thread(system())),
        Box::new(StartError::Pki(pki())),
        Box::new(ReloadError::from(bind(system()))),
        Box::new(config()),
        Box::new(LayoutError::Config(config())),
        Box::new(LayoutError::Issue(pki())),
        Box::new(LayoutError::Load {
            file: file(),
            source: pki(),
        }),
        Box::new(LayoutError::Io {
            action: "write",
            path: file(),
            source: system(),
        }),
    ]);
    let in_use = bind(io::ErrorKind::AddrInUse.into());
    assert!(in_use.to_string().contains("another program"), "{in_use}");
}

#[test]
fn ends_of_connections() {
    let malformed = CloseReason::Malformed {
        kind: FrameType::UNICAST,
        error: AmopBodyError::Empty,
    };
    assert_causes_once(&malformed, "body is empty");
    let session = SessionCloseReason::Malformed(AmopBodyError::Empty);
    assert_causes_once(&session, "body is empty");
    let peer = PeerCloseReason::BadRecords(RecordsFault::Forged(NodeId([0xab; 64])));
    assert_causes_once(&peer, "a forged record of node abababababababab");
}
