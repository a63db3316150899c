use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sm3::Sm3;

use super::*;

const KEY: [u8; 32] = [7; 32];

fn header(length: [u8; 2]) -> [u8; HEADER] {
    let mut header = [9; HEADER];
    header[11..].copy_from_slice(&length);
    header
}

/// Returns content, MAC and this much padding, at most 256 bytes.
fn padded(content: &[u8], padding: usize) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mac = Hmac::<Sm3>::new_from_slice(&KEY).unwrap();
    let mac = mac.chain_update(header(length)).chain_update(content);
    let mut plain = content.to_vec();
    plain.extend(mac.finalize().into_bytes());
    plain.extend(std::iter::repeat_n((padding - 1) as u8, padding));
    plain
}

fn check(plain: &[u8]) -> Option<usize> {
    CbcMac::new(&KEY).check(header, plain)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 256) as u8).collect()
}

/// Tests lengths around each end of a block of the hash or the cipher, with every padding.
#[test]
fn takes_every_length_with_every_padding() {
    for length in (0..300).chain([500, 1_000, 16_383, 16_384]) {
        let content = content(length);
        for padding in 1..=256 {
            let plain = padded(&content, padding);
            assert_eq!(check(&plain), Some(length), "{length} and {padding}");
        }
    }
}

#[test]
fn refuses_an_altered_byte_wherever_it_is() {
    for (length, padding) in [(0, 16), (1, 1), (20, 256), (100, 60), (330, 7)] {
        let plain = padded(&content(length), padding);
        for at in 0..plain.len() {
            for bit in 0..8 {
                let mut altered = plain.clone();
                altered[at] ^= 1 << bit;
                assert_eq!(check(&altered), None, "{length}, {padding}, byte {at}");
            }
        }
    }
}

/// The last byte claims more padding than there is room for.
#[test]
fn refuses_padding_that_is_longer_than_the_record() {
    for pad in 15..=255 {
        let mut plain = padded(&[], 16);
        let from = plain.len() - 16;
        plain[from..].fill(pad);
        let expected = (pad == 15).then_some(0);
        assert_eq!(check(&plain), expected, "{pad}");
    }
    assert_eq!(check(&[0; 32]), None);
    assert_eq!(check(&[]), None);
}

proptest! {
    /// The result is the same as that of the simple algorithm, whose time depends on the content.
    #[test]
    fn agrees_with_the_obvious_way(
        mut plain in prop::collection::vec(any::<u8>(), 33..600),
        pad in 0_u8..40,
        good_mac in any::<bool>(),
        good_padding in any::<bool>(),
    ) {
        let end = plain.len();
        let padding = usize::from(pad) + 1;
        if good_padding && padding <= end {
            plain[end - padding..].fill(pad);
            if let (true, Some(length)) = (good_mac, end.checked_sub(padding + 32)) {
                plain = padded(&plain[..length], padding);
            }
        }
        let obvious = || {
            let pad = *plain.last()?;
            let length = plain.len().checked_sub(usize::from(pad) + 33)?;
            let even = plain[length + 32..].iter().all(|byte| *byte == pad);
            let same = padded(&plain[..length], usize::from(pad) + 1) == plain;
            (even && same).then_some(length)
        };
        prop_assert_eq!(check(&plain), obvious());
    }
}
