use super::*;

#[test]
fn the_text_is_short_and_tells_contents_apart() {
    let text = |bytes: &[&'static [u8]]| {
        let signed: SignedBytes = bytes.iter().copied().map(Bytes::from_static).collect();
        format!("{signed:?}")
    };
    assert!(text(&[&[7; 4096]]).len() < 40);
    assert_eq!(text(&[b"a", b"b"]), text(&[b"a", b"b"]));
    assert_ne!(text(&[b"a", b"b"]), text(&[b"b", b"a"]));
    assert_ne!(text(&[b"ab"]), text(&[b"a", b"b"]));
}
