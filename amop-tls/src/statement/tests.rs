use super::*;
use crate::pki::{Authority, Leaf};

#[test]
fn rsa_keys_sign_statements_too() {
    let authority = crate::pki::RsaAuthority::new("agency").unwrap();
    let identities = [(); 2].map(|()| {
        let issued = authority.issue().unwrap();
        let root = authority.cert_pem().as_bytes();
        let (cert, key) = (issued.cert_pem.as_bytes(), issued.key_pem.as_bytes());
        Identity::from_pem(cert, key, root).unwrap()
    });
    let [key, strange] = identities.each_ref().map(|identity| {
        let key = rsa_public_key(&identity.chain()[0]).unwrap();
        // gateway-v3 section 1.1: 540 characters in hexadecimal digits.
        assert_eq!(key.len(), 270);
        key
    });
    let signature = identities[0].sign_statement(b"links: none").unwrap();
    assert!(rsa_signed_statement(&key, b"links: none", &signature));
    assert!(!rsa_signed_statement(&key, b"links: many", &signature));
    assert!(!rsa_signed_statement(&strange, b"links: none", &signature));
    assert!(!rsa_signed_statement(&key[1..], b"links: none", &signature));
    assert!(!rsa_signed_statement(&[], b"links: none", &signature));
    for at in [0, 100, signature.len() - 1] {
        let mut bad = signature.clone();
        bad[at] ^= 1;
        assert!(!rsa_signed_statement(&key, b"links: none", &bad));
        assert!(!rsa_signed_statement(
            &key,
            b"links: none",
            &signature[..at]
        ));
    }
    let agency = Authority::new_ec("chain").unwrap().agency("a").unwrap();
    let issued = agency.issue(Leaf::Node, "node").unwrap();
    let other = Identity::from_pem(
        issued.cert_pem.as_bytes(),
        issued.key_pem.as_bytes(),
        agency.root_pem().as_bytes(),
    );
    assert_eq!(rsa_public_key(&other.unwrap().chain()[0]), None);
    assert_eq!(rsa_public_key(&CertificateDer::from(&b"none"[..])), None);
}

#[test]
fn a_statement_is_of_its_signer_and_as_it_was_signed() {
    let agency = Authority::new_ec("chain").unwrap().agency("a").unwrap();
    let [one, other] = [(); 2].map(|()| {
        let issued = agency.issue(Leaf::Node, "node").unwrap();
        Identity::from_pem(
            issued.cert_pem.as_bytes(),
            issued.key_pem.as_bytes(),
            agency.root_pem().as_bytes(),
        )
        .unwrap()
    });
    let key = one.public_key().unwrap();
    let signature = one.sign_statement(b"links: none").unwrap();
    assert!(key.signed_statement(b"links: none", &signature));
    assert!(!key.signed_statement(b"links: many", &signature));
    assert!(!key.signed_statement(b"", &signature));
    let strange = other.public_key().unwrap();
    assert!(!strange.signed_statement(b"links: none", &signature));
    for at in 0..signature.len() {
        let mut bad = signature.clone();
        bad[at] ^= 1;
        assert!(!key.signed_statement(b"links: none", &bad), "byte {at}");
        assert!(!key.signed_statement(b"links: none", &signature[..at]));
    }
    // A signature made for TLS is not valid for a statement.
    let raw = one.signing_key();
    let raw = raw.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]);
    let signature = raw.unwrap().sign(b"links: none").unwrap();
    assert!(!key.signed_statement(b"links: none", &signature));
    // A key that is not a point on the curve has signed nothing.
    assert!(!PublicKey([7; 64]).signed_statement(b"x", &signature));
}
