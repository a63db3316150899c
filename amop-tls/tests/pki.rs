//! Compares generated certificates with certificates of the chain's own script (`tests/data/pki`,
//! public test material), and checks them with OpenSSL if it is installed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use amop_tls::pki::{
    Agency, Authority, Issued, Leaf, PkiError, RsaAuthority, Validity, public_key,
};
use aws_lc_rs::signature::{
    ECDSA_P256K1_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode, oid::AssociatedOid};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use x509_cert::time::Time;

const EC_NODE: &str = include_str!("data/pki/ec_node.crt");
const EC_NODE_KEY: &str = include_str!("data/pki/ec_node.key");
const EC_NODE_ID: &str = include_str!("data/pki/ec_node.nodeid");
const EC_SDK: &str = include_str!("data/pki/ec_sdk.crt");
const RSA_CA: &str = include_str!("data/pki/rsa_ca.crt");
const RSA_NODE: &str = include_str!("data/pki/rsa_node.crt");

/// The properties of a certificate that are the same in every run.
#[derive(Debug, PartialEq)]
struct Shape {
    version: u8,
    serial_bytes: usize,
    names: [Vec<u8>; 2],
    utc_times: [bool; 2],
    days: u64,
    algorithms: [Vec<u8>; 3],
    extensions: Vec<(String, bool, Vec<u8>)>,
}

fn certificates(pem: &str) -> Vec<Certificate> {
    let ders = CertificateDer::pem_slice_iter(pem.as_bytes());
    ders.map(|der| Certificate::from_der(&der.unwrap()).unwrap())
        .collect()
}

fn shapes(pem: &str) -> Vec<Shape> {
    certificates(pem).iter().map(shape).collect()
}

fn shape(certificate: &Certificate) -> Shape {
    let tbs = certificate.tbs_certificate();
    let der = |value: &dyn Fn() -> der::Result<Vec<u8>>| value().unwrap();
    let times = [tbs.validity().not_before, tbs.validity().not_after];
    let [from, to] = times.map(|time| time.to_unix_duration().as_secs());
    Shape {
        version: tbs.version() as u8,
        serial_bytes: tbs.serial_number().as_bytes().len(),
        names: [
            der(&|| tbs.issuer().to_der()),
            der(&|| tbs.subject().to_der()),
        ],
        utc_times: times.map(|time| matches!(time, Time::UtcTime(_))),
        days: (to - from) / 86_400,
        algorithms: [
            der(&|| tbs.signature().to_der()),
            der(&|| certificate.signature_algorithm().to_der()),
            der(&|| tbs.subject_public_key_info().algorithm.to_der()),
        ],
        extensions: tbs
            .extensions()
            .into_iter()
            .flatten()
            .map(content)
            .collect(),
    }
}

/// Returns an extension without the bits that depend on keys.
fn content(extension: &Extension) -> (String, bool, Vec<u8>) {
    let mut value = extension.extn_value.as_bytes().to_vec();
    if extension.extn_id == SubjectKeyIdentifier::OID {
        let id = SubjectKeyIdentifier::from_der(&value).unwrap();
        value = vec![0; id.0.as_bytes().len()];
    } else if extension.extn_id == AuthorityKeyIdentifier::OID {
        let id = AuthorityKeyIdentifier::from_der(&value).unwrap();
        let key = id.key_identifier.map(|key| key.as_bytes().len());
        let serial = id.authority_cert_serial_number.map(|n| n.as_bytes().len());
        value = format!("{key:?} {:?} {serial:?}", id.authority_cert_issuer).into_bytes();
    }
    (extension.extn_id.to_string(), extension.critical, value)
}

fn chain() -> Agency {
    Authority::new_ec("chain")
        .unwrap()
        .agency("agency")
        .unwrap()
}

#[track_caller]
fn assert_signed_by(child: &str, issuer: &str, algorithm: &'static dyn VerificationAlgorithm) {
    let (child, issuer) = (&certificates(child)[0], &certificates(issuer)[0]);
    let key = issuer.tbs_certificate().subject_public_key_info();
    UnparsedPublicKey::new(algorithm, key.subject_public_key.raw_bytes())
        .verify(
            &child.tbs_certificate().to_der().unwrap(),
            child.signature().raw_bytes(),
        )
        .expect("the signature fits");
}

#[test]
fn node_and_sdk_chains_have_the_shape_of_the_script_s() {
    let agency = chain();
    let node = agency.issue(Leaf::Node, "node0").unwrap();
    assert_eq!(shapes(&node.cert_pem), shapes(EC_NODE));
    let sdk = agency.issue(Leaf::Sdk, "sdk").unwrap();
    assert_eq!(shapes(&sdk.cert_pem), shapes(EC_SDK));
    // This ensures that two empty lists do not count as equal.
    let versions: Vec<u8> = shapes(EC_NODE).iter().map(|s| s.version).collect();
    assert_eq!(versions, [2, 2, 0], "leaf v3, agency v3, root v1");
}

#[test]
fn rsa_certificates_have_the_shape_of_the_script_s() {
    let authority = RsaAuthority::new("agency").unwrap();
    assert_eq!(shapes(authority.cert_pem()), shapes(RSA_CA));
    let leaf = authority.issue().unwrap();
    assert_eq!(shapes(&leaf.cert_pem), shapes(RSA_NODE));
    assert_eq!(shapes(RSA_NODE).len(), 1);
    assert_signed_by(
        &leaf.cert_pem,
        authority.cert_pem(),
        &RSA_PKCS1_2048_8192_SHA256,
    );
    assert_eq!(public_key(&leaf.cert_pem).unwrap(), None);
}

#[test]
fn key_files_have_the_script_s_encoding() {
    let node = chain().issue(Leaf::Node, "node0").unwrap();
    let der = |pem: &str| match PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap() {
        PrivateKeyDer::Pkcs8(der) => der.secret_pkcs8_der().to_vec(),
        _ => panic!("not PKCS#8"),
    };
    let (ours, theirs) = (der(&node.key_pem), der(EC_NODE_KEY));
    // They are the same before the scalar, between scalar and point, and in length.
    let same = |range: std::ops::Range<usize>| assert_eq!(ours[range.clone()], theirs[range]);
    assert_eq!(ours.len(), theirs.len());
    same(0..33);
    same(65..71);
    assert_ne!(ours[33], 0, "the scalar begins with a zero byte");
    assert_eq!(ours[71..], node.public_key);
}

#[test]
fn signatures_lead_to_the_root() {
    let root = Authority::new_ec("chain").unwrap();
    let agency = root.agency("agency").unwrap();
    let node = agency.issue(Leaf::Node, "node0").unwrap();
    let alg = &ECDSA_P256K1_SHA256_ASN1;
    assert_signed_by(&node.cert_pem, agency.cert_pem(), alg);
    assert_signed_by(agency.cert_pem(), root.cert_pem(), alg);
    assert_signed_by(root.cert_pem(), root.cert_pem(), alg);
    assert_eq!(
        node.cert_pem
            .split_inclusive("-----END CERTIFICATE-----\n")
            .skip(1)
            .collect::<String>(),
        [agency.cert_pem(), root.cert_pem()].concat()
    );
}

#[test]
fn the_node_id_is_the_key_of_the_leaf() {
    let node = chain().issue(Leaf::Node, "node0").unwrap();
    assert_eq!(public_key(&node.cert_pem).unwrap(), Some(node.public_key));
    let key = public_key(EC_NODE).unwrap().expect("an EC certificate");
    let id: String = key.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(id, EC_NODE_ID.trim());
}

#[test]
fn dates_can_be_chosen() {
    let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
    let expired = Validity {
        not_before: at(1_577_836_800),
        not_after: at(1_609_459_200),
    };
    let leaf = chain().issue_with(Leaf::Sdk, "sdk", expired).unwrap();
    let certificate = &certificates(&leaf.cert_pem)[0];
    let validity = certificate.tbs_certificate().validity();
    assert_eq!(validity.not_before.to_system_time(), expired.not_before);
    assert_eq!(validity.not_after.to_system_time(), expired.not_after);
    assert!(matches!(validity.not_after, Time::UtcTime(_)));

    let backwards = Validity {
        not_before: expired.not_after,
        not_after: expired.not_before,
    };
    let before_unix = Validity {
        not_before: at(0) - Duration::from_secs(1),
        ..expired
    };
    for wrong in [backwards, before_unix] {
        let root = Authority::new_ec_with("chain", wrong);
        assert!(matches!(root, Err(PkiError::Validity(_))), "{wrong:?}");
    }
}

#[test]
fn names_the_script_refuses_are_refused() {
    let agency = chain();
    let long = "n".repeat(65);
    for name in ["", ".", "..", "a b", "a/b", "a#b", "nöde", "a\nb", &long] {
        let wrong = agency.issue(Leaf::Node, name);
        assert!(matches!(wrong, Err(PkiError::Name(_))), "{name:?}");
        assert!(matches!(Authority::new_ec(name), Err(PkiError::Name(_))));
        assert!(matches!(RsaAuthority::new(name), Err(PkiError::Name(_))));
    }
    agency.issue(Leaf::Node, &long[1..]).unwrap();
}

#[test]
fn authorities_can_be_loaded_again() {
    let root = Authority::new_ec("chain").unwrap();
    let root = Authority::from_pem(root.cert_pem(), &root.key_pem().unwrap()).unwrap();
    let agency = root.agency("agency").unwrap();
    let key = agency.key_pem().unwrap();
    let agency = Agency::from_pem(root.cert_pem(), agency.cert_pem(), &key).unwrap();
    let node = agency.issue(Leaf::Node, "node9").unwrap();
    assert_signed_by(&node.cert_pem, agency.cert_pem(), &ECDSA_P256K1_SHA256_ASN1);

    let rsa = RsaAuthority::new("agency").unwrap();
    let rsa = RsaAuthority::from_pem(rsa.cert_pem(), &rsa.key_pem().unwrap()).unwrap();
    rsa.issue().unwrap();
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let root = Authority::new_ec("chain").unwrap();
    let agency = root.agency("agency").unwrap();
    let foreign = Authority::new_ec("other").unwrap();
    let (root_key, agency_key) = (root.key_pem().unwrap(), agency.key_pem().unwrap());

    let mixed = Authority::from_pem(root.cert_pem(), &agency_key);
    assert!(matches!(mixed, Err(PkiError::Mismatch)));
    let mixed = Agency::from_pem(foreign.cert_pem(), agency.cert_pem(), &agency_key);
    let text = mixed.unwrap_err().to_string();
    assert!(
        text.contains("CN=chain") && text.contains("CN=other"),
        "{text}"
    );
    let swapped = Authority::from_pem(&root_key, root.cert_pem());
    assert!(matches!(swapped, Err(PkiError::Certificate(_))));
    let rsa = RsaAuthority::from_pem(root.cert_pem(), &root_key);
    assert!(matches!(rsa, Err(PkiError::Key(_))));
    let mixed = Authority::from_pem(RSA_CA, &root_key);
    assert!(matches!(mixed, Err(PkiError::Mismatch)));
}

#[test]
fn debug_output_holds_no_key() {
    let root = Authority::new_ec("chain").unwrap();
    let agency = root.agency("agency").unwrap();
    let issued = agency.issue(Leaf::Sdk, "sdk").unwrap();
    let rsa = RsaAuthority::new("agency").unwrap();
    let text = format!("{root:?} {agency:?} {issued:?} {rsa:?} {:?}", rsa.issue());
    assert!(!text.contains("PRIVATE KEY"), "{text}");
    assert!(text.contains(&issued.node_id()));
}

/// Runs `openssl`; returns `None` if it is not installed.
fn openssl(dir: &Path, args: &[&str]) -> Option<String> {
    let output = match Command::new("openssl").current_dir(dir).args(args).output() {
        Ok(output) => output,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIPPED: openssl is not installed");
            return None;
        }
        Err(e) => panic!("openssl: {e}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {args:?}: {text}{errors}");
    Some(text)
}

#[test]
fn openssl_accepts_the_ec_chain() {
    let dir = tempfile::tempdir().unwrap();
    let agency = chain();
    let node: Issued = agency.issue(Leaf::Node, "node0").unwrap();
    fs::write(dir.path().join("ca.crt"), agency.root_pem()).unwrap();
    fs::write(dir.path().join("agency.crt"), agency.cert_pem()).unwrap();
    fs::write(dir.path().join("node.crt"), &node.cert_pem).unwrap();
    fs::write(dir.path().join("node.key"), &node.key_pem).unwrap();
    let verify = [
        "verify",
        "-CAfile",
        "ca.crt",
        "-untrusted",
        "agency.crt",
        "node.crt",
    ];
    let Some(verdict) = openssl(dir.path(), &verify) else {
        return;
    };
    assert!(verdict.contains("node.crt: OK"), "{verdict}");
    let text = openssl(dir.path(), &["x509", "-in", "node.crt", "-noout", "-text"]).unwrap();
    for expected in [
        "Version: 3 (0x2)",
        "secp256k1",
        "CA:FALSE",
        "Digital Signature, Non Repudiation, Key Encipherment",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let from_key = openssl(dir.path(), &["pkey", "-in", "node.key", "-pubout"]).unwrap();
    let from_cert = openssl(
        dir.path(),
        &["x509", "-in", "node.crt", "-noout", "-pubkey"],
    );
    assert_eq!(Some(from_key), from_cert);
}

#[test]
fn openssl_accepts_the_rsa_chain() {
    let dir = tempfile::tempdir().unwrap();
    let authority = RsaAuthority::new("agency").unwrap();
    let leaf = authority.issue().unwrap();
    fs::write(dir.path().join("ca.crt"), authority.cert_pem()).unwrap();
    fs::write(dir.path().join("sdk.crt"), &leaf.cert_pem).unwrap();
    fs::write(dir.path().join("sdk.key"), &leaf.key_pem).unwrap();
    let Some(verdict) = openssl(dir.path(), &["verify", "-CAfile", "ca.crt", "sdk.crt"]) else {
        return;
    };
    assert!(verdict.contains("sdk.crt: OK"), "{verdict}");
    let text = openssl(dir.path(), &["x509", "-in", "sdk.crt", "-noout", "-text"]).unwrap();
    assert!(
        text.contains("Version: 1 (0x0)") && text.contains("2048 bit"),
        "{text}"
    );
    let check = openssl(dir.path(), &["rsa", "-in", "sdk.key", "-noout", "-check"]).unwrap();
    assert!(check.contains("RSA key ok"), "{check}");
}
