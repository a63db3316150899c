use super::*;

/// SHA-1 is allowed only where JDKs have no other choice.
#[test]
fn sha1_is_for_handshakes_of_secp256k1_keys_alone() {
    let of = |table, key| for_handshake(table, key, OLD_SCHEME).is_some();
    assert!(of(&EC_SDKS, alg_id::ECDSA_P256K1));
    for key in [
        alg_id::ECDSA_P256,
        alg_id::ECDSA_P384,
        alg_id::RSA_ENCRYPTION,
    ] {
        assert!(!of(&EC_SDKS, key));
    }
    for table in [&EC, &RSA] {
        assert!(!of(table, alg_id::ECDSA_P256K1));
        assert!(!table.supported_schemes().contains(&OLD_SCHEME));
    }
    assert!(
        CERTIFICATE
            .iter()
            .all(|alg| format!("{alg:?}") != "P256k1Sha1")
    );
    let (first, _) = EC_SDKS.mapping[0];
    assert_ne!(first, OLD_SCHEME);
}
