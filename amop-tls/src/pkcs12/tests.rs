//! Stores that OpenSSL made from one key.

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

#[test]
fn what_gives_no_key_says_why() {
    for name in ["openssl3", "openssl1", "aes128", "tdes2", "utf8"] {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

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
