//! Shared code of the tests: the chains' certificates, a verifier, and a wire between two
//! connections.
#![allow(dead_code, unreachable_pub)]

use std::convert::Infallible;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use amop_tlcp::{
    Alert, CertificateRefusal, CertificateVerifier, Config, Flavour, PeerCertificates, PeerKeys,
    Sm2PublicKey, TlcpConnection, TlcpError, TlcpIdentity,
};
use der::{Decode, DecodePem, Encode};
use rand_core::{TryCryptoRng, TryRng};
use sm3::{Digest, Sm3};
use x509_cert::Certificate;

pub const FLAVOURS: [Flavour; 2] = [Flavour::Tlcp, Flavour::Tls12Sm];

/// A time at which all certificates are valid: in 2027.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

pub fn text(name: &str) -> String {
    let path = data(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The participants of a chain of each generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Node,
    Sdk,
}

/// Returns certificate and key for signatures, certificate and key for encryption.
pub fn files(flavour: Flavour, who: Who) -> [String; 4] {
    let names = match (flavour, who) {
        (Flavour::Tlcp, Who::Node) => ["v3/node0/sm_ssl", "v3/node0/sm_enssl"],
        (Flavour::Tlcp, Who::Sdk) => ["v3/sdk/sm_sdk", "v3/sdk/sm_ensdk"],
        (Flavour::Tls12Sm, Who::Node) => ["v2/node0/gmnode", "v2/node0/gmennode"],
        (Flavour::Tls12Sm, Who::Sdk) => ["v2/sdk/gmsdk", "v2/sdk/gmensdk"],
    };
    let [sign, encrypt] = names;
    [
        format!("{sign}.crt"),
        format!("{sign}.key"),
        format!("{encrypt}.crt"),
        format!("{encrypt}.key"),
    ]
}

pub fn identity(flavour: Flavour, who: Who) -> TlcpIdentity {
    let [a, b, c, d] = files(flavour, who).map(|name| text(&name));
    TlcpIdentity::from_pem(&a, &b, &c, &d).unwrap()
}

pub fn authority(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Tlcp => "v3/ca/sm_ca.crt",
        Flavour::Tls12Sm => "v2/ca/gmca.crt",
    }
}

pub fn config(flavour: Flavour, who: Who) -> Config {
    let verifier = ChainVerifier::new(&text(authority(flavour)));
    Config::new(flavour, identity(flavour, who), Arc::new(verifier))
}

/// Follows issuers to one authority. This verifier has only what the tests need, without
/// revocation.
pub struct ChainVerifier {
    anchor: Certificate,
}

impl ChainVerifier {
    pub fn new(pem: &str) -> Self {
        Self {
            anchor: Certificate::from_pem(pem).unwrap(),
        }
    }

    /// Whether there is a path of valid certificates over at most one of `others`.
    fn reaches(&self, leaf: &Certificate, others: &[Certificate], now: SystemTime) -> bool {
        is_valid(leaf, now)
            && (issued(&self.anchor, leaf)
                || others.iter().any(|other| {
                    is_valid(other, now) && issued(&self.anchor, other) && issued(other, leaf)
                }))
    }
}

fn is_valid(certificate: &Certificate, now: SystemTime) -> bool {
    let validity = certificate.tbs_certificate().validity();
    validity.not_before.to_system_time() <= now && now <= validity.not_after.to_system_time()
}

fn issued(issuer: &Certificate, certificate: &Certificate) -> bool {
    let tbs = certificate.tbs_certificate();
    let key = Sm2PublicKey::from_certificate(&issuer.to_der().unwrap());
    let (Ok(key), Some(signature)) = (key, certificate.signature().as_bytes()) else {
        return false;
    };
    tbs.issuer() == issuer.tbs_certificate().subject()
        && key.verifies(&[&tbs.to_der().unwrap()], signature)
}

impl CertificateVerifier for ChainVerifier {
    fn verify(
        &self,
        peer: &PeerCertificates,
        now: SystemTime,
    ) -> Result<PeerKeys, CertificateRefusal> {
        let read = |der| Certificate::from_der(der).unwrap();
        let others: Vec<_> = peer.others().map(read).collect();
        for leaf in [peer.signature(), peer.encryption()] {
            if !self.reaches(&read(leaf), &others, now) {
                return Err(CertificateRefusal::new(
                    Alert::UNKNOWN_CA,
                    "there is no way to the authority",
                ));
            }
        }
        peer.public_keys()
    }
}

/// Random numbers that are the same in every run and with every version of every library.
pub struct Fixed {
    seed: u64,
    count: u64,
    block: [u8; 32],
    used: usize,
}

impl Fixed {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            count: 0,
            block: [0; 32],
            used: 32,
        }
    }
}

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            if self.used == self.block.len() {
                let mut hash = Sm3::new();
                hash.update(self.seed.to_be_bytes());
                hash.update(self.count.to_be_bytes());
                self.block = hash.finalize().into();
                self.count += 1;
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

/// Returns a client and a server of one chain, with fixed randomness.
pub fn pair(flavour: Flavour, encrypt_then_mac: bool) -> (TlcpConnection, TlcpConnection) {
    pair_of(
        config(flavour, Who::Sdk).encrypt_then_mac(encrypt_then_mac),
        config(flavour, Who::Node),
    )
}

pub fn pair_of(client: Config, server: Config) -> (TlcpConnection, TlcpConnection) {
    (
        TlcpConnection::client(Arc::new(client), Fixed::new(1)),
        TlcpConnection::server(Arc::new(server), Fixed::new(2)),
    )
}

/// Takes all output that waits to be sent.
pub fn take_output(connection: &mut TlcpConnection) -> Vec<u8> {
    let output = connection.output().to_vec();
    connection.sent(output.len());
    output
}

/// Passes all of `bytes` to a connection, and returns the data that can be read.
pub fn give(connection: &mut TlcpConnection, bytes: &[u8]) -> Result<Vec<u8>, TlcpError> {
    let mut read = Vec::new();
    let mut rest = bytes;
    loop {
        let taken = connection.receive(now(), rest)?;
        rest = &rest[taken..];
        read.extend(take_plaintext(connection));
        if rest.is_empty() {
            return Ok(read);
        }
    }
}

pub fn take_plaintext(connection: &mut TlcpConnection) -> Vec<u8> {
    let plaintext = connection.plaintext().to_vec();
    connection.consume(plaintext.len());
    plaintext
}

/// Carries the output of both sides until both have none.
pub fn shake(client: &mut TlcpConnection, server: &mut TlcpConnection) -> Result<(), TlcpError> {
    loop {
        let (up, down) = (take_output(client), take_output(server));
        if up.is_empty() && down.is_empty() {
            return Ok(());
        }
        give(server, &up)?;
        give(client, &down)?;
    }
}

/// Returns a pair after the handshake.
pub fn connected(flavour: Flavour, encrypt_then_mac: bool) -> (TlcpConnection, TlcpConnection) {
    let (mut client, mut server) = pair(flavour, encrypt_then_mac);
    shake(&mut client, &mut server).unwrap();
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert_eq!(client.encrypts_then_macs(), encrypt_then_mac);
    assert_eq!(server.encrypts_then_macs(), encrypt_then_mac);
    (client, server)
}

/// Splits a stream into records, each with its header.
pub fn records(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !stream.is_empty() {
        let length = usize::from(u16::from_be_bytes([stream[3], stream[4]]));
        let (record, rest) = stream.split_at(5 + length);
        records.push(record.to_vec());
        stream = rest;
    }
    records
}

/// Whether a stream has exactly one alert, at its end. Protected alerts are recognised by their
/// type.
pub fn ends_in_one_alert(stream: &[u8]) -> bool {
    let records = records(stream);
    let alerts = records.iter().filter(|record| record[0] == 21).count();
    alerts == 1 && records.last().is_some_and(|record| record[0] == 21)
}
