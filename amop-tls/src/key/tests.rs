use super::*;

#[test]
fn text_form() {
    let text = format!("{}{}", "0123456789abcdef".repeat(7), "0123456789ABCDEF");
    let key: PublicKey = text.parse().unwrap();
    assert_eq!(key.to_string(), text.to_lowercase());
    assert_eq!(key.0[0], 0x01);
    assert_eq!(
        text[1..].parse::<PublicKey>(),
        Err(ParsePublicKeyError::Length { found: 127 })
    );
    let bad = text.replacen('3', "g", 1);
    assert_eq!(
        bad.parse::<PublicKey>(),
        Err(ParsePublicKeyError::Digit { position: 3 })
    );
    let wide = "é".repeat(64);
    assert_eq!(
        wide.parse::<PublicKey>(),
        Err(ParsePublicKeyError::Digit { position: 0 })
    );
}

#[test]
fn only_uncompressed_points() {
    let mut point = [7u8; 65];
    point[0] = 4;
    assert_eq!(PublicKey::from_point(&point), Some(PublicKey([7; 64])));
    assert_eq!(PublicKey::from_point(&point[..64]), None);
    assert_eq!(PublicKey::from_point(&[2; 33]), None);
    assert_eq!(PublicKey::from_point(&[]), None);
}
