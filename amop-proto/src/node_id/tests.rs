use super::*;

#[test]
fn text_round_trip() {
    let id = NodeId(std::array::from_fn(|i| i as u8 * 3));
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    assert!("ab".parse::<NodeId>().is_err());
    assert!("zz".repeat(64).parse::<NodeId>().is_err());
}
