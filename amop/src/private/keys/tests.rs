//! Tests of keys in all their forms, and of signatures against those of other SDKs.

use std::path::PathBuf;

use amop_tls::pkcs12::Pkcs12Problem;

use super::*;

const SECRET: &str = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
const PUBLIC: &str = "84bf7562262bbd6940085748f3be6afa52ae317155181ece31b66351ccffa4b0\
                      8cc43d63b2859d469fee15f31c9edb5324266e6fd0407e87382d60fc4511acd8";

/// The golden vectors `private_challenge_response_go_java` and `private_challenge_java`, which
/// libsecp256k1 signed, the library of those SDKs.
const SIGNED: [(&[u8], &str); 2] = [
    (
        b"\x02\x14\x13\x1f\x50\xef\x73\x02\x19\xd4\x8e\x1f\x9c\x44\x1d\xb8\x71",
        "bca0fea1f1c5617ec26684a9f7c052b244ecfd3de03bc9636619a155cc925f8a\
         473292959a522694e7ba3a505b117ba50139e84d0e8c64d764639ec517db624400",
    ),
    (
        b"14131f50ef7302019d48e1f9c441db87",
        "c4c1ff000927d60b3da1f8007ec5b8eece8be830d83f26fd6cddf3f05b23e900\
         4e8f922ab36598616ca4eb2cadb564b73d8683287d664c91fa3becd9acb59ec501",
    ),
];

fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys");
    folder.join(name)
}

fn key() -> TopicKey {
    TopicKey::load(file("pkcs8.pem")).unwrap()
}

fn public() -> TopicPublicKey {
    PUBLIC.parse().unwrap()
}

#[test]
fn signatures_are_those_of_other_sdks() {
    for (challenge, signature) in SIGNED {
        assert_eq!(hex::encode(key().sign(challenge)), signature);
        let signature = hex::decode(signature).unwrap();
        let signer = TopicPublicKey::of_signer(challenge, &signature);
        assert_eq!(signer, Some(public()));
    }
}

#[test]
fn what_was_not_signed_is_nobodys() {
    let (challenge, _) = SIGNED[1];
    let signature = key().sign(challenge);
    // Another challenge's signature: a replay.
    assert_ne!(
        TopicPublicKey::of_signer(b"another challenge", &signature),
        Some(public())
    );
    for at in 0..SIGNATURE_LEN {
        let mut other = signature;
        other[at] ^= 1;
        assert_ne!(
            TopicPublicKey::of_signer(challenge, &other),
            Some(public()),
            "byte {at}"
        );
    }
    for wrong in [&[][..], &[0; 64], &[0; 65], &[0xff; 65], &[1; 66]] {
        assert_eq!(TopicPublicKey::of_signer(challenge, wrong), None);
    }
    // The other signature with the same r, which can be computed from this one without the key.
    let rs = Signature::from_slice(&signature[..64]).unwrap();
    let (r, s) = rs.split_scalars();
    let high = Signature::from_scalars(r.to_bytes(), (-s).to_bytes()).unwrap();
    let mut other = signature;
    other[..64].copy_from_slice(&high.to_bytes());
    other[64] ^= 1;
    assert_eq!(TopicPublicKey::of_signer(challenge, &other), None);
}

#[test]
fn private_keys_are_read_in_the_forms_openssl_writes() {
    for name in ["pkcs8.pem", "sec1.pem", "with-parameters.pem"] {
        let key = TopicKey::load(file(name)).unwrap();
        assert_eq!(hex::encode(key.0.to_bytes()), SECRET, "{name}");
        assert_eq!(key.public_key(), public());
        let shown = format!("{key:?}");
        assert!(shown.contains(PUBLIC) && !shown.contains(SECRET), "{shown}");
    }
    assert_ne!(TopicKey::generate(), TopicKey::generate());
}

/// Returns a text as PowerShell writes it to a file.
fn utf16(text: &str) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[test]
fn private_keys_are_read_in_the_forms_of_other_sdks() {
    let short = &SECRET[1..];
    for text in [
        SECRET.to_owned(),
        SECRET.to_uppercase(),
        format!("0x{SECRET}\n"),
        format!("0X00{SECRET}"),
        short.to_owned(),
    ] {
        assert_eq!(TopicKey::from_hex(&text).unwrap(), key(), "{text}");
    }
    // A number with few digits is a key, too; the texts below are not.
    assert_ne!(TopicKey::from_hex("1").unwrap(), key());
    for text in [
        "",
        "0",
        "0x",
        "00",
        &format!("1{SECRET}"),
        &"f".repeat(64),
        "12g4",
    ] {
        let error = TopicKey::from_hex(text).unwrap_err();
        assert!(!error.to_string().contains(SECRET), "{error}");
    }

    for name in [
        "store.p12",
        "../../../../amop-tls/tests/data/pkcs12/java-sdk.p12",
    ] {
        let store = TopicKey::load_with_password(file(name), "123456").unwrap();
        assert_eq!(store, key(), "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("key");
    // Recognised by its contents, with any name.
    std::fs::copy(file("store.p12"), &at).unwrap();
    assert_eq!(TopicKey::load_with_password(&at, "123456").unwrap(), key());
    assert!(matches!(
        TopicKey::load(&at).unwrap_err().problem(),
        KeyProblem::NoPassword
    ));
    for text in [
        format!("{SECRET}\n").into_bytes(),
        format!("\u{feff}0x{SECRET}\r\n").into_bytes(),
        format!("\u{a0}{SECRET}\u{200b}").into_bytes(),
        utf16(&format!("{SECRET}\r\n")),
    ] {
        std::fs::write(&at, text).unwrap();
        assert_eq!(TopicKey::load(&at).unwrap(), key());
        // A password that is not needed does no harm.
        assert_eq!(TopicKey::load_with_password(&at, "123456").unwrap(), key());
    }
    let pem = std::fs::read_to_string(file("pkcs8.pem")).unwrap();
    for text in [
        format!("\u{feff}{pem}"),
        pem.replace('\n', "\u{a0}\r\n"),
        pem.replace('\n', "&#10;"),
    ] {
        std::fs::write(&at, &text).unwrap();
        assert_eq!(TopicKey::load(&at).unwrap(), key());
        assert_eq!(TopicKey::from_pem(&text).unwrap(), key());
    }
    let public = std::fs::read_to_string(file("public.pem")).unwrap();
    let pasted = format!("\u{feff}{}", public.replace('\n', "&#10;"));
    assert_eq!(
        pasted.parse::<TopicPublicKey>().unwrap(),
        TopicPublicKey::load(file("public.pem")).unwrap()
    );
}

#[test]
fn public_keys_are_read_in_all_their_forms() {
    let upper = PUBLIC.to_uppercase();
    for text in [
        PUBLIC.to_owned(),
        upper,
        format!("0x{PUBLIC}"),
        format!("04{PUBLIC}"),
        format!("0x04{PUBLIC}\n"),
    ] {
        assert_eq!(text.parse::<TopicPublicKey>().unwrap(), public(), "{text}");
    }
    let loaded = TopicPublicKey::load(file("public.pem")).unwrap();
    assert_eq!(loaded, public());
    assert_eq!(loaded.to_string(), PUBLIC);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("key");
    let pem = std::fs::read_to_string(file("public.pem")).unwrap();
    for text in [pem, format!("{PUBLIC}\r\n")] {
        std::fs::write(&at, utf16(&text)).unwrap();
        assert_eq!(TopicPublicKey::load(&at).unwrap(), public());
    }
    // A key whose own first byte is 4 keeps it.
    let with_04 = loop {
        let key = TopicKey::generate().public_key();
        if key.0[0] == 4 {
            break key;
        }
    };
    assert_eq!(
        with_04.to_string().parse::<TopicPublicKey>().unwrap(),
        with_04
    );
}

#[test]
fn what_is_no_key_is_refused_with_the_reason() {
    type Check = fn(&KeyProblem) -> bool;
    let private: [(&str, Check); 6] = [
        ("store.p12", |p| matches!(p, KeyProblem::NoPassword)),
        ("encrypted.pem", |p| matches!(p, KeyProblem::Encrypted)),
        ("p256.pem", |p| matches!(p, KeyProblem::NotSecp256k1)),
        ("public.pem", |p| matches!(p, KeyProblem::NoPrivateKey)),
        ("gone.pem", |p| matches!(p, KeyProblem::Read(_))),
        ("../keys", |p| matches!(p, KeyProblem::Read(_))),
    ];
    for (name, check) in private {
        let error = TopicKey::load(file(name)).unwrap_err();
        assert!(check(error.problem()), "{name}: {error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let error = TopicPublicKey::load(file("p256-public.pem")).unwrap_err();
    assert!(matches!(error.problem(), KeyProblem::NotSecp256k1));
    let error = TopicPublicKey::load(file("pkcs8.pem")).unwrap_err();
    assert!(matches!(error.problem(), KeyProblem::NoPublicKey));

    let texts: [(String, Check); 5] = [
        (String::new(), |p| matches!(p, KeyProblem::Digits(0))),
        (PUBLIC[1..].to_owned(), |p| {
            matches!(p, KeyProblem::Digits(127))
        }),
        (PUBLIC.replace('8', "g"), |p| {
            matches!(p, KeyProblem::NotHex)
        }),
        // Not a point of the curve.
        ("1".repeat(128), |p| matches!(p, KeyProblem::NotSecp256k1)),
        ("é".repeat(64), |p| matches!(p, KeyProblem::NotHex)),
    ];
    for (text, check) in texts {
        let error = text.parse::<TopicPublicKey>().unwrap_err();
        assert!(check(error.problem()), "{text}: {error:?}");
        assert_eq!(error.file(), None);
    }
    for password in ["", "654321"] {
        let error = TopicKey::load_with_password(file("store.p12"), password).unwrap_err();
        let wrong = KeyProblem::Pkcs12(Pkcs12Problem::Password);
        assert_eq!(error.problem().to_string(), wrong.to_string());
    }
    for text in [
        "",
        "no PEM",
        "-----BEGIN PRIVATE KEY-----\nMHQ",
        "-----BEGIN",
    ] {
        TopicKey::from_pem(text).unwrap_err();
        text.parse::<TopicPublicKey>().unwrap_err();
    }
}
