//! Peers whose certificates are wrong.

use super::common::{self, FLAVOURS, Who, ends_in_one_alert, give, take_output, text};
use super::hostile::{body, refusal};
use crate::certificates::certificate_message;
use crate::codec::put_prefixed;
use crate::messages::MessageType;
use crate::{Alert, ConnectionRole, Flavour, TlcpError};

fn der(flavour: Flavour, who: Who) -> [Vec<u8>; 2] {
    let [sign, _, encrypt, _] = common::files(flavour, who);
    [sign, encrypt].map(|name| {
        let (_, der) = ::der::pem::decode_vec(first_block(&text(&name)).as_bytes()).unwrap();
        der
    })
}

fn first_block(pem: &str) -> String {
    const END: &str = "-----END CERTIFICATE-----\n";
    let begin = pem.find("-----BEGIN").unwrap();
    let end = pem.find(END).unwrap() + END.len();
    pem[begin..end].to_owned()
}

#[test]
fn lists_of_certificates_that_are_wrong() {
    for flavour in FLAVOURS {
        for (role, who) in [
            (ConnectionRole::Client, Who::Sdk),
            (ConnectionRole::Server, Who::Node),
        ] {
            let send = |list: Vec<Vec<u8>>| {
                let list = certificate_message(list.iter().map(|der| &der[..]));
                refusal(
                    flavour,
                    role,
                    MessageType::Certificate,
                    body(move |_| list.clone()),
                )
            };
            let [sign, encrypt] = der(flavour, who);
            assert!(matches!(send(vec![]), TlcpError::NoCertificates(_)));
            let refused = |list: Vec<Vec<u8>>, alert| match send(list) {
                TlcpError::Refused(refusal) => assert_eq!(refusal.alert(), alert, "{refusal}"),
                other => panic!("{other}"),
            };
            let unsupported = Alert::UNSUPPORTED_CERTIFICATE;
            refused(vec![sign.clone()], unsupported);
            refused(vec![encrypt.clone()], unsupported);
            refused(vec![encrypt.clone(), sign.clone()], unsupported);
            refused(vec![sign.clone(), sign.clone()], unsupported);
            let other = if who == Who::Sdk { Who::Node } else { Who::Sdk };
            let [_, others] = der(flavour, other);
            refused(vec![sign.clone(), encrypt.clone(), others], unsupported);
            refused(
                vec![sign.clone(), encrypt[1..].to_vec()],
                Alert::BAD_CERTIFICATE,
            );
            let mut longer = encrypt.clone();
            longer.push(0);
            refused(vec![sign.clone(), longer], Alert::BAD_CERTIFICATE);
            let mut many = vec![sign.clone(), encrypt.clone()];
            many.resize(11, encrypt.clone());
            refused(many, Alert::BAD_CERTIFICATE);
            // The certificates of the other chain.
            let stranger = if flavour == Flavour::Tlcp {
                Flavour::Tls12Sm
            } else {
                Flavour::Tlcp
            };
            refused(der(stranger, who).to_vec(), Alert::UNKNOWN_CA);
        }
    }
}

/// The peer uses a certificate of another side, whose key it does not have.
#[test]
fn stolen_certificates() {
    for flavour in FLAVOURS {
        for (role, other) in [
            (ConnectionRole::Client, Who::Node),
            (ConnectionRole::Server, Who::Sdk),
        ] {
            let stolen = common::config(flavour, other).identity().message().to_vec();
            let error = refusal(
                flavour,
                role,
                MessageType::Certificate,
                body(move |_| stolen.clone()),
            );
            // A server also cannot decrypt what is encrypted for the certificate; but its signature
            // comes first.
            let signed = match role {
                ConnectionRole::Client => "CertificateVerify",
                ConnectionRole::Server => "ServerKeyExchange",
            };
            assert!(
                matches!(error, TlcpError::WrongSignature { message } if message == signed),
                "{flavour}, {role:?}: {error}"
            );
        }
    }
}

/// Returns the certificate for encryption with another key, signed again by the authority.
fn issued_for(key: &crate::Sm2PublicKey, certificate: &[u8]) -> Vec<u8> {
    use ::der::{Decode, Encode};

    let certificate = x509_cert::Certificate::from_der(certificate).unwrap();
    let old = crate::Sm2PublicKey::of(&certificate).unwrap().to_sec1();
    let mut tbs = certificate.tbs_certificate().to_der().unwrap();
    let at = tbs.windows(65).position(|part| part == old).unwrap();
    tbs[at..at + 65].copy_from_slice(&key.to_sec1());
    let authority = crate::PrivateKey::from_pem(&text("v3/ca/sm_ca.key")).unwrap();
    let signer = crate::crypto::keys::Sm2Signer::new(&authority).unwrap();
    let signature = signer.sign(&[&tbs]).unwrap();
    let mut content = tbs;
    content.extend(certificate.signature_algorithm().to_der().unwrap());
    content.extend([3, u8::try_from(signature.len() + 1).unwrap(), 0]);
    content.extend(signature);
    let mut whole = vec![0x30];
    whole.push(0x82);
    put_prefixed(&mut whole, 2, &content);
    whole
}

/// Each of the two certificates is valid.
#[test]
fn one_key_for_both_purposes() {
    for (role, who) in [
        (ConnectionRole::Client, Who::Sdk),
        (ConnectionRole::Server, Who::Node),
    ] {
        let [sign, encrypt] = der(Flavour::Tlcp, who);
        let key = *common::identity(Flavour::Tlcp, who).public_key();
        let both = [sign, issued_for(&key, &encrypt)];
        let list = certificate_message(both.iter().map(|der| &der[..]));
        let alter = body(move |_| list.clone());
        match refusal(Flavour::Tlcp, role, MessageType::Certificate, alter) {
            TlcpError::Refused(refusal) => {
                assert_eq!(refusal.alert(), Alert::UNSUPPORTED_CERTIFICATE);
                assert!(refusal.to_string().contains("same key"), "{refusal}");
            }
            other => panic!("{other}"),
        }
    }
}

/// The verifier uses the time that the caller passes in.
#[test]
fn certificates_that_are_not_valid_at_the_time() {
    use std::time::SystemTime;

    for flavour in FLAVOURS {
        let (mut client, mut server) = common::pair(flavour, true);
        give(&mut server, &take_output(&mut client)).unwrap();
        let answer = take_output(&mut server);
        let error = client.receive(SystemTime::UNIX_EPOCH, &answer).unwrap_err();
        assert!(matches!(error, TlcpError::Refused(_)), "{error}");
        assert!(ends_in_one_alert(&take_output(&mut client)));
    }
}
