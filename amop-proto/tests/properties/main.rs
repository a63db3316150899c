//! Properties of the codecs for any input: written data can be read again, however it is split, and
//! no input from a peer makes them panic.

mod channel;
mod p2p;

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};

/// Failing cases are stored next to the test that found them.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::with_cases(cases)
    }
}

/// Generates any bytes, from none to many.
fn any_bytes(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..max).prop_map(Bytes::from)
}

/// Generates random and repetitive bytes, so that some can be compressed and others not.
fn message_body() -> impl Strategy<Value = Bytes> {
    let repeated = (vec(any::<u8>(), 1..8), 0usize..800);
    prop_oneof![
        any_bytes(64),
        any_bytes(3000),
        repeated.prop_map(|(unit, times)| Bytes::from(unit.repeat(times))),
    ]
}

/// Passes `wire` to a decoder in pieces of these sizes and collects the output.
fn in_pieces<T, E>(
    wire: &[u8],
    sizes: &[usize],
    mut decode: impl FnMut(&mut BytesMut) -> Result<Option<T>, E>,
) -> Result<Vec<T>, E> {
    let (mut rest, mut buffer, mut out) = (wire, BytesMut::new(), Vec::new());
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
        let (piece, tail) = rest.split_at(size);
        buffer.extend_from_slice(piece);
        rest = tail;
        while let Some(item) = decode(&mut buffer)? {
            out.push(item);
        }
    }
    assert!(buffer.is_empty(), "{} bytes left over", buffer.len());
    Ok(out)
}

#[test]
fn pieces_are_what_the_helper_feeds() {
    // A decoder of single bytes sees each byte once and in order; otherwise the helper would test
    // nothing.
    let wire: Vec<u8> = (0..100).collect();
    let one = |buffer: &mut BytesMut| {
        let byte = (!buffer.is_empty()).then(|| buffer.split_to(1)[0]);
        Ok::<_, ()>(byte)
    };
    assert_eq!(in_pieces(&wire, &[1, 7, 0, 90], one), Ok(wire.clone()));
}
