//! Recorded handshakes of other implementations, with the secrets of each session. This side takes
//! part in each role.
//!
//! Signatures and encryptions of the others depend on unknown nonces, so the recorded ones are sent
//! instead of this side's own, and are checked. Everything that follows from them must be the same,
//! byte for byte.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

use super::common::{self, Who, give, take_output};
use crate::certificates::PeerCertificates;
use crate::crypto::exchange::{Ephemeral, Own, Theirs, agree, identity_hash};
use crate::crypto::prf::{Master, Randoms};
use crate::handshake::replay::Replay;
use crate::messages::MessageType;
use crate::{ConnectionRole, Flavour, Sm2PublicKey, TlcpConnection};

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

/// A recorded session.
struct Recorded {
    flavour: Flavour,
    json: Value,
    client: Side,
    server: Side,
}

/// The recorded bytes of one side.
#[derive(Default)]
struct Side {
    /// Handshake messages before the keys change.
    messages: Vec<Vec<u8>>,
    /// Records before the keys change, headers included.
    plain: Vec<u8>,
    /// The bytes of ChangeCipherSpec and Finished.
    finish: Vec<u8>,
    /// Records after that.
    after: Vec<Vec<u8>>,
}

impl Side {
    fn new(records: Vec<Vec<u8>>) -> Self {
        let mut side = Self::default();
        let mut handshake = Vec::new();
        for record in records {
            if record[0] == 20 || !side.finish.is_empty() {
                if side.finish.len() <= 6 {
                    side.finish.extend(record);
                } else {
                    side.after.push(record);
                }
            } else {
                handshake.extend(&record[5..]);
                side.plain.extend(record);
            }
        }
        while !handshake.is_empty() {
            let length = u32::from_be_bytes([0, handshake[1], handshake[2], handshake[3]]);
            let rest = handshake.split_off(4 + length as usize);
            side.messages.push(handshake);
            handshake = rest;
        }
        side
    }

    /// Returns the initial vectors of all protected records.
    fn ivs(&self) -> Vec<Vec<u8>> {
        let iv = |record: &[u8]| record[5..21].to_vec();
        let mut ivs = vec![iv(&self.finish[6..])];
        ivs.extend(self.after.iter().map(|record| iv(record)));
        ivs
    }

    fn message(&self, kind: MessageType) -> &[u8] {
        let found = self.messages.iter().find(|m| m[0] == kind as u8);
        found.expect("it was sent")
    }
}

impl Recorded {
    fn read(name: &str) -> Self {
        let json = common::text(&format!("transcripts/{name}.json"));
        let json: Value = serde_json::from_str(&json).unwrap();
        let side = |of: &str| {
            let records = json["records"].as_array().unwrap().iter();
            let records = records.filter(|record| record[0] == of).map(|record| {
                let bytes = |at: usize| hex::decode(record[at].as_str().unwrap()).unwrap();
                if record[2].is_null() {
                    return bytes(1);
                }
                let number = |at: usize| {
                    let digits = record[at].as_str().unwrap().trim_start_matches("0x");
                    u16::from_str_radix(digits, 16).unwrap()
                };
                let content = bytes(3);
                let mut whole = vec![u8::try_from(number(1)).unwrap()];
                whole.extend(number(2).to_be_bytes());
                whole.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
                whole.extend(content);
                whole
            });
            Side::new(records.collect())
        };
        let flavour = match json["premaster"].as_str().unwrap() {
            tlcp if tlcp.starts_with("0101") => Flavour::Tlcp,
            _ => Flavour::Tls12Sm,
        };
        Self {
            flavour,
            client: side("C"),
            server: side("S"),
            json,
        }
    }

    fn bytes(&self, field: &str) -> Vec<u8> {
        let digits = self.json[field].as_str();
        hex::decode(digits.unwrap_or_else(|| panic!("{field} is recorded"))).unwrap()
    }

    fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().unwrap()
    }

    fn randoms(&self) -> Randoms {
        Randoms {
            client: self.array("client_random"),
            server: self.array("server_random"),
        }
    }

    fn encrypts_then_macs(&self) -> bool {
        self.json["encrypt_then_mac"] == true
    }

    fn config(&self, who: Who) -> Arc<crate::Config> {
        let config = common::config(self.flavour, who);
        Arc::new(match who {
            // One of the servers does not accept what its client offers.
            Who::Node => config.encrypt_then_mac(self.encrypts_then_macs()),
            Who::Sdk => config,
        })
    }
}

fn all() -> [Recorded; 3] {
    [
        "tlcp-ecc-tassl-etm",
        "tlcp-ecc-tassl-gotlcp-mte",
        "gm2-ecdhe",
    ]
    .map(Recorded::read)
}

/// The random numbers of the recorded session.
struct Script(VecDeque<Vec<u8>>);

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("nobody draws numbers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("nobody draws numbers")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let next = self
            .0
            .pop_front()
            .expect("as much is drawn as was recorded");
        assert_eq!(next.len(), out.len(), "as much is drawn as was recorded");
        out.copy_from_slice(&next);
        Ok(())
    }
}

impl TryCryptoRng for Script {}

fn script(draws: impl IntoIterator<Item = Vec<u8>>) -> Box<Script> {
    Box::new(Script(draws.into_iter().collect()))
}

/// Asserts that both lists have the same certificates for both purposes, in any order.
fn same_certificates(own: &[u8], recorded: &[u8]) {
    let read = |message: &[u8]| PeerCertificates::read(&message[4..]).unwrap().unwrap();
    let (own, recorded) = (read(own), read(recorded));
    assert_eq!(own.signature(), recorded.signature());
    assert_eq!(own.encryption(), recorded.encryption());
}

#[test]
fn master_and_keys_are_as_recorded() {
    for recorded in all() {
        let randoms = recorded.randoms();
        let master = Master::new(&recorded.array("premaster"), &randoms);
        assert_eq!(*master.bytes(), recorded.array("master"));
        let keys = master.keys(&randoms);
        let mut block = keys.client.mac.to_vec();
        block.extend(&*keys.server.mac);
        block.extend(&*keys.client.cipher);
        block.extend(&*keys.server.cipher);
        assert_eq!(block, recorded.bytes("key_block")[..96]);
    }
}

#[test]
fn the_key_exchange_of_2_x_is_as_recorded() {
    let recorded = Recorded::read("gm2-ecdhe");
    let secret = |field: &str| sm2::SecretKey::from_slice(&recorded.bytes(field)).unwrap();
    let public = |field: &str| Sm2PublicKey::from_sec1(&recorded.bytes(field)).unwrap();
    let long_term = secret("client_enc_private");
    let long_term_public = Sm2PublicKey::from(long_term.public_key());
    let server = public("server_enc_public");
    assert_eq!(
        identity_hash(&long_term_public),
        recorded.array("za_client")
    );
    assert_eq!(identity_hash(&server), recorded.array("zb_server"));
    let premaster = agree::<48>(
        &Own {
            role: ConnectionRole::Client,
            long_term: &long_term,
            long_term_public: &long_term_public,
            ephemeral: &Ephemeral::new(secret("client_ephemeral_private")),
        },
        &Theirs {
            long_term: &server,
            ephemeral: &public("server_ephemeral_public"),
        },
    );
    assert_eq!(*premaster.unwrap(), recorded.array("premaster"));
}

#[test]
fn a_server_takes_part_in_what_was_recorded() {
    for recorded in all() {
        let mut draws = vec![recorded.bytes("server_random")];
        let mut replay = Replay::new(recorded.server.messages.clone());
        match recorded.flavour {
            // The replacement for a premaster secret that does not decrypt.
            Flavour::Tlcp => draws.push(vec![0; 48]),
            // An ephemeral key. The recorded one is unknown, and so is the secret that follows from
            // it.
            Flavour::Tls12Sm => {
                draws.push(vec![1; 32]);
                replay.premaster = Some(recorded.array("premaster"));
            }
        }
        draws.extend(recorded.server.ivs());
        let config = recorded.config(Who::Node);
        let mut server =
            TlcpConnection::replaying(config, ConnectionRole::Server, script(draws), replay);

        let hello = recorded.client.message(MessageType::ClientHello);
        let (first, second) = recorded.client.plain.split_at(5 + hello.len());
        give(&mut server, first).unwrap();
        let flight = Side::new(common::records(&take_output(&mut server)));
        assert_eq!(flight.messages, recorded.server.messages);

        let own = &server.replay().own;
        assert_eq!(own[0][6..38], recorded.array::<32>("server_random"));
        same_certificates(&own[1], recorded.server.message(MessageType::Certificate));

        // The recorded signature over the handshake, and the recorded Finished, are verified here.
        give(&mut server, second).unwrap();
        give(&mut server, &recorded.client.finish).unwrap();
        assert!(!server.is_handshaking());
        assert_eq!(server.encrypts_then_macs(), recorded.encrypts_then_macs());
        assert_eq!(take_output(&mut server), recorded.server.finish);

        let mut text = Vec::new();
        for record in &recorded.client.after {
            text.extend(give(&mut server, record).unwrap());
        }
        assert!(text.starts_with(b"hello from"), "{text:?}");
        assert!(server.peer_has_closed());
        for record in &recorded.server.after {
            match record[0] {
                DATA => assert_eq!(server.write(&text).unwrap(), text.len()),
                ALERT => server.close(),
                other => panic!("a record of type {other}"),
            }
            assert_eq!(take_output(&mut server), *record);
        }
    }
}

#[test]
fn a_client_takes_part_in_what_was_recorded() {
    for recorded in all() {
        let mut draws = vec![recorded.bytes("client_random")];
        match recorded.flavour {
            // The secret, and a nonce for its encryption; the recorded nonce is unknown.
            Flavour::Tlcp => {
                draws.push(recorded.bytes("premaster")[2..].to_vec());
                draws.push(vec![1; 32]);
            }
            Flavour::Tls12Sm => draws.push(recorded.bytes("client_ephemeral_private")),
        }
        draws.extend(recorded.client.ivs());
        let config = recorded.config(Who::Sdk);
        let replay = Replay::new(recorded.client.messages.clone());
        let mut client =
            TlcpConnection::replaying(config, ConnectionRole::Client, script(draws), replay);
        take_output(&mut client);

        // The recorded signature over the key exchange is verified here.
        give(&mut client, &recorded.server.plain).unwrap();
        let flight = common::records(&take_output(&mut client));
        let finish = flight[flight.len() - 2..].concat();
        compare_own(&recorded, &client.replay().own);
        assert_eq!(finish, recorded.client.finish);

        // The recorded Finished is verified here.
        give(&mut client, &recorded.server.finish).unwrap();
        assert!(!client.is_handshaking());
        assert_eq!(client.encrypts_then_macs(), recorded.encrypts_then_macs());

        for record in &recorded.client.after {
            match record[0] {
                // One of these peers sends an empty record before each record that is not empty.
                DATA if record.len() == recorded.client.after[0].len()
                    && recorded.client.after.len() > 2 =>
                {
                    client.send_empty_record();
                }
                DATA => {
                    let text = match recorded.flavour {
                        Flavour::Tlcp => &b"hello from TASSL"[..],
                        Flavour::Tls12Sm => b"hello from python",
                    };
                    client.write(text).unwrap();
                }
                ALERT => client.close(),
                other => panic!("a record of type {other}"),
            }
            assert_eq!(take_output(&mut client), *record);
        }
        let mut text = Vec::new();
        for record in &recorded.server.after {
            text.extend(give(&mut client, record).unwrap());
        }
        assert!(text.starts_with(b"hello from"), "{text:?}");
    }
}

/// Compares the messages that the client would have sent itself, as far as they do not depend on
/// nonces.
fn compare_own(recorded: &Recorded, own: &[Vec<u8>]) {
    let of = |kind: MessageType| own.iter().find(|m| m[0] == kind as u8).unwrap();
    let theirs = |kind| recorded.client.message(kind);
    assert_eq!(
        of(MessageType::ClientHello)[6..38],
        recorded.array::<32>("client_random")
    );
    same_certificates(
        of(MessageType::Certificate),
        theirs(MessageType::Certificate),
    );
    let exchange = MessageType::ClientKeyExchange;
    match recorded.flavour {
        Flavour::Tls12Sm => assert_eq!(of(exchange), theirs(exchange)),
        // The lengths are the same, except for leading zeros.
        Flavour::Tlcp => assert!(of(exchange).len().abs_diff(theirs(exchange).len()) < 5),
    }
    // This side's own signature, over the recorded handshake.
    let key = *recorded.config(Who::Sdk).identity().public_key();
    let mut transcript = crate::crypto::Transcript::default();
    transcript.add(&recorded.client.messages[0]);
    for message in &recorded.server.messages {
        transcript.add(message);
    }
    for message in &recorded.client.messages[1..] {
        if message[0] != MessageType::CertificateVerify as u8 {
            transcript.add(message);
        }
    }
    let hash = transcript.hash();
    for message in [
        of(MessageType::CertificateVerify),
        theirs(MessageType::CertificateVerify),
    ] {
        match recorded.flavour {
            Flavour::Tlcp => assert!(key.verifies(&[&hash], &message[6..])),
            Flavour::Tls12Sm => assert!(key.verifies_hash(&hash, &message[8..])),
        }
    }
    assert_eq!(HANDSHAKE, recorded.client.plain[0]);
}
