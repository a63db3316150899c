//! [`to_der`]: rewrites BER as DER. BouncyCastle, which SDKs in Java use, writes stores in BER:
//! values without a length, whose end is marked, and strings in pieces.

use zeroize::Zeroizing;

/// The deepest nesting that is read; stores nest about half as deep.
const MAX_DEPTH: usize = 32;

const CONSTRUCTED: u8 = 0x20;
const OCTET_STRING: u8 = 0x04;
/// The length octet of a value that ends with [`END`].
const INDEFINITE: u8 = 0x80;
const END: [u8; 2] = [0, 0];

/// Returns the value in DER, as far as lengths and octet strings are concerned; DER is not changed.
/// Returns `None` if it is malformed, or if anything follows it.
pub(super) fn to_der(mut ber: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut der = room_for(ber.len());
    put_value(&mut ber, &mut der, 0)?;
    ber.is_empty().then_some(der)
}

/// Returns the joined contents of the octet strings in `pieces`.
pub(super) fn joined(mut pieces: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut whole = Zeroizing::new(Vec::with_capacity(pieces.len()));
    while !pieces.is_empty() {
        let (tag, len) = head(&mut pieces)?;
        if tag != OCTET_STRING {
            return None;
        }
        whole.extend_from_slice(take(&mut pieces, len?)?);
    }
    Some(whole)
}

/// Appends the first value of `ber` to `der`.
fn put_value(ber: &mut &[u8], der: &mut Vec<u8>, depth: usize) -> Option<()> {
    if depth == MAX_DEPTH {
        return None;
    }
    let (tag, len) = head(ber)?;
    if tag & CONSTRUCTED == 0 {
        let content = take(ber, len?)?;
        put(der, tag, content);
        return Some(());
    }
    let mut inside = match len {
        Some(len) => take(ber, len)?,
        None => take_until_end(ber, depth)?,
    };
    let mut content = room_for(inside.len());
    while !inside.is_empty() {
        put_value(&mut inside, &mut content, depth + 1)?;
    }
    if tag == OCTET_STRING | CONSTRUCTED {
        put(der, OCTET_STRING, &joined(&content)?);
    } else {
        put(der, tag, &content);
    }
    Some(())
}

/// Returns a buffer for the DER form of `len` bytes of BER. It never grows, since the memory that a
/// growing buffer leaves is not wiped. DER takes more bytes only for lengths that BER leaves out, and
/// at most 5 more for a value of 64 KiB, at any depth.
fn room_for(len: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(len + len / 256))
}

/// Takes the values before the end of a value without a length, and the mark of this end.
fn take_until_end<'a>(ber: &mut &'a [u8], depth: usize) -> Option<&'a [u8]> {
    let all = *ber;
    let mut rest = all;
    while !rest.starts_with(&END) {
        skip_value(&mut rest, depth + 1)?;
    }
    let inside = take(ber, all.len() - rest.len())?;
    take(ber, END.len())?;
    Some(inside)
}

/// Skips the first value of `ber`.
fn skip_value(ber: &mut &[u8], depth: usize) -> Option<()> {
    if depth == MAX_DEPTH {
        return None;
    }
    match head(ber)? {
        (_, Some(len)) => take(ber, len)?,
        (tag, None) if tag & CONSTRUCTED != 0 => take_until_end(ber, depth)?,
        (_, None) => return None,
    };
    Some(())
}

/// Takes a tag and a length; the length is `None` if it is indefinite.
fn head(ber: &mut &[u8]) -> Option<(u8, Option<usize>)> {
    let &[tag, first] = take(ber, 2)?.first_chunk()?;
    // Tags of several octets do not occur in stores.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let len = match first {
        0..INDEFINITE => usize::from(first),
        INDEFINITE => return Some((tag, None)),
        _ => {
            let octets = take(ber, usize::from(first & !INDEFINITE))?;
            octets.iter().try_fold(0usize, |len, &octet| {
                len.checked_mul(256)?.checked_add(usize::from(octet))
            })?
        }
    };
    Some((tag, Some(len)))
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

/// Appends a value with its length.
fn put(der: &mut Vec<u8>, tag: u8, content: &[u8]) {
    let room = der.capacity();
    der.push(tag);
    let len = content.len();
    if len < usize::from(INDEFINITE) {
        der.push(len as u8);
    } else {
        let octets = len.to_be_bytes();
        let zeros = (len.leading_zeros() / 8) as usize;
        der.push(INDEFINITE | (octets.len() - zeros) as u8);
        der.extend_from_slice(&octets[zeros..]);
    }
    der.extend_from_slice(content);
    debug_assert_eq!(der.capacity(), room, "what it outgrew is not wiped");
}
