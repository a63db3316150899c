//! SM4-CBC with HMAC-SM3, in both orders.

use std::ops::Range;

use cbc::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
use cbc::{Decryptor, Encryptor};
use hmac::{Hmac, Mac};
use sm3::Sm3;
use sm4::Sm4;
use zeroize::Zeroize;

use super::cbc_mac::CbcMac;
use super::kind::{ContentType, MAC, MacOrder};
use crate::crypto::prf::DirectionKeys;
use crate::{Flavour, TlcpError, limits};

const BLOCK: usize = 16;
/// Returns the data that the MAC covers in addition to the content: number, type, version and
/// length of a record.
pub(super) fn associated(
    sequence: u64,
    kind: ContentType,
    version: u16,
    length: [u8; 2],
) -> [u8; 13] {
    let mut bytes = [0; 13];
    bytes[..8].copy_from_slice(&sequence.to_be_bytes());
    bytes[8] = kind as u8;
    bytes[9..11].copy_from_slice(&version.to_be_bytes());
    bytes[11..].copy_from_slice(&length);
    bytes
}

fn two_bytes(length: usize) -> [u8; 2] {
    u16::try_from(length)
        .expect("a record is at most 2^14 + 2048 long")
        .to_be_bytes()
}

/// The numbers of records in one direction.
struct Sequence {
    next: Option<u64>,
}

impl Sequence {
    fn next(&mut self) -> Result<u64, TlcpError> {
        let number = self.next.ok_or(TlcpError::WornOut)?;
        self.next = number.checked_add(1);
        Ok(number)
    }
}

fn hmac(keys: &DirectionKeys) -> Hmac<Sm3> {
    Hmac::new_from_slice(&*keys.mac).expect("HMAC takes keys of any length")
}

/// Protects outgoing records.
pub(super) struct RecordSealer {
    version: u16,
    sequence: Sequence,
    cipher: Sm4,
    mac: Hmac<Sm3>,
    order: MacOrder,
}

impl RecordSealer {
    pub(super) fn new(flavour: Flavour, keys: &DirectionKeys, order: MacOrder) -> Self {
        Self {
            version: flavour.version(),
            sequence: Sequence { next: Some(0) },
            cipher: Sm4::new(&(*keys.cipher).into()),
            mac: hmac(keys),
            order,
        }
    }

    /// Appends a record with `content`, at most 2^14 bytes, to `out`.
    pub(super) fn seal(
        &mut self,
        kind: ContentType,
        content: &[u8],
        iv: [u8; BLOCK],
        out: &mut Vec<u8>,
    ) -> Result<(), TlcpError> {
        let sequence = self.sequence.next()?;
        let inner_mac = self.order == MacOrder::MacThenEncrypt;
        let plain = content.len() + if inner_mac { MAC } else { 0 };
        // 1 to 16 bytes of padding; each byte has the number of padding bytes before the last one.
        let padding = BLOCK - plain % BLOCK;
        let sealed = BLOCK + plain + padding;
        let whole = sealed + if inner_mac { 0 } else { MAC };

        out.reserve(5 + whole);
        out.push(kind as u8);
        out.extend(self.version.to_be_bytes());
        out.extend(two_bytes(whole));
        let start = out.len();
        out.extend(iv);
        out.extend_from_slice(content);
        if inner_mac {
            let header = associated(sequence, kind, self.version, two_bytes(content.len()));
            let mac = self.mac.clone().chain_update(header).chain_update(content);
            out.extend(mac.finalize().into_bytes());
        }
        let pad = u8::try_from(padding - 1).expect("padding is at most 16");
        out.extend(std::iter::repeat_n(pad, padding));

        let (blocks, rest) = Array::slice_as_chunks_mut(&mut out[start + BLOCK..]);
        debug_assert!(rest.is_empty());
        Encryptor::inner_iv_init(self.cipher.clone(), &iv.into()).encrypt_blocks(blocks);
        if !inner_mac {
            let header = associated(sequence, kind, self.version, two_bytes(sealed));
            let mac = self.mac.clone().chain_update(header);
            let mac = mac.chain_update(&out[start..]).finalize().into_bytes();
            out.extend(mac);
        }
        Ok(())
    }
}

enum MacCheck {
    EncryptThenMac(Hmac<Sm3>),
    MacThenEncrypt(CbcMac),
}

/// Opens incoming records.
pub(super) struct Opener {
    version: u16,
    sequence: Sequence,
    cipher: Sm4,
    check: MacCheck,
}

impl Opener {
    pub(super) fn new(flavour: Flavour, keys: &DirectionKeys, order: MacOrder) -> Self {
        Self {
            version: flavour.version(),
            sequence: Sequence { next: Some(0) },
            cipher: Sm4::new(&(*keys.cipher).into()),
            check: match order {
                MacOrder::EncryptThenMac => MacCheck::EncryptThenMac(hmac(keys)),
                MacOrder::MacThenEncrypt => MacCheck::MacThenEncrypt(CbcMac::new(&keys.mac)),
            },
        }
    }

    /// Decrypts in place and returns the range of the content in `body`. The error is the same for
    /// every problem, and `body` is then wiped.
    pub(super) fn open(
        &mut self,
        kind: ContentType,
        body: &mut Vec<u8>,
    ) -> Result<Range<usize>, TlcpError> {
        let sequence = self.sequence.next()?;
        let opened = match &self.check {
            MacCheck::EncryptThenMac(mac) => self.open_checked(mac.clone(), sequence, kind, body),
            MacCheck::MacThenEncrypt(mac) => self.open_then_check(mac, sequence, kind, body),
        };
        let Some(range) = opened else {
            body.zeroize();
            return Err(TlcpError::BadRecord);
        };
        if range.len() > limits::PLAINTEXT {
            return Err(TlcpError::RecordTooLong {
                length: range.len(),
                limit: limits::PLAINTEXT,
            });
        }
        Ok(range)
    }

    fn open_checked(
        &self,
        mac: Hmac<Sm3>,
        sequence: u64,
        kind: ContentType,
        body: &mut [u8],
    ) -> Option<Range<usize>> {
        let sealed = body.len().checked_sub(MAC)?;
        // At least the IV and one block.
        if sealed < 2 * BLOCK || !sealed.is_multiple_of(BLOCK) {
            return None;
        }
        let (sealed, found) = body.split_at_mut(sealed);
        let header = associated(sequence, kind, self.version, two_bytes(sealed.len()));
        let mac = mac.chain_update(header).chain_update(&*sealed);
        // This comparison takes constant time.
        mac.verify_slice(found).ok()?;

        self.decrypt(sealed);
        // The MAC proves that the peer made it, so the padding is not a secret.
        let plain = &sealed[BLOCK..];
        let pad = *plain.last()?;
        let end = plain.len().checked_sub(usize::from(pad) + 1)?;
        let even = plain[end..].iter().all(|byte| *byte == pad);
        even.then_some(BLOCK..BLOCK + end)
    }

    fn open_then_check(
        &self,
        mac: &CbcMac,
        sequence: u64,
        kind: ContentType,
        body: &mut [u8],
    ) -> Option<Range<usize>> {
        // The IV, and blocks for a MAC and one byte of padding.
        if body.len() < BLOCK + MAC + BLOCK || !body.len().is_multiple_of(BLOCK) {
            return None;
        }
        self.decrypt(body);
        let header = |length| associated(sequence, kind, self.version, length);
        let length = mac.check(header, &body[BLOCK..])?;
        Some(BLOCK..BLOCK + length)
    }

    /// Decrypts the bytes after the IV.
    fn decrypt(&self, body: &mut [u8]) {
        let (iv, sealed) = body.split_at_mut(BLOCK);
        let iv = <[u8; BLOCK]>::try_from(&*iv).expect("split off as long");
        let (blocks, _) = Array::slice_as_chunks_mut(sealed);
        Decryptor::inner_iv_init(self.cipher.clone(), &iv.into()).decrypt_blocks(blocks);
    }
}
