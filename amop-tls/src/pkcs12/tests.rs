//! Stores that OpenSSL and Java SDKs made from one key.

use std::path::Path;

use proptest::prelude::*;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use super::*;

fn store(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pkcs12");
    std::fs::read(folder.join(format!("{name}.p12"))).unwrap()
}

fn key() -> Vec<u8> {
    let pem = include_bytes!("../../../amop/tests/data/keys/pkcs8.pem");
    PrivateKeyDer::from_pem_slice(pem)
        .unwrap()
        .secret_der()
        .to_vec()
}

#[test]
fn the_key_is_read_from_all_kinds() {
    for (name, password) in [
        ("openssl3", "123456"),
        ("openssl1", "123456"),
        ("no-certificate", "123456"),
        ("aes128", "123456"),
        ("tdes2", "123456"),
        ("utf8", "пароль"),
        ("empty", ""),
    ] {
        let read = private_key(&store(name), password);
        assert_eq!(
            *read.unwrap_or_else(|problem| panic!("{name} {problem}")),
            key(),
            "{name}"
        );
    }
}

/// java-sdk 2.10.1 writes BER, earlier versions DER. The key has a few more fields than OpenSSL's.
#[test]
fn the_key_is_read_from_stores_of_java_sdks() {
    for name in ["java-sdk", "java-sdk-old"] {
        let read = private_key(&store(name), "123456");
        let read = read.unwrap_or_else(|problem| panic!("{name} {problem}"));
        let secret: Vec<u8> = (1..=32).collect();
        assert!(read.windows(32).any(|part| part == secret), "{name}");
    }
}

#[test]
fn what_gives_no_key_says_why() {
    for name in [
        "openssl3", "openssl1", "aes128", "tdes2", "utf8", "java-sdk",
    ] {
        for password in ["", "1234567", "пароль "] {
            let problem = private_key(&store(name), password).unwrap_err();
            assert_eq!(problem, Pkcs12Problem::Password, "{name}");
        }
    }
    let problem = private_key(&store("rc2"), "123456").unwrap_err();
    assert!(
        problem
            .to_string()
            .contains("openssl pkcs12 -legacy -nocerts"),
        "{problem}"
    );
    let problem = private_key(&store("no-key"), "123456").unwrap_err();
    assert_eq!(problem, Pkcs12Problem::NoKey);
    for junk in [
        &b""[..],
        b"-----BEGIN",
        &[0x30, 0x80],
        &store("openssl3")[..300],
    ] {
        assert_eq!(
            private_key(junk, "x").unwrap_err(),
            Pkcs12Problem::Malformed
        );
    }
}

/// Rewrites DER as BER: without lengths, and with octet strings in pieces.
fn in_ber(mut der: &[u8], pieces: usize) -> Vec<u8> {
    let mut ber = Vec::new();
    while !der.is_empty() {
        let (any, rest) = AnyRef::from_der_partial(der).unwrap();
        let first = der[0];
        der = rest;
        match any.tag() {
            tag if tag.is_constructed() => {
                ber.extend([first, 0x80]);
                ber.extend(in_ber(any.value(), pieces));
                ber.extend([0, 0]);
            }
            Tag::OctetString => {
                ber.extend([0x24, 0x80]);
                for piece in any.value().chunks(pieces) {
                    ber.extend([4, piece.len() as u8]);
                    ber.extend(piece);
                }
                ber.extend([0, 0]);
            }
            _ => ber.extend(any.to_der().unwrap()),
        }
    }
    ber
}

#[test]
fn what_is_written_as_ber_is_the_same_as_der() {
    for name in ["openssl3", "openssl1", "no-key", "empty"] {
        let der = store(name);
        assert_eq!(*ber::to_der(&der).unwrap(), der, "{name}");
        for pieces in [1, 7, 100] {
            let ber = in_ber(&der, pieces);
            assert_eq!(*ber::to_der(&ber).unwrap(), der, "{name}");
            for end in (0..ber.len()).step_by(37) {
                assert!(ber::to_der(&ber[..end]).is_none(), "{name}");
            }
            assert!(ber::to_der(&[&ber[..], &[0]].concat()).is_none());
        }
    }
    let mut deep = vec![0x30; 100_000];
    deep.iter_mut()
        .skip(1)
        .step_by(2)
        .for_each(|len| *len = 0x80);
    assert!(ber::to_der(&deep).is_none());
}

/// Long values have longer lengths in DER. The buffers have room for them: they assert that they do
/// not grow.
#[test]
fn long_values_without_lengths_are_read() {
    for len in [
        0,
        127,
        128,
        255,
        256,
        65_530,
        65_536,
        1 << 20,
        (1 << 24) + 1,
    ] {
        let mut value = vec![0x04, 0x84];
        value.extend((len as u32).to_be_bytes());
        value.extend(vec![7; len]);
        let mut nested = value.clone();
        for _ in 0..31 {
            nested = [&[0x30, 0x80][..], &nested, &[0, 0]].concat();
        }
        assert!(ber::to_der(&nested).unwrap().ends_with(&value[6..]));
        let pieces = [&[0x24, 0x80][..], &value, &value, &[4, 1, 7, 0, 0]].concat();
        let whole = ber::to_der(&pieces).unwrap();
        assert!(whole.ends_with(&vec![7; 2 * len + 1]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing makes the buffers grow.
    #[test]
    fn random_values_are_rewritten_or_refused(
        values in proptest::collection::vec(
            (proptest::sample::select(vec![0x04, 0x24, 0x30, 0xa0]), 0..200u8, any::<bool>()),
            0..400,
        ),
    ) {
        let mut ber = Vec::new();
        for (tag, len, ends) in values {
            ber.extend([tag, if len > 150 { 0x80 } else { len }]);
            ber.extend(if ends { &[0, 0][..] } else { &[4, 1, 7] });
        }
        for start in 0..ber.len().min(100) {
            ber::to_der(&ber[start..]);
        }
    }

    /// No damage in a file makes it panic or read another key.
    #[test]
    fn a_damaged_store_is_refused_or_gives_the_key(at in 0..321usize, flip in 1..=255u8) {
        let mut damaged = store("empty");
        damaged[at] ^= flip;
        if let Ok(read) = private_key(&damaged, "") {
            prop_assert_eq!(read.len(), key().len());
        }
    }
}
