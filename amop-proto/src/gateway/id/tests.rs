use super::*;

const RAW: &[u8] = b"3082010a0282010100";

fn node() -> GatewayAddress {
    GatewayAddress::of_raw(Bytes::from_static(RAW)).unwrap()
}

#[test]
fn ids_of_32_bytes_are_short_and_all_others_raw() {
    let node = node();
    let short = Bytes::copy_from_slice(&node.id().0);
    assert_eq!(
        GatewayAddress::read(&short),
        Some(GatewayAddress::of_id(node.id()))
    );
    assert_eq!(
        GatewayAddress::read(&Bytes::from_static(RAW)),
        Some(node.clone())
    );
    assert_eq!(GatewayAddress::read(&Bytes::new()), None);
    let long = vec![b'0'; MAX_RAW_ID + 1];
    assert_eq!(GatewayAddress::read(&long.into()), None);
}

#[test]
fn a_packet_of_each_version_names_a_node_as_that_version_does() {
    let node = node();
    let short = &node.id().0[..];
    assert_eq!(node.written(0), b""[..]);
    assert_eq!(node.written(1), RAW);
    assert_eq!(node.written(2), RAW);
    assert_eq!(node.written(3), short);
    // If the raw id is not known, there is only the short one.
    assert_eq!(GatewayAddress::of_id(node.id()).written(1), short);
}

#[test]
fn keys_of_impossible_lengths_are_refused() {
    for len in [0, GatewayId::LEN / 2, MAX_RAW_ID / 2 + 1] {
        let refused = GatewayAddress::of_key(&vec![1; len]);
        assert_eq!(refused, Err(RawIdError { len: len * 2 }));
    }
    assert!(GatewayAddress::of_key(&vec![1; MAX_RAW_ID / 2]).is_ok());
}

#[test]
fn ids_are_shown_in_full_and_short() {
    let id = GatewayId([0xab; GatewayId::LEN]);
    assert_eq!(id.to_string(), "ab".repeat(32));
    assert_eq!(format!("{id:?}"), format!("GatewayId({id})"));
    assert_eq!(id.short().to_string(), "abababababababab");
}
