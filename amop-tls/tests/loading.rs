//! Reads certificate folders with every form of key, and checks that errors name the file and the
//! problem.

use std::fs;

use super::common::*;
use amop_tls::{CertFiles, Identity, Mode, TlsError};

/// Returns a copy of the EC SDK folder that a test can damage.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["ca.crt", "sdk.crt", "sdk.key"] {
        fs::write(dir.path().join(name), bytes(&format!("ec/sdk/{name}"))).unwrap();
    }
    dir
}

/// Loads the folder after overwriting `name`, and returns the error.
fn spoiled(name: &str, contents: &[u8]) -> TlsError {
    let dir = folder();
    fs::write(dir.path().join(name), contents).unwrap();
    let error = Identity::load_sdk(dir.path()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(name), "{text}");
    error
}

#[test]
fn sdk_folder() {
    let identity = sdk("ec/sdk");
    assert_eq!(identity.mode(), Mode::Ec);
    assert_eq!(identity.name(), Some("sdk"));
    assert_eq!(identity.agency(), Some("agency"));
    assert_eq!(identity.subject(), "CN=sdk, O=fisco-bcos, OU=sdk");
    assert_eq!(identity.chain().len(), 3);
    // The year 2126, later than UTCTime can express.
    assert!(identity.not_after() > 4_900_000_000);
    let debug = format!("{identity:?}");
    assert!(debug.contains("CN=sdk") && debug.len() < 500, "{debug}");
}

#[test]
fn sdk_folder_with_node_names() {
    let dir = folder();
    for kind in ["crt", "key"] {
        let of = |name: &str| dir.path().join(format!("{name}.{kind}"));
        fs::rename(of("sdk"), of("node")).unwrap();
    }
    let identity = Identity::load_sdk(dir.path()).unwrap();
    assert_eq!(identity.name(), Some("sdk"));
}

#[test]
fn rsa_folder() {
    let identity = sdk("rsa/sdk");
    assert_eq!(identity.mode(), Mode::Rsa);
    assert_eq!(identity.public_key(), None);
    assert_eq!(identity.name(), Some("FISCO-BCOS"));
}

#[test]
fn node_folder() {
    for n in ["ec/node0", "ec/node1"] {
        let id = String::from_utf8(bytes(&format!("{n}/node.nodeid"))).unwrap();
        assert_eq!(node(n).public_key().unwrap().to_string(), id.trim());
    }
}

#[test]
fn every_form_of_key() {
    let expected = odd("sdk").public_key();
    for form in [
        "sdk.key",
        "sdk.sec1.key",
        "sdk.sec1-nopub.key",
        "sdk.params.key",
    ] {
        let identity = Identity::from_pem(
            &bytes("odd/sdk.crt"),
            &bytes(&format!("odd/{form}")),
            &bytes("odd/ca.crt"),
        );
        let identity = identity.unwrap_or_else(|e| panic!("{form}: {e}"));
        assert_eq!(identity.public_key(), expected);
        // The key can also sign.
        let done = handshake(identity.client_config().unwrap(), channel(&odd("node")));
        assert!(done.ok(), "{form}");
    }
    for form in ["rsa.key", "rsa.pkcs1.key"] {
        let identity = Identity::from_pem(
            &bytes("odd/rsa.crt"),
            &bytes(&format!("odd/{form}")),
            &bytes("odd/rsa-ca.crt"),
        )
        .unwrap();
        let done = handshake(identity.client_config().unwrap(), channel(&identity));
        assert!(done.ok(), "{form}");
    }
}

#[test]
fn files_that_are_not_there() {
    for name in ["ca.crt", "sdk.crt", "sdk.key"] {
        let dir = folder();
        fs::remove_file(dir.path().join(name)).unwrap();
        match Identity::load_sdk(dir.path()).unwrap_err() {
            TlsError::Missing { file } => assert!(file.ends_with(name), "{file}"),
            other => panic!("{other}"),
        }
    }
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("none")] {
        match CertFiles::sdk(&path).unwrap_err() {
            TlsError::Missing { file } => assert!(file.ends_with("sdk.crt"), "{file}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_folder_in_place_of_a_file() {
    let dir = folder();
    fs::remove_file(dir.path().join("sdk.key")).unwrap();
    fs::create_dir(dir.path().join("sdk.key")).unwrap();
    match Identity::load_sdk(dir.path()).unwrap_err() {
        TlsError::Read { file, .. } => assert!(file.ends_with("sdk.key"), "{file}"),
        other => panic!("{other}"),
    }
}

#[test]
fn files_with_the_wrong_contents() {
    let key = bytes("ec/sdk/sdk.key");
    let cert = bytes("ec/sdk/sdk.crt");
    for name in ["ca.crt", "sdk.crt", "sdk.key"] {
        for junk in [&b""[..], b"hello", &[0xff; 64]] {
            assert!(matches!(spoiled(name, junk), TlsError::NotPem { .. }));
        }
        let big = vec![b'a'; (1 << 20) + 1];
        assert!(matches!(spoiled(name, &big), TlsError::TooLarge { .. }));
    }
    for name in ["ca.crt", "sdk.crt"] {
        assert!(matches!(
            spoiled(name, &key),
            TlsError::NoCertificate { .. }
        ));
        let cut = &cert[..cert.len() - 40];
        assert!(matches!(spoiled(name, cut), TlsError::NotPem { .. }));
        let bad = b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
        let mut second = cert.clone();
        second.extend_from_slice(bad);
        assert!(matches!(
            spoiled(name, &second),
            TlsError::BadCertificate { position: 4, .. }
        ));
        let many = cert.repeat(11);
        assert!(matches!(spoiled(name, &many), TlsError::NotPem { .. }));
    }
    assert!(matches!(spoiled("sdk.key", &cert), TlsError::NoKey { .. }));
    let bad = b"-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n";
    assert!(matches!(spoiled("sdk.key", bad), TlsError::BadKey { .. }));
}

#[test]
fn keys_that_cannot_be_used() {
    for form in ["odd/sdk.enc.key", "odd/sdk.oldenc.key"] {
        let error = spoiled("sdk.key", &bytes(form));
        assert!(matches!(error, TlsError::EncryptedKey { .. }), "{error}");
    }
    match spoiled("sdk.key", &bytes("odd/p256.key")) {
        TlsError::UnsupportedCurve { curve, .. } => assert_eq!(curve, "P-256"),
        other => panic!("{other}"),
    }
    let error = spoiled("sdk.key", &bytes("odd/sm2.key"));
    assert!(matches!(error, TlsError::Guomi { .. }), "{error}");
    match spoiled("sdk.key", &bytes("ec/node0/node.key")) {
        TlsError::KeyMismatch { key, cert, subject } => {
            assert!(key.ends_with("sdk.key") && cert.ends_with("sdk.crt"));
            assert!(subject.contains("CN=sdk"), "{subject}");
        }
        other => panic!("{other}"),
    }
    let error = spoiled("sdk.key", &bytes("rsa/sdk/sdk.key"));
    assert!(matches!(error, TlsError::KeyMismatch { .. }), "{error}");
    // RSA keys of 1024 bits are too short to be safe.
    let short = Identity::from_pem(
        &bytes("odd/rsa1024.crt"),
        &bytes("odd/rsa1024.key"),
        &bytes("odd/rsa-ca.crt"),
    );
    assert!(matches!(short, Err(TlsError::BadKey { .. })), "{short:?}");
}

#[test]
fn certificates_that_cannot_be_used() {
    let error = spoiled("sdk.crt", &bytes("odd/p256.crt"));
    assert!(
        matches!(error, TlsError::UnsupportedCurve { .. }),
        "{error}"
    );
    match spoiled("sdk.crt", &bytes("odd/compressed.crt")) {
        TlsError::BadCertificate { detail, .. } => assert!(detail.contains("uncompressed")),
        other => panic!("{other}"),
    }
    match spoiled("ca.crt", &bytes("odd/node.crt")[..900]) {
        TlsError::NotPem { .. } => {}
        other => panic!("{other}"),
    }
    // ca.crt has only leaves, which cannot issue certificates.
    let leaf = bytes("odd/node.crt");
    let end = b"-----END CERTIFICATE-----\n";
    let cut = leaf.windows(end.len()).position(|w| w == end).unwrap() + end.len();
    match spoiled("ca.crt", &leaf[..cut]) {
        TlsError::BadCertificate { detail, .. } => assert!(detail.contains("CA:FALSE"), "{detail}"),
        other => panic!("{other}"),
    }
}

#[test]
fn guomi_folders() {
    for name in ["ca.crt", "sdk.crt"] {
        let error = spoiled(name, &bytes("odd/sm2.crt"));
        assert!(matches!(error, TlsError::Guomi { .. }), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("gm")).unwrap();
    fs::write(dir.path().join("gm/gmsdk.crt"), bytes("odd/sm2.crt")).unwrap();
    match Identity::load_sdk(dir.path()).unwrap_err() {
        TlsError::Guomi { file, .. } => assert!(file.ends_with("gmsdk.crt")),
        other => panic!("{other}"),
    }
}

/// The files have other names there: with `gm` before them in 2.x, with `sm_` in 3.x.
#[test]
fn guomi_folders_are_known_by_the_names_of_their_files() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["ca", "sdk", "ensdk"] {
        fs::write(dir.path().join(format!("sm_{name}.crt")), "").unwrap();
    }
    match CertFiles::sdk(dir.path()).unwrap_err() {
        TlsError::Guomi { file, .. } => assert!(file.ends_with("sm_sdk.crt"), "{file}"),
        other => panic!("{other}"),
    }
    for (name, guomi) in [("ssl", "sm_ssl"), ("node", "gmnode")] {
        let files = |name: &str| {
            let (key, cert) = (format!("{name}.key"), format!("{name}.crt"));
            CertFiles::node(dir.path(), &key, &cert, "ca.crt")
        };
        let missing = Identity::load(&files(name)).unwrap_err();
        assert!(matches!(missing, TlsError::Missing { .. }), "{missing}");
        fs::write(files(guomi).cert, "").unwrap();
        match Identity::load(&files(name)).unwrap_err() {
            TlsError::Guomi { file, .. } => assert!(file.contains(guomi), "{file}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn files_of_both_modes() {
    match spoiled("ca.crt", &bytes("rsa/sdk/ca.crt")) {
        TlsError::MixedModes {
            cert_mode, ca_mode, ..
        } => {
            assert_eq!((cert_mode, ca_mode), (Mode::Ec, Mode::Rsa));
        }
        other => panic!("{other}"),
    }
    let mixed = Identity::from_pem(
        &bytes("rsa/sdk/sdk.crt"),
        &bytes("rsa/sdk/sdk.key"),
        &bytes("ec/sdk/ca.crt"),
    );
    assert!(matches!(mixed, Err(TlsError::MixedModes { .. })));
}

/// An intermediate with the external root above it, as operators may have it (channel-v2 section
/// 2.3).
#[test]
fn several_certificates_in_the_ca_file() {
    for ca in ["ca-and-agency.crt", "ca-agency-only.crt"] {
        let done = handshake(
            odd_with("sdk", ca).client_config().unwrap(),
            channel(&odd_with("node", ca)),
        );
        assert!(done.ok(), "{ca}");
    }
}

/// Files as they are after copying through editors, web pages and chat programs.
#[test]
fn files_that_were_pasted_are_read() {
    let bom = |text: &str| format!("\u{feff}{text}");
    let no_break = |text: &str| text.replace('\n', "\u{a0}\n");
    let html = |text: &str| text.replace('\n', "&#10;").replace('+', "&#43;");
    let json = |text: &str| text.replace('\n', "\\n");
    let pastes: [&dyn Fn(&str) -> String; 4] = [&bom, &no_break, &html, &json];
    for name in ["ca.crt", "sdk.crt", "sdk.key"] {
        for paste in pastes {
            let dir = folder();
            let path = dir.path().join(name);
            let text = fs::read_to_string(&path).unwrap();
            let text = paste(&text);
            fs::write(&path, &text).unwrap();
            let identity = Identity::load_sdk(dir.path());
            assert!(identity.is_ok(), "{text}: {:?}", identity.err());
            assert_eq!(identity.unwrap().chain(), sdk("ec/sdk").chain());
        }
    }
}

/// Chains created before 2.1 name the SDK's files like those of nodes.
#[test]
fn a_folder_of_a_chain_before_2_1() {
    let dir = folder();
    for end in ["crt", "key"] {
        let (from, to) = (format!("sdk.{end}"), format!("node.{end}"));
        fs::rename(dir.path().join(from), dir.path().join(to)).unwrap();
    }
    let identity = Identity::load_sdk(dir.path()).unwrap();
    assert_eq!(identity.chain(), sdk("ec/sdk").chain());
}
