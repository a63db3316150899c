use std::time::{Duration, SystemTime};

use amop_tls::{
    Identity, PeerOptions, Side,
    pki::{Agency, Authority, Leaf, Validity},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::*;

/// Returns the standing of a node whose certificate is valid for `seconds` more seconds.
fn standing(agency: &Agency, seconds: u64) -> Standing {
    let now = SystemTime::now();
    let validity = Validity {
        not_before: now - Duration::from_secs(60),
        not_after: now + Duration::from_secs(seconds),
    };
    let issued = agency.issue_with(Leaf::Node, "node", validity).unwrap();
    let identity = Identity::from_pem(
        issued.cert_pem.as_bytes(),
        issued.key_pem.as_bytes(),
        agency.root_pem().as_bytes(),
    )
    .unwrap();
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(issued.cert_pem.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
    let verifier = identity.verifier_of_peers(PeerOptions::default()).unwrap();
    let admitted = verifier.verify(&chain, Side::Client, UnixTime::now());
    admitted.unwrap().standing
}

#[test]
fn they_expire_in_order_and_once() {
    let agency = Authority::new_ec("chain").unwrap().agency("a").unwrap();
    let (session, peer) = (
        ConnectionId::Session(SessionId(1)),
        ConnectionId::Peer(PeerId(1)),
    );
    let gone = ConnectionId::Session(SessionId(2));
    let mut standings = Standings::default();
    assert_eq!(standings.first_expiry(), None);
    assert!(standings.insert(session, standing(&agency, 200)));
    assert!(standings.insert(peer, standing(&agency, 100)));
    assert!(!standings.insert(gone, standing(&agency, 150)));
    standings.remove(gone);
    let first = standings.first_expiry().unwrap();
    let at = |seconds: i64| {
        let seconds = u64::try_from(first + seconds).unwrap();
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    };
    assert_eq!(standings.take_expired(at(0)), []);
    assert_eq!(standings.take_expired(at(1)), [(first, peer)]);
    assert_eq!(standings.take_expired(at(1)), []);
    assert_eq!(standings.all().count(), 2);
    assert_eq!(standings.take_expired(at(1000)), [(first + 100, session)]);
    assert_eq!(standings.first_expiry(), None);
    for link in [session, peer] {
        standings.remove(link);
    }
    assert_eq!(standings.all().count(), 0);
}
