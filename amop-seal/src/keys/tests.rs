use super::*;

/// The output of `(openssl genpkey -algorithm ed25519; openssl genpkey -algorithm x25519)`.
const OPENSSL: &str = include_str!("../../tests/data/openssl.pem");
/// The public keys of this file, written by `openssl pkey -pubout`.
const OPENSSL_PUBLIC: &str = include_str!("../../tests/data/openssl.pub.pem");

fn problem<T: fmt::Debug>(result: Result<T, SealingKeyError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn files_by_openssl_are_read() {
    let key = SealingKey::from_pem(OPENSSL).unwrap();
    let public: SealingPublicKey = OPENSSL_PUBLIC.parse().unwrap();
    assert_eq!(key.public_key(), public);
    assert_eq!(public.to_pem(), OPENSSL_PUBLIC);
}

#[test]
fn keys_survive_their_text_forms() {
    let key = SealingKey::generate();
    let again = SealingKey::from_pem(&key.to_pem()).unwrap();
    assert_eq!(again.public_key(), key.public_key());
    let public = key.public_key();
    assert_eq!(
        public.to_string().parse::<SealingPublicKey>().unwrap(),
        public
    );
    assert_eq!(public.to_pem().parse::<SealingPublicKey>().unwrap(), public);
    assert_eq!(
        SealingPublicKey::from_bytes(&public.to_bytes()).unwrap(),
        public
    );
    let spaced = format!(
        "  {}\n",
        public
            .to_string()
            .to_uppercase()
            .replace("AMOP-SEAL", "amop-seal")
    );
    assert_eq!(spaced.parse::<SealingPublicKey>().unwrap(), public);
}

#[test]
fn the_order_of_the_blocks_and_the_text_around_them_do_not_matter() {
    let pem = SealingKey::from_pem(OPENSSL).unwrap().to_pem();
    let second = pem.rfind("-----BEGIN").unwrap();
    let turned = format!("# bank\n{}\r\nand\n{}end", &pem[second..], &pem[..second]);
    let key = SealingKey::from_pem(&turned).unwrap();
    assert_eq!(key.public_key(), OPENSSL_PUBLIC.parse().unwrap());
}

#[test]
fn a_saved_file_is_read_only_by_its_user_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let key = SealingKey::generate();
    key.save(&path).unwrap();
    assert_eq!(SealingKey::load(&path).unwrap().id(), key.id());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let error = SealingKey::generate().save(&path).unwrap_err();
    assert!(matches!(error.problem(), SealingKeyProblem::Write(_)));
    assert_eq!(SealingKey::load(&path).unwrap().id(), key.id());
    let public = folder.path().join("key.pub");
    fs::write(&public, key.public_key().to_string()).unwrap();
    assert_eq!(SealingPublicKey::load(&public).unwrap(), key.public_key());
    let missing = problem(SealingKey::load(folder.path().join("none")));
    assert!(
        missing.contains("none") && missing.contains("check its path"),
        "{missing}"
    );
}

#[test]
fn nothing_shows_a_private_key() {
    let key = SealingKey::from_secrets(&[0xab; 32], &[0xcd; 32]);
    let shown = format!("{key:?} {:?} {:?}", key.public_key(), key.id());
    assert!(
        !shown.contains("abab") && !shown.contains("cdcd"),
        "{shown}"
    );
    assert!(
        !shown.contains("171, 171") && !shown.contains("205, 205"),
        "{shown}"
    );
}

#[test]
fn other_keys_are_refused_with_what_to_do() {
    let block = |text: &str| {
        let end = text.find("-----END").unwrap();
        let end = end + text[end..].find('\n').unwrap() + 1;
        text[..end].to_owned()
    };
    let ed25519 = block(OPENSSL);
    let x25519 = OPENSSL.replace(&ed25519, "");
    let cases = [
        (ed25519.clone(), "no private key of X25519"),
        (x25519, "no private key of Ed25519"),
        (format!("{ed25519}{OPENSSL}"), "two keys of Ed25519"),
        (String::new(), "no private key of Ed25519"),
        (OPENSSL_PUBLIC.to_owned(), "no private key of Ed25519"),
        (include_str!("../../tests/data/sm2.pem").to_owned(), "guomi"),
        (
            include_str!("../../tests/data/secp256k1.pem").to_owned(),
            "elliptic curve",
        ),
        (
            include_str!("../../tests/data/encrypted.pem").to_owned(),
            "is encrypted",
        ),
        (OPENSSL.replace("-----END", "-----ENDE"), "not PEM"),
        (OPENSSL[..60].to_owned(), "not PEM"),
        (OPENSSL.replacen('M', "*", 1), "not PEM"),
    ];
    for (text, expected) in cases {
        let problem = problem(SealingKey::from_pem(&text));
        assert!(
            problem.contains(expected),
            "{problem:?} of {text:?} lacks {expected:?}"
        );
    }
    let cases = [
        (block(OPENSSL_PUBLIC), "no public key of X25519"),
        (OPENSSL.to_owned(), "no public key of Ed25519"),
        ("amop-seal-1:00".to_owned(), "has 2 characters"),
        (format!("amop-seal-1:{}", "g".repeat(128)), "not hex digits"),
        ("00".repeat(64), "not a public key"),
        (format!("amop-seal-1:{}", "00".repeat(64)), "small order"),
    ];
    for (text, expected) in cases {
        let problem = problem(text.parse::<SealingPublicKey>());
        assert!(
            problem.contains(expected),
            "{problem:?} of {text:?} lacks {expected:?}"
        );
    }
}

#[test]
fn keys_that_keep_no_secret_are_refused() {
    let good = SealingKey::generate().public_key().to_bytes();
    // X25519 accepts these points of small order: 0 and 1. Those of order 8 are similar.
    for low in [0, 1] {
        let mut bytes = good;
        bytes[32..].fill(0);
        bytes[32] = low;
        assert!(SealingPublicKey::from_bytes(&bytes).is_err());
    }
    let mut identity = good;
    identity[..32].fill(0);
    identity[0] = 1;
    assert!(SealingPublicKey::from_bytes(&identity).is_err());
}
