use super::*;

#[test]
fn both_sides_agree() {
    let a = SECP256K1.start().unwrap();
    let b = SECP256K1.start().unwrap();
    let (pa, pb) = (a.pub_key().to_vec(), b.pub_key().to_vec());
    assert_eq!(pa.len(), POINT_LEN);
    assert_ne!(pa, pb);
    let sa = a.complete(&pb).unwrap();
    let sb = b.complete(&pa).unwrap();
    assert_eq!(sa.secret_bytes(), sb.secret_bytes());
    assert_eq!(sa.secret_bytes().len(), 32);
}

#[test]
fn bad_points_are_refused() {
    let good = SECP256K1.start().unwrap().pub_key().to_vec();
    let mut off_curve = good.clone();
    off_curve[64] ^= 1;
    let mut compressed = good[..33].to_vec();
    compressed[0] = 0x02 | (good[64] & 1);
    let mut hybrid = good.clone();
    hybrid[0] = 0x06 | (good[64] & 1);
    for bad in [
        &off_curve[..],
        &compressed,
        &hybrid,
        &good[..64],
        &[0],
        &[],
        &[4; 65],
    ] {
        let err = SECP256K1.start().unwrap().complete(bad).err();
        assert_eq!(err, Some(PeerMisbehaved::InvalidKeyShare.into()), "{bad:?}");
    }
}

#[test]
fn only_for_tls_1_2() {
    assert!(SECP256K1.usable_for_version(ProtocolVersion::TLSv1_2));
    assert!(!SECP256K1.usable_for_version(ProtocolVersion::TLSv1_3));
}
