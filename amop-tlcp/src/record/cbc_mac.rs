//! Checks a MAC of plaintext in a CBC-encrypted record, in a time that depends only on the length
//! of the record.
//!
//! The padding says where the content ends, and an attacker may have changed the padding. If the
//! time until a refusal reveals whether the padding was wrong, or how much of the record was
//! hashed, the content can be decrypted bit by bit ("Lucky Thirteen"). So everything is computed
//! for every length that the record can have: all blocks of the hash that may be the last one are
//! computed, and the right result is selected without a branch; the MAC is taken from the record by
//! masks.

use sm3::block_api::Sm3Core;
use sm3::digest::array::Array;
use sm3::digest::block_api::UpdateCore;
use sm3::digest::common::hazmat::SerializableState;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeLess};
use zeroize::Zeroizing;

use super::kind::MAC;

/// The block size of the hash.
const BLOCK: usize = 64;

/// The maximum length of the padding, without its last byte.
const MAX_PADDING: usize = 255;

/// The length of number, type, version and length of a record.
const HEADER: usize = 13;

/// HMAC-SM3 after the key, before the message.
pub(super) struct CbcMac {
    inner: Sm3Core,
    outer: Sm3Core,
}

impl CbcMac {
    pub(super) fn new(key: &[u8; MAC]) -> Self {
        let keyed = |pad: u8| {
            let mut block = Zeroizing::new([pad; BLOCK]);
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut core = Sm3Core::default();
            core.update_blocks(&[(*block).into()]);
            core
        };
        Self {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        }
    }

    /// Returns the length of the content of `plain`, which is the decrypted content, MAC and
    /// padding. `header` returns the other data that the MAC covers, for a given length. `None` if
    /// the MAC or the padding is wrong.
    pub(super) fn check(
        &self,
        header: impl Fn([u8; 2]) -> [u8; HEADER],
        plain: &[u8],
    ) -> Option<usize> {
        // Both values depend only on the record's length, which is public.
        let most = u32::try_from(plain.len().checked_sub(MAC + 1)?).ok()?;
        let (padding_is_good, length) = unpadded(plain, most);

        let [_, _, high, low] = length.to_be_bytes();
        let header = header([high, low]);
        let expected = self.mac(&header, plain, length, most);
        let found = pick(plain, length, most);
        let good = padding_is_good & expected.ct_eq(&found);
        bool::from(good).then_some(length as usize)
    }

    /// Returns the MAC of the header and the first `length` bytes of `plain`; `most` is the maximum
    /// of `length`.
    fn mac(&self, header: &[u8; HEADER], plain: &[u8], length: u32, most: u32) -> [u8; MAC] {
        let least = (most as usize).saturating_sub(MAX_PADDING);
        let message = length + HEADER as u32;
        // The block with the end of the message, its end mark and its length.
        let last = (message + 8) / BLOCK as u32;
        let bits = (u64::from(message) + BLOCK as u64) * 8;

        let byte = |at: usize| match at.checked_sub(HEADER) {
            None => header[at],
            Some(at) => plain.get(at).copied().unwrap_or(0),
        };
        let mut core = self.inner.clone();
        // Blocks that contain only message bytes, whatever the message's length.
        let certain = (HEADER + least) / BLOCK;
        if certain > 0 {
            let first: [u8; BLOCK] = std::array::from_fn(byte);
            core.update_blocks(&[first.into()]);
            let others = &plain[BLOCK - HEADER..][..(certain - 1) * BLOCK];
            core.update_blocks(Array::slice_as_chunks(others).0);
        }
        let mut inner = [0; MAC];
        for number in certain..=(HEADER + most as usize + 8) / BLOCK {
            let is_last = (number as u32).ct_eq(&last);
            let mut block = [0; BLOCK];
            for (i, out) in block.iter_mut().enumerate() {
                let at = (number * BLOCK + i) as u32;
                out.conditional_assign(&byte(at as usize), at.ct_lt(&message));
                out.conditional_assign(&0x80, at.ct_eq(&message));
            }
            for (out, bits) in block[BLOCK - 8..].iter_mut().zip(bits.to_be_bytes()) {
                out.conditional_assign(&bits, is_last);
            }
            core.update_blocks(&[block.into()]);
            for (out, byte) in inner.iter_mut().zip(digest(&core)) {
                out.conditional_assign(&byte, is_last);
            }
        }

        let mut block = [0; BLOCK];
        block[..MAC].copy_from_slice(&inner);
        block[MAC] = 0x80;
        block[BLOCK - 8..].copy_from_slice(&((BLOCK + MAC) as u64 * 8).to_be_bytes());
        let mut core = self.outer.clone();
        core.update_blocks(&[block.into()]);
        digest(&core)
    }
}

/// Returns the hash, if there are no further blocks.
fn digest(core: &Sm3Core) -> [u8; MAC] {
    let state = core.serialize();
    let mut digest = [0; MAC];
    // The words are stored in the other byte order.
    for (out, word) in digest.chunks_mut(4).zip(state.chunks(4)) {
        out.copy_from_slice(word);
        out.reverse();
    }
    digest
}

/// Returns whether the padding is valid, and the length of the content; if the padding is invalid,
/// the length with the shortest padding.
fn unpadded(plain: &[u8], most: u32) -> (Choice, u32) {
    let pad = plain[plain.len() - 1];
    let mut good = !most.ct_lt(&u32::from(pad));
    for (i, byte) in (0..=MAX_PADDING as u32).zip(plain.iter().rev()) {
        let is_padding = !u32::from(pad).ct_lt(&i);
        good &= !is_padding | byte.ct_eq(&pad);
    }
    (
        good,
        most - u32::conditional_select(&0, &u32::from(pad), good),
    )
}

/// Returns the 32 bytes of `plain` after the first `length` bytes; `most` is the maximum of
/// `length`.
fn pick(plain: &[u8], length: u32, most: u32) -> [u8; MAC] {
    let least = (most as usize).saturating_sub(MAX_PADDING);
    // Each byte goes to its position modulo 32, which is public.
    let mut turned = [0; MAC];
    let window = &plain[least..most as usize + MAC];
    for (i, byte) in window.iter().enumerate() {
        let at = (least + i) as u32;
        let inside = !at.ct_lt(&length) & at.ct_lt(&(length + MAC as u32));
        turned[i % MAC].conditional_assign(byte, inside);
    }
    // The first byte is at this position. The array is rotated by powers of two to move it to the
    // front.
    let by = length - least as u32;
    for bit in 0..5 {
        let step = 1 << bit;
        let next: [u8; MAC] = std::array::from_fn(|i| turned[(i + step) % MAC]);
        let this = Choice::from(u8::from(by >> bit & 1 == 1));
        for (byte, next) in turned.iter_mut().zip(next) {
            byte.conditional_assign(&next, this);
        }
    }
    turned
}

#[cfg(test)]
mod tests;
