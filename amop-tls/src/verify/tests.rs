//! Tests of the verifier with chains that have one unusual property each, and with damaged chains.

use std::sync::Arc;

use der::asn1::{Any, OctetString};
use der::{Decode, Encode, Tag, TagNumber};
use proptest::prelude::*;
use rustls::pki_types::pem::PemObject;
use x509_cert::ext::Extension;
use x509_cert::name::Name;

use super::*;
use crate::algs;
use crate::cert::KeyAlg;
use crate::identity::CertFiles;
use crate::path::Anchor;
use crate::rules::{ReplaceableLists, Rules};
use crate::{Identity, Mode, peer_info, peer_public_key};

type Chain = Vec<CertificateDer<'static>>;

fn path(name: &str) -> String {
    format!("{}/tests/data/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn chain(name: &str) -> Chain {
    CertificateDer::pem_file_iter(path(&format!("{name}.crt")))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn anchors(name: &str) -> Arc<[Anchor]> {
    chain(name)
        .iter()
        .map(|der| Anchor::new(&Cert::parse(der).unwrap()).unwrap())
        .collect::<Vec<_>>()
        .into()
}

/// Returns a time at which all test chains are valid.
fn now(chain: &Chain) -> i64 {
    chain
        .iter()
        .map(|der| Cert::parse(der).unwrap().not_before)
        .max()
        .unwrap()
}

fn at(secs: i64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs.try_into().unwrap()))
}

fn check(verifier: &RustlsVerifier, chain: &Chain) -> Result<(), VerifyError> {
    let (leaf, others) = chain.split_first().unwrap();
    verifier.verify(leaf, others, at(now(chain))).map(|_| ())
}

fn client_verifier(mode: Mode, ca: &str, rules: Rules) -> RustlsVerifier {
    let peers = PeerVerifier::new(mode, anchors(ca), rules, ReplaceableLists::default());
    RustlsVerifier::new(peers, Side::Client)
}

fn plain(name: &str) -> Result<(), VerifyError> {
    let verifier = client_verifier(Mode::Ec, "odd/ca", Rules::default());
    check(&verifier, &chain(&format!("odd/{name}")))
}

fn rules_of_node(issuer: bool, need_public_key: bool) -> Rules {
    let node = Identity::load(&CertFiles::node(
        path("odd"),
        "node.key",
        "node.crt",
        "ca.crt",
    ));
    Rules {
        issuer: issuer.then(|| node.unwrap().own_issuer().unwrap()),
        need_public_key,
        ..Rules::default()
    }
}

#[test]
fn unusual_but_right() {
    for name in [
        "node",
        "sdk",
        "direct",
        "shuffled",
        "p256",
        "under384",
        "nobasic",
        "critical",
        "printable",
        "sdk2",
        "compressed",
    ] {
        assert_eq!(plain(name), Ok(()), "{name}");
    }
}

#[test]
fn wrong_chains() {
    fn not_an_issuer(result: Result<(), VerifyError>, subject: &str, reason: &str) {
        match result {
            Err(VerifyError::NotAnIssuer {
                subject: s,
                reason: r,
            }) => {
                assert!(s.contains(subject) && r.contains(reason), "{s}: {r}");
            }
            other => panic!("{subject}: {other:?}"),
        }
    }
    not_an_issuer(plain("byleaf"), "CN=sdk", "CA:FALSE");
    not_an_issuer(plain("underv1"), "CN=v1agency", "version 1");
    not_an_issuer(plain("underplain"), "CN=plain", "no basicConstraints");
    not_an_issuer(plain("undernosign"), "CN=nosign", "keyCertSign");
    not_an_issuer(plain("undersub"), "CN=short", "pathLenConstraint");
    assert!(matches!(
        plain("undernamed"),
        Err(VerifyError::UnhandledExtension { oid, .. }) if oid == "2.5.29.30"
    ));
    assert!(matches!(
        plain("unknown"),
        Err(VerifyError::UnhandledExtension { oid, .. }) if oid == "1.2.3.4"
    ));
    assert!(matches!(
        plain("server"),
        Err(VerifyError::WrongPurpose {
            peer: Side::Client,
            ..
        })
    ));
    assert!(matches!(
        plain("sha512"),
        Err(VerifyError::Unsupported {
            what: "signature algorithm",
            ..
        })
    ));
    assert!(matches!(plain("caleaf"), Err(VerifyError::CaAsLeaf { .. })));
    assert!(matches!(plain("sm2"), Err(VerifyError::Guomi { .. })));
    assert!(matches!(plain("deep"), Err(VerifyError::TooComplex { .. })));
    assert!(matches!(
        plain("rsa"),
        Err(VerifyError::WrongMode {
            expected: Mode::Ec,
            found: Mode::Rsa
        })
    ));
}

#[test]
fn a_server_purpose_is_right_for_a_server() {
    let peers = PeerVerifier::new(
        Mode::Ec,
        anchors("odd/ca"),
        Rules::default(),
        ReplaceableLists::default(),
    );
    let verifier = RustlsVerifier::new(peers, Side::Server);
    assert_eq!(check(&verifier, &chain("odd/server")), Ok(()));
    assert!(matches!(
        check(&verifier, &chain("odd/critical")),
        Err(VerifyError::WrongPurpose {
            peer: Side::Server,
            ..
        })
    ));
}

#[test]
fn an_expired_intermediate() {
    let chain = chain("odd/underbrief");
    let verifier = client_verifier(Mode::Ec, "odd/ca", Rules::default());
    assert_eq!(check(&verifier, &chain), Ok(()));
    let (leaf, others) = chain.split_first().unwrap();
    let later = now(&chain) + 3 * 24 * 60 * 60;
    assert!(matches!(
        verifier.verify(leaf, others, at(later)),
        Err(VerifyError::Expired { subject, .. }) if subject.contains("brief")
    ));
}

#[test]
fn rsa_mode() {
    let verifier = client_verifier(Mode::Rsa, "odd/rsa-ca", Rules::default());
    assert_eq!(check(&verifier, &chain("odd/rsa")), Ok(()));
    // aws-lc refuses short keys only when they sign; a leaf's key signs in the handshake.
    let short = chain("odd/rsa1024");
    let leaf = Cert::parse(&short[0]).unwrap();
    let alg = algs::for_handshake(
        &algs::RSA,
        KeyAlg::Rsa.id(),
        SignatureScheme::RSA_PKCS1_SHA256,
    );
    assert!(
        alg.unwrap()
            .verify_signature(leaf.key_bits(), b"", &[0; 128])
            .is_err()
    );
    assert!(matches!(
        check(&verifier, &chain("odd/rsapss")),
        Err(VerifyError::Unsupported { .. })
    ));
    assert!(matches!(
        check(&verifier, &chain("odd/sdk")),
        Err(VerifyError::WrongMode { .. })
    ));
}

#[test]
fn an_intermediate_can_be_the_anchor() {
    for ca in ["odd/ca-agency-only", "odd/ca-and-agency"] {
        let verifier = client_verifier(Mode::Ec, ca, Rules::default());
        let mut chain = chain("odd/sdk");
        assert_eq!(check(&verifier, &chain), Ok(()));
        // The agency is trusted, so it need not be sent.
        chain.truncate(1);
        assert_eq!(check(&verifier, &chain), Ok(()));
    }
    let verifier = client_verifier(Mode::Ec, "odd/ca-agency-only", Rules::default());
    assert!(matches!(
        check(&verifier, &chain("odd/sdk2")),
        Err(VerifyError::UnknownIssuer { .. })
    ));
}

#[test]
fn issuer_rule() {
    let verifier = client_verifier(Mode::Ec, "odd/ca", rules_of_node(true, false));
    for name in ["odd/sdk", "odd/nobasic"] {
        assert_eq!(check(&verifier, &chain(name)), Ok(()), "{name}");
    }
    // "printable" is by another authority with the same name.
    for (name, alike) in [
        ("odd/sdk2", false),
        ("odd/direct", false),
        ("odd/printable", true),
    ] {
        match check(&verifier, &chain(name)) {
            Err(e @ VerifyError::IssuerMismatch { .. }) => {
                let text = e.to_string();
                assert!(text.contains("\"CN=agency,"), "{text}");
                assert_eq!(text.contains("with another key"), alike, "{text}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn node_id_rules() {
    let verifier = client_verifier(Mode::Ec, "odd/ca", rules_of_node(false, true));
    for name in ["odd/node", "odd/sdk", "odd/sdk2"] {
        assert_eq!(check(&verifier, &chain(name)), Ok(()), "{name}");
        assert!(peer_public_key(&chain(name)).is_ok());
    }
    for (name, reason) in [
        ("odd/nobasic", "no basicConstraints"),
        ("odd/compressed", "not uncompressed"),
        ("odd/p256", "not a secp256k1"),
    ] {
        match check(&verifier, &chain(name)) {
            Err(VerifyError::NoPublicKey { reason: r, .. }) => assert!(r.contains(reason), "{r}"),
            other => panic!("{name}: {other:?}"),
        }
        assert!(peer_public_key(&chain(name)).is_err());
        assert_eq!(peer_info(&chain(name)).unwrap().public_key, None);
    }
    assert!(peer_public_key(&[]).is_err());
}

#[test]
fn sizes_are_bounded() {
    let verifier = client_verifier(Mode::Ec, "odd/ca", Rules::default());
    let mut chain = chain("odd/sdk");
    while chain.len() < 10 {
        chain.push(chain[2].clone());
    }
    assert_eq!(check(&verifier, &chain), Ok(()));
    chain.push(chain[2].clone());
    assert!(matches!(
        check(&verifier, &chain),
        Err(VerifyError::TooComplex { .. })
    ));
}

/// Returns `certificate` with one field of its signed part replaced; its signature is then wrong.
fn with_field(certificate: &[u8], at: usize, field: &impl Encode) -> CertificateDer<'static> {
    let mut parts = Vec::<Any>::from_der(certificate).unwrap();
    let mut fields = Vec::<Any>::from_der(&parts[0].to_der().unwrap()).unwrap();
    fields[at] = Any::from_der(&field.to_der().unwrap()).unwrap();
    parts[0] = Any::from_der(&fields.to_der().unwrap()).unwrap();
    parts.to_der().unwrap().into()
}

/// The number of parts that are compared with each other is at most about 30, and is checked
/// before.
#[test]
fn parts_of_a_certificate_are_bounded() {
    let good = chain("odd/sdk");
    let extensions = |count: usize| {
        let extension = |n: usize| Extension {
            extn_id: format!("1.2.3.{n}").parse().unwrap(),
            critical: false,
            extn_value: OctetString::new([]).unwrap(),
        };
        let all: Vec<_> = (0..count).map(extension).collect();
        let inner = all.to_der().unwrap();
        let tag = Tag::ContextSpecific {
            constructed: true,
            number: TagNumber(3),
        };
        with_field(&good[0], 7, &Any::new(tag, inner).unwrap())
    };
    let name = |count: usize, at: usize| {
        let name: Name = vec!["CN=x"; count].join(",").parse().unwrap();
        with_field(&good[0], at, &name)
    };
    let said = |leaf: CertificateDer<'static>| {
        let verifier = client_verifier(Mode::Ec, "odd/ca", Rules::default());
        let verified = verifier.verify(&leaf, &good[1..], at(now(&good)));
        verified.unwrap_err().to_string()
    };
    for (leaf, bad) in [
        (extensions(33), "more than 32 extensions"),
        (extensions(1500), "more than 32 extensions"),
        (name(33, 3), "more than 32 parts"),
        (name(33, 5), "more than 32 parts"),
        (name(1000, 5), "more than 32 parts"),
    ] {
        let text = said(leaf);
        assert!(text.contains(bad), "{text}");
    }
    for leaf in [extensions(32), name(32, 3), name(32, 5)] {
        let text = said(leaf);
        assert!(!text.contains("more than"), "{text}");
    }
}

/// A key of any kind can be pinned with the text that the error shows.
#[test]
fn a_p256_node_is_pinned_by_what_the_error_shows() {
    let chain = chain("odd/p256");
    let pinned = |key: crate::NodeKey| {
        let rules = Rules {
            pins: Some(vec![key].into()),
            ..Rules::default()
        };
        check(&client_verifier(Mode::Ec, "odd/ca", rules), &chain)
    };
    let error = pinned(crate::NodeKey::from([7; 64])).unwrap_err();
    let VerifyError::NotPinned { key, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(pinned(key.parse().unwrap()), Ok(()));
}

/// A chain of an unknown authority is refused after the first signature that should be by an anchor
/// and is not, however long the chain is.
#[test]
fn a_strangers_chain_costs_one_signature_check() {
    let verifier = client_verifier(Mode::Ec, "foreign/ca", Rules::default());
    for name in ["odd/deep", "odd/sdk", "odd/undersub"] {
        let before = algs::CHECKED.with(std::cell::Cell::get);
        assert!(
            matches!(
                check(&verifier, &chain(name)),
                Err(VerifyError::UnknownIssuer { .. })
            ),
            "{name}"
        );
        let checked = algs::CHECKED.with(std::cell::Cell::get) - before;
        assert_eq!(checked, 1, "{name}");
    }
}

/// The same agency certificate is checked only once, and so is a leaf that is sent again.
#[test]
fn right_signatures_are_remembered() {
    let verifier = client_verifier(Mode::Ec, "odd/ca", Rules::default());
    let checked = |name: &str| {
        let before = algs::CHECKED.with(std::cell::Cell::get);
        assert_eq!(check(&verifier, &chain(name)), Ok(()), "{name}");
        algs::CHECKED.with(std::cell::Cell::get) - before
    };
    assert_eq!(checked("odd/sdk"), 2);
    assert_eq!(checked("odd/node"), 1);
    assert_eq!(checked("odd/sdk"), 0);
    assert_eq!(checked("odd/node"), 0);
}

#[test]
fn damaged_signatures() {
    let verifier = client_verifier(Mode::Ec, "odd/ca", Rules::default());
    let good = chain("odd/sdk");
    for (position, expected_unknown) in [(0, false), (1, true)] {
        let mut chain = good.clone();
        let mut der = chain[position].to_vec();
        let last = der.len() - 1;
        der[last] ^= 1;
        chain[position] = der.into();
        match check(&verifier, &chain) {
            Err(VerifyError::BadSignature { .. }) => assert!(!expected_unknown),
            Err(VerifyError::UnknownIssuer { .. }) => assert!(expected_unknown),
            other => panic!("{position}: {other:?}"),
        }
    }
}

/// A change of any single byte of a certificate is noticed.
#[test]
fn every_changed_byte_is_noticed() {
    for (mode, ca, name) in [
        (Mode::Ec, "odd/ca", "odd/sdk"),
        (Mode::Rsa, "odd/rsa-ca", "odd/rsa"),
    ] {
        let verifier = client_verifier(mode, ca, Rules::default());
        let good = chain(name);
        let time = at(now(&good));
        let der = good[0].to_vec();
        for i in 0..der.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bad = der.clone();
                bad[i] ^= flip;
                let result = verifier.verify(&bad.into(), &good[1..], time);
                assert!(result.is_err(), "{name}: byte {i} changed by {flip:#x}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever a peer sends, the result is an error, never a panic.
    #[test]
    fn mutations_never_panic(
        which in 0..4_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..8),
    ) {
        let names = ["odd/critical", "odd/undersub", "odd/under384", "odd/rsa"];
        let mode = if which == 3 { Mode::Rsa } else { Mode::Ec };
        let ca = if which == 3 { "odd/rsa-ca" } else { "odd/ca" };
        let good = chain(names[which]);
        let time = at(now(&good));
        let verifier = client_verifier(mode, ca, rules_of_node(true, which != 3));
        let mut der = good[0].to_vec();
        for (index, byte, kind) in edits {
            let i = index.index(der.len());
            match kind {
                0 => der[i] = byte,
                1 => der.insert(i, byte),
                _ => { der.remove(i); }
            }
        }
        let changed = der != good[0].as_ref();
        let leaf = CertificateDer::from(der);
        let _ = (peer_info(std::slice::from_ref(&leaf)), peer_public_key(std::slice::from_ref(&leaf)));
        let dss_free = verifier.verify(&leaf, &good[1..], time);
        prop_assert!(!changed || dss_free.is_err());
        // The same bytes in the place of an intermediate.
        let mut others = good.clone();
        others.insert(1, leaf);
        let _ = verifier.verify(&good[0], &others[1..], time);
    }

    /// Arbitrary bytes cause no panic either.
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let verifier = client_verifier(Mode::Ec, "odd/ca", Rules::default());
        let leaf = CertificateDer::from(bytes);
        prop_assert!(verifier.verify(&leaf, &[], at(2_000_000_000)).is_err());
    }
}
