use rand::{SeedableRng, rngs::StdRng};

use super::*;

#[test]
fn random_is_hex_and_follows_the_seed() {
    let a = Seq::random(&mut StdRng::seed_from_u64(1));
    let b = Seq::random(&mut StdRng::seed_from_u64(1));
    let c = Seq::random(&mut StdRng::seed_from_u64(2));
    assert_eq!(a, b);
    assert_ne!(a, c);
    assert!(a.0.iter().all(|b| b"0123456789abcdef".contains(b)));
}

#[test]
fn binary_seq_is_shown_escaped() {
    assert_eq!(Seq([b'a'; 32]).to_string(), "a".repeat(32));
    assert!(Seq([0; 32]).to_string().starts_with("\\x00"));
}

#[test]
fn text_is_read_back() {
    let mut bytes = [0; 32];
    for start in 0..=255_u8 {
        for (byte, offset) in bytes.iter_mut().zip(0..) {
            *byte = start.wrapping_add(offset);
        }
        let seq = Seq(bytes);
        assert_eq!(seq.to_string().parse(), Ok(seq));
    }
    for text in [
        "",
        "abc",
        &"a".repeat(33),
        &format!("{}\\q", "a".repeat(31)),
    ] {
        assert_eq!(text.parse::<Seq>(), Err(ParseSeqError));
    }
}
