use super::*;

/// The generator of secp256k1: the public key for the scalar 1.
const G: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
                 483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";

fn scalar_one() -> CaKey {
    let mut scalar = [0; 32];
    scalar[31] = 1;
    let point: Vec<u8> = (0..64)
        .map(|i| u8::from_str_radix(&G[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let public = [&[4], point.as_slice()].concat();
    let key = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256K1_SHA256_ASN1_SIGNING,
        &scalar,
        &public,
    );
    CaKey::Ec(key.unwrap())
}

fn random() -> CaKey {
    loop {
        let key = CaKey::generate_ec().unwrap();
        if !key.scalar_begins_with_zero().unwrap() {
            return key;
        }
    }
}

#[test]
fn keys_with_a_leading_zero_are_drawn_again() {
    let wanted = random();
    let point = wanted.public_point();
    let mut draws = vec![random(), wanted, scalar_one(), scalar_one()];
    let key = first_with_full_scalar(|| Ok(draws.pop().unwrap())).unwrap();
    assert_eq!(key.public_point(), point);
    assert_eq!(draws.len(), 1);
}

#[test]
fn a_broken_random_source_is_an_error() {
    let mut draws = 0;
    let key = first_with_full_scalar(|| {
        draws += 1;
        Ok(scalar_one())
    });
    assert!(matches!(key, Err(PkiError::Crypto(_))));
    assert_eq!(draws, MAX_REROLLS);
}

#[test]
fn keys_survive_pem() {
    let ec = random();
    let again = CaKey::ec_from_pem(&ec.to_pem().unwrap()).unwrap();
    assert_eq!(again.public_point(), ec.public_point());
    let rsa = CaKey::generate_rsa().unwrap();
    let again = CaKey::rsa_from_pem(&rsa.to_pem().unwrap()).unwrap();
    assert_eq!(again.spki().unwrap(), rsa.spki().unwrap());
}

#[test]
fn the_wrong_kind_of_key_is_refused() {
    let ec = random().to_pem().unwrap();
    let rsa = CaKey::generate_rsa().unwrap().to_pem().unwrap();
    assert!(matches!(CaKey::rsa_from_pem(&ec), Err(PkiError::Key(_))));
    assert!(matches!(CaKey::ec_from_pem(&rsa), Err(PkiError::Key(_))));
    assert!(matches!(
        CaKey::ec_from_pem("nonsense"),
        Err(PkiError::Key(_))
    ));
}

#[test]
fn debug_output_holds_no_secret() {
    assert_eq!(format!("{:?}", scalar_one()), "Key::Ec(..)");
}
