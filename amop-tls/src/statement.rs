//! Statements that a node signs with the key of its certificate, outside of TLS.

use aws_lc_rs::signature::{ECDSA_P256K1_SHA256_ASN1, UnparsedPublicKey};
use rustls::SignatureScheme;

use crate::{Identity, Mode, PublicKey};

/// Goes before every statement. The same key signs TLS 1.2 handshakes, whose first 32 signed bytes the
/// client chooses and whose next 32 the server draws at random: with a longer prefix no
/// signature of the one kind is one of the other.
const PREFIX: &[u8; 65] = b"AMOP: what a node says of itself, signed by its certificate's key";

impl Identity {
    /// Signs what we say of ourselves to nodes that have no TLS connection to us: ECDSA on secp256k1
    /// with SHA-256, in DER. `None` in RSA mode, or if the random source fails.
    pub fn sign_statement(&self, statement: &[u8]) -> Option<Vec<u8>> {
        if self.mode() != Mode::Ec {
            return None;
        }
        let key = self.signing_key();
        let signer = key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256])?;
        signer.sign(&prefixed(statement)).ok()
    }
}

impl PublicKey {
    /// Whether the owner of this key has signed a statement with [`Identity::sign_statement`].
    pub fn signed_statement(&self, statement: &[u8], signature: &[u8]) -> bool {
        let point = [&[4], &self.0[..]].concat();
        UnparsedPublicKey::new(&ECDSA_P256K1_SHA256_ASN1, point)
            .verify(&prefixed(statement), signature)
            .is_ok()
    }
}

fn prefixed(statement: &[u8]) -> Vec<u8> {
    [&PREFIX[..], statement].concat()
}

#[cfg(all(test, feature = "pki"))]
mod tests {
    use super::*;
    use crate::pki::{Authority, Leaf};

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
        // What TLS signs is no statement.
        let raw = one.signing_key();
        let raw = raw.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]);
        let signature = raw.unwrap().sign(b"links: none").unwrap();
        assert!(!key.signed_statement(b"links: none", &signature));
        // A key that is no point on the curve has signed nothing.
        assert!(!PublicKey([7; 64]).signed_statement(b"x", &signature));
    }
}
