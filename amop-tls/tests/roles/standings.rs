//! How long a peer may stay, and lists that are replaced.

use super::*;

/// New lists apply to handshakes at once, and decide which of the accepted peers may stay.
#[test]
fn lists_are_replaced_while_they_are_in_use() {
    let root = Authority::new_ec("chain").unwrap();
    let (agency, bad_agency) = (root.agency("a").unwrap(), root.agency("b").unwrap());
    let own = issue(&agency, Leaf::Node);
    let verifier = own.verifier_of_peers(PeerOptions::default()).unwrap();
    let server = own.listening(&verifier).unwrap();
    let issued =
        [&agency, &agency, &bad_agency].map(|agency| agency.issue(Leaf::Node, "x").unwrap());
    let now = UnixTime::now();
    let standings = issued.each_ref().map(|issued| {
        let admitted = verifier
            .verify(&chain_of(issued), Side::Client, now)
            .unwrap();
        assert_eq!(admitted.info.public_key, Some(PublicKey(issued.public_key)));
        admitted.standing
    });
    let judged = || {
        standings
            .each_ref()
            .map(|standing| verifier.still_admits(standing, now))
    };
    assert_eq!(judged(), [Ok(()); 3]);

    let validity = Validity::starting(SystemTime::now());
    let of_agency = agency.revoke(&[&issued[1].cert_pem], validity).unwrap();
    let of_root = root.revoke(&[bad_agency.cert_pem()], validity).unwrap();
    let with = own
        .clone()
        .with_revocation("a.crl", of_agency.as_bytes())
        .unwrap();
    let with = with
        .with_revocation("root.crl", of_root.as_bytes())
        .unwrap();
    verifier.replace_lists(&with, None);
    assert_eq!(
        judged(),
        [
            Ok(()),
            Err(AdmissionLapse::Revoked),
            Err(AdmissionLapse::Revoked)
        ]
    );
    for (issued, welcome) in issued.iter().zip([true, false, false]) {
        let client = identity(issued, &agency).peer_client_config(None).unwrap();
        assert_eq!(handshake(client, server.clone()).ok(), welcome);
    }

    // Lists that were removed revoke nothing; the filter is another list.
    let listed = PublicKey(issued[1].public_key);
    let filter = Arc::new(move |key: &PublicKey| *key == listed);
    verifier.replace_lists(&own, Some(filter));
    assert_eq!(
        judged(),
        [
            Err(AdmissionLapse::Unlisted),
            Ok(()),
            Err(AdmissionLapse::Unlisted)
        ]
    );
    assert!(verifier.lists_admit(&listed) && !verifier.lists_admit(&PublicKey([1; 64])));
    verifier.replace_lists(&own, None);
    assert_eq!(judged(), [Ok(()); 3]);
}

/// The standing ends when the first certificate of the path expires.
#[test]
fn a_standing_ends_with_the_first_certificate() {
    let start = SystemTime::now() - Duration::from_secs(10);
    let of = |seconds: u64| Validity {
        not_before: start,
        not_after: start + Duration::from_secs(seconds),
    };
    let seconds = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_secs()).unwrap()
    };
    for [root, agency, leaf] in [[1000, 2000, 3000], [3000, 1000, 2000], [3000, 2000, 1000]] {
        let root = Authority::new_ec_with("chain", of(root)).unwrap();
        let agency = root.agency_with("agency", of(agency)).unwrap();
        let issued = agency.issue_with(Leaf::Node, "x", of(leaf)).unwrap();
        let verifier = identity(&issued, &agency)
            .verifier_of_peers(PeerOptions::default())
            .unwrap();
        let chain = chain_of(&issued);
        let standing = verifier
            .verify(&chain, Side::Server, UnixTime::now())
            .unwrap()
            .standing;
        let end = seconds(start + Duration::from_secs(1000));
        assert_eq!(standing.expires(), end);
        assert_eq!(verifier.still_admits(&standing, time(end)), Ok(()));
        let expired = Err(AdmissionLapse::Expired { at: end });
        assert_eq!(verifier.still_admits(&standing, time(end + 1)), expired);
    }
}

/// A certificate of half a megabyte, or a hundred certificates, are not parsed.
#[test]
fn what_is_larger_than_any_chain_is_not_read() {
    let agency = Authority::new_ec("chain")
        .unwrap()
        .agency("agency")
        .unwrap();
    let issued = agency.issue(Leaf::Node, "x").unwrap();
    let verifier = identity(&issued, &agency)
        .verifier_of_peers(PeerOptions::default())
        .unwrap();
    let chain = chain_of(&issued);
    let long = CertificateDer::from(vec![0x30; 512 * 1024]);
    let with = [chain.clone(), vec![long]].concat();
    let error = verifier
        .verify(&with, Side::Client, UnixTime::now())
        .unwrap_err();
    assert!(matches!(error, VerifyError::BadEncoding { .. }), "{error}");
    assert!(error.to_string().contains("524288 bytes"), "{error}");
    let many = [chain, vec![CertificateDer::from(Vec::new()); 100]].concat();
    let error = verifier
        .verify(&many, Side::Client, UnixTime::now())
        .unwrap_err();
    assert!(matches!(error, VerifyError::TooComplex { .. }), "{error}");
    assert!(verifier.verify(&[], Side::Client, UnixTime::now()).is_err());
}
