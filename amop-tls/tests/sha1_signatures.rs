//! Clients that sign with SHA-1, as JDK 8 to 15 do with a secp256k1 key: which clients may do this,
//! and what nodes offer.

use std::sync::{Arc, Mutex};

use super::common::{self, *};
use amop_tls::{Identity, Mode, PeerOptions, ServerOptions, Side};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use k256::SecretKey;
use k256::ecdsa::{DerSignature, Signature, SigningKey as EcdsaKey};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{ClientConfig, Error, ServerConfig, SignatureAlgorithm, SignatureScheme};

const SHA1: SignatureScheme = SignatureScheme::ECDSA_SHA1_Legacy;
const SHA256: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

/// A client like a JDK 11: its key signs only with SHA-1.
#[derive(Debug)]
struct Jdk11 {
    chain: Vec<CertificateDer<'static>>,
    key: EcdsaKey,
    /// Signs with SHA-1 even if it was not offered.
    stubborn: bool,
    high_s: bool,
    spoilt: bool,
    offered: Mutex<Vec<SignatureScheme>>,
}

impl Jdk11 {
    fn new(folder: &str) -> Self {
        let der = PrivateKeyDer::from_pem_slice(&bytes(&format!("{folder}.key"))).unwrap();
        let secret = SecretKey::from_der(der.secret_der()).unwrap();
        Self {
            chain: certs(&format!("{folder}.crt")),
            key: EcdsaKey::from(secret),
            stubborn: false,
            high_s: false,
            spoilt: false,
            offered: Mutex::default(),
        }
    }

    fn signer(&self) -> Sha1Signer {
        Sha1Signer {
            key: self.key.clone(),
            high_s: self.high_s,
            spoilt: self.spoilt,
        }
    }
}

impl ResolvesClientCert for Jdk11 {
    fn resolve(&self, _: &[&[u8]], offered: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        *self.offered.lock().unwrap() = offered.to_vec();
        let signer = self.signer();
        let key = OldKey {
            signer,
            stubborn: self.stubborn,
        };
        Some(Arc::new(CertifiedKey::new(
            self.chain.clone(),
            Arc::new(key),
        )))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct OldKey {
    signer: Sha1Signer,
    stubborn: bool,
}

impl SigningKey for OldKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let may = self.stubborn || offered.contains(&SHA1);
        may.then(|| Box::new(self.signer.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        None
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

#[derive(Debug, Clone)]
struct Sha1Signer {
    key: EcdsaKey,
    high_s: bool,
    spoilt: bool,
}

impl Signer for Sha1Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, message);
        let mut bytes = digest.as_ref().to_vec();
        if self.spoilt {
            bytes[0] ^= 1;
        }
        let (signature, _) = self.key.sign_prehash_recoverable(&bytes);
        let (r, s) = signature.split_scalars();
        let signature = if self.high_s {
            Signature::from_scalars(r.to_bytes(), (-s).to_bytes()).unwrap()
        } else {
            signature
        };
        Ok(DerSignature::from(signature).as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SHA1
    }
}

fn client(base: &Identity, jdk: &Arc<Jdk11>) -> Arc<ClientConfig> {
    let mut config = (*base.client_config().unwrap()).clone();
    config.client_auth_cert_resolver = jdk.clone();
    Arc::new(config)
}

fn shake(jdk: &Arc<Jdk11>, server: Arc<ServerConfig>) -> Outcome {
    handshake(client(&sdk("ec/sdk"), jdk), server)
}

fn offered(jdk: &Jdk11) -> Vec<SignatureScheme> {
    jdk.offered.lock().unwrap().clone()
}

#[test]
fn an_sdk_on_an_old_jdk_gets_in_and_is_told_of() {
    let node = node("ec/node0");
    for high_s in [false, true] {
        let jdk = Arc::new(Jdk11 {
            high_s,
            ..Jdk11::new("ec/sdk/sdk")
        });
        let verifier = node.verifier_of_sdks(ServerOptions::default()).unwrap();
        let server = node.listening(&verifier).unwrap();
        let done = shake(&jdk, server.clone());
        assert!(done.ok(), "{:?}", done.server_result);
        // The better scheme is offered first.
        assert_eq!(offered(&jdk), [SHA256, SHA1]);
        let chain = done.server.peer_certificates().unwrap();
        let admitted = verifier.verify(chain, Side::Client, UnixTime::now());
        let standing = admitted.unwrap().standing;
        assert!(verifier.signed_with_sha1(&standing));

        // The same key, used by a newer library.
        let done = handshake(sdk("ec/sdk").client_config().unwrap(), server);
        assert!(done.ok());
        assert!(!verifier.signed_with_sha1(&standing));
    }
}

#[test]
fn a_wrong_signature_with_sha1_is_refused() {
    let jdk = Arc::new(Jdk11 {
        spoilt: true,
        ..Jdk11::new("ec/sdk/sdk")
    });
    let done = shake(&jdk, channel(&node("ec/node0")));
    let failure = done.server_failure(Mode::Ec).to_string();
    assert!(
        failure.contains("handshake signature is wrong"),
        "{failure}"
    );
    // The certificate of another SDK without its key.
    let mut thief = Jdk11::new("ec/sdk/sdk");
    thief.key = Jdk11::new("odd/sdk").key;
    let done = shake(&Arc::new(thief), channel(&node("ec/node0")));
    let failure = done.server_failure(Mode::Ec).to_string();
    assert!(
        failure.contains("handshake signature is wrong"),
        "{failure}"
    );
}

#[test]
fn it_can_be_switched_off() {
    let node = node("ec/node0");
    let options = ServerOptions::default().sha1_client_signatures(false);
    let server = node.server_config(options).unwrap();
    let jdk = Arc::new(Jdk11::new("ec/sdk/sdk"));
    assert!(!shake(&jdk, server.clone()).ok());
    assert_eq!(offered(&jdk), [SHA256]);
    let stubborn = Arc::new(Jdk11 {
        stubborn: true,
        ..Jdk11::new("ec/sdk/sdk")
    });
    assert!(shake(&stubborn, server).server_result.is_err());
}

/// Nodes do not use a JDK, RSA keys do not need SHA-1, and in certificates it would be unsafe.
#[test]
fn nobody_else_may_sign_with_sha1() {
    let node = node("ec/node0");
    let peers = node.verifier_of_peers(PeerOptions::default()).unwrap();
    let server = node.listening(&peers).unwrap();
    let jdk = Arc::new(Jdk11 {
        stubborn: true,
        ..Jdk11::new("ec/node1/node")
    });
    assert!(shake(&jdk, server).server_result.is_err());
    assert_eq!(offered(&jdk), [SHA256]);

    // The schemes that are offered to RSA clients.
    let asked = Arc::new(Jdk11::new("ec/sdk/sdk"));
    let rsa = common::node("rsa/node0");
    let config = client(&sdk("rsa/sdk"), &asked);
    assert!(!handshake(config, channel(&rsa)).ok());
    let offered = offered(&asked);
    assert!(!offered.is_empty());
    let sha1 = [SHA1, SignatureScheme::RSA_PKCS1_SHA1];
    assert!(
        !offered.iter().any(|scheme| sha1.contains(scheme)),
        "{offered:?}"
    );
}
