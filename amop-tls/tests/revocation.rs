//! Revocation lists: their issuers, the certificates they refuse, and files that are not lists.

use std::time::{Duration, SystemTime};

use amop_tls::{
    Identity, TlsError,
    pki::{Agency, Authority, Issued, Leaf, Validity},
    rustls::{ClientConnection, Connection, ServerConnection},
};
use rustls::pki_types::{CertificateRevocationListDer, pem::PemObject};

fn chain() -> (Authority, Agency) {
    let root = Authority::new_ec("chain").unwrap();
    let agency = root.agency("agency").unwrap();
    (root, agency)
}

fn identity(issued: &Issued, root: &str) -> Identity {
    let (cert, key) = (issued.cert_pem.as_bytes(), issued.key_pem.as_bytes());
    Identity::from_pem(cert, key, root.as_bytes()).unwrap()
}

fn valid() -> Validity {
    Validity::starting(SystemTime::now())
}

/// Returns the server's error, if the handshake between two nodes fails.
fn connect(client: &Identity, server: &Identity) -> Result<(), String> {
    let name = Identity::server_name();
    let client = client.peer_client_config(None).unwrap();
    let server = server.peer_server_config(None).unwrap();
    let mut client = Connection::from(ClientConnection::new(client, name).unwrap());
    let mut server = Connection::from(ServerConnection::new(server).unwrap());
    let mut outcome = Ok(());
    while outcome.is_ok() && (client.is_handshaking() || server.is_handshaking()) {
        pass(&mut client, &mut server).map_err(|error| error.to_string())?;
        outcome = pass(&mut server, &mut client).map_err(|error| format!("client: {error}"));
    }
    outcome
}

fn pass(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut rest = &wire[..];
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn a_revoked_leaf_is_refused_by_both_ends_and_others_are_not() {
    let (_, agency) = chain();
    let issue = |name| agency.issue(Leaf::Node, name).unwrap();
    let (good, bad, own) = (issue("good"), issue("bad"), issue("own"));
    let list = agency.revoke(&[&bad.cert_pem], valid()).unwrap();
    let of = |issued: &Issued| identity(issued, agency.root_pem());
    assert_eq!(connect(&of(&bad), &of(&own)), Ok(()));
    // PEM and DER give the same result.
    let der = CertificateRevocationListDer::from_pem_slice(list.as_bytes()).unwrap();
    for bytes in [list.as_bytes(), der.as_ref()] {
        let own = of(&own).with_revocation("the list", bytes).unwrap();
        assert_eq!(connect(&of(&good), &own), Ok(()));
        let error = connect(&of(&bad), &own).unwrap_err();
        assert!(
            error.contains("revoked") || error.contains("Revoked"),
            "{error}"
        );
        assert_eq!(connect(&own, &of(&good)), Ok(()));
        let error = connect(&own, &of(&bad)).unwrap_err();
        assert!(error.starts_with("client: ") && error.to_lowercase().contains("revoked"));
    }
}

#[test]
fn a_revoked_agency_is_refused_and_so_are_all_below_it() {
    let (root, bad) = chain();
    let good = root.agency("other").unwrap();
    let issue = |agency: &Agency| {
        let issued = agency.issue(Leaf::Node, "node").unwrap();
        identity(&issued, root.cert_pem())
    };
    let list = root.revoke(&[bad.cert_pem()], valid()).unwrap();
    let own = issue(&good)
        .with_revocation("the list", list.as_bytes())
        .unwrap();
    assert_eq!(connect(&issue(&good), &own), Ok(()));
    let error = connect(&issue(&bad), &own).unwrap_err();
    assert!(
        error.contains("agency") && error.to_lowercase().contains("revoked"),
        "{error}"
    );
}

#[test]
fn an_old_list_counts_and_says_so() {
    let (_, agency) = chain();
    let issue = |name| agency.issue(Leaf::Node, name).unwrap();
    let (bad, own) = (issue("bad"), issue("own"));
    let day = Duration::from_secs(24 * 60 * 60);
    let old = Validity {
        not_before: SystemTime::now() - 2 * day,
        not_after: SystemTime::now() - day,
    };
    let list = agency.revoke(&[&bad.cert_pem], old).unwrap();
    let own = identity(&own, agency.root_pem());
    assert_eq!(own.revocation_update(), None);
    let own = own.with_revocation("the list", list.as_bytes()).unwrap();
    let due = old
        .not_after
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(own.revocation_update(), i64::try_from(due.as_secs()).ok());
    assert!(connect(&identity(&bad, agency.root_pem()), &own).is_err());
}

#[test]
fn a_list_of_an_unknown_agency_needs_its_certificate() {
    let (root, own) = chain();
    let other = root.agency("other").unwrap();
    let bad = other.issue(Leaf::Node, "bad").unwrap();
    let own = own.issue(Leaf::Node, "own").unwrap();
    let of = |issued: &Issued| identity(issued, root.cert_pem());
    let list = other.revoke(&[&bad.cert_pem], valid()).unwrap();
    let error = of(&own)
        .with_revocation("other.crl", list.as_bytes())
        .unwrap_err();
    assert!(matches!(error, TlsError::CrlIssuer { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("other.crl") && text.contains("CN=other"),
        "{text}"
    );
    let both = format!("{}{list}", other.cert_pem());
    let own = of(&own)
        .with_revocation("other.crl", both.as_bytes())
        .unwrap();
    assert!(connect(&of(&bad), &own).is_err());
}

#[test]
fn forged_and_damaged_lists_are_errors() {
    let (root, agency) = chain();
    let own = agency.issue(Leaf::Node, "own").unwrap();
    let own = identity(&own, root.cert_pem());
    // Another agency with the same name.
    let forger = chain().1;
    let list = forger.revoke(&[], valid()).unwrap();
    let error = own
        .clone()
        .with_revocation("f.crl", list.as_bytes())
        .unwrap_err();
    assert!(matches!(error, TlsError::CrlSignature { .. }), "{error}");
    let list = agency.revoke(&[], valid()).unwrap();
    let der = CertificateRevocationListDer::from_pem_slice(list.as_bytes()).unwrap();
    assert!(own.clone().with_revocation("good.crl", &der).is_ok());
    for at in 0..der.len() {
        let mut damaged = der.to_vec();
        damaged[at] ^= 1;
        assert!(
            own.clone().with_revocation("d.crl", &damaged).is_err(),
            "byte {at}"
        );
        assert!(
            own.clone().with_revocation("s.crl", &der[..at]).is_err(),
            "{at} bytes"
        );
    }
    let none = own
        .clone()
        .with_revocation("n.crl", root.cert_pem().as_bytes());
    assert!(none.unwrap_err().to_string().contains("BEGIN X509 CRL"));
    let missing = own.with_revocation_file("/nowhere/x.crl").unwrap_err();
    assert!(matches!(missing, TlsError::Missing { .. }), "{missing}");
}
