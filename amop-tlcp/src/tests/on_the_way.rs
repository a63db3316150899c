//! Changes to the bytes between two honest sides: other pieces, altered, cut, repeated or reordered
//! bytes.

use proptest::prelude::*;

use super::common::{
    self, FLAVOURS, connected, ends_in_one_alert, give, pair, records, shake, take_output,
};
use crate::{Alert, Flavour, TlcpConnection, TlcpError};

/// Every combination of flavour and order of encryption and MAC that two sides of this crate can
/// use.
pub(super) const KINDS: [(Flavour, bool); 4] = [
    (Flavour::Tlcp, true),
    (Flavour::Tlcp, false),
    (Flavour::Tls12Sm, true),
    (Flavour::Tls12Sm, false),
];

/// Returns both sides' flights in the order in which they are sent: the first and the third are the
/// client's.
fn flights(flavour: Flavour, encrypt_then_mac: bool) -> [Vec<u8>; 4] {
    let (mut client, mut server) = pair(flavour, encrypt_then_mac);
    let hello = take_output(&mut client);
    give(&mut server, &hello).unwrap();
    let answer = take_output(&mut server);
    give(&mut client, &answer).unwrap();
    let second = take_output(&mut client);
    give(&mut server, &second).unwrap();
    let last = take_output(&mut server);
    give(&mut client, &last).unwrap();
    assert!(!client.is_handshaking() && !server.is_handshaking());
    [hello, answer, second, last]
}

/// Does a handshake in which a flight is replaced by the result of `alter`. Returns the side that
/// received it, and the side that had sent it.
fn altered(
    flavour: Flavour,
    number: usize,
    alter: impl FnOnce(&mut Vec<u8>),
) -> (TlcpConnection, TlcpConnection, Result<(), TlcpError>) {
    let (mut client, mut server) = pair(flavour, true);
    let mut alter = Some(alter);
    for flight in 0..4 {
        let (from, to) = if flight % 2 == 0 {
            (&mut client, &mut server)
        } else {
            (&mut server, &mut client)
        };
        let mut bytes = take_output(from);
        if flight == number
            && let Some(alter) = alter.take()
        {
            alter(&mut bytes);
        }
        let result = give(to, &bytes).map(|_| ());
        if flight >= number {
            let stopped = result.is_err() || to.output().is_empty();
            if stopped {
                return if flight % 2 == 0 {
                    (server, client, result)
                } else {
                    (client, server, result)
                };
            }
        }
        result.unwrap();
    }
    unreachable!("the last flight has no answer")
}

/// Neither side accepts an altered handshake; the side that notices it sends one alert, and the
/// other side gets it.
#[test]
fn every_byte_of_a_handshake_is_protected() {
    for flavour in FLAVOURS {
        let flights = flights(flavour, true);
        for (number, flight) in flights.iter().enumerate() {
            for at in bodies(flight) {
                let (mut noticed, mut other, result) =
                    altered(flavour, number, |bytes| bytes[at] ^= 1 << (at % 8));
                let place = format!("{flavour}, flight {number}, byte {at}");
                let Err(error) = result else {
                    // A length was increased, so it waits for more bytes.
                    assert!(noticed.is_handshaking(), "{place}");
                    assert!(
                        matches!(noticed.end_of_input(), Err(TlcpError::ClosedEarly)),
                        "{place}"
                    );
                    continue;
                };
                assert!(noticed.peer_keys().is_none(), "{place}");
                let alert = error.alert().expect("the peer is told");
                let output = take_output(&mut noticed);
                assert!(ends_in_one_alert(&output), "{place}: {error}");
                let heard = give(&mut other, &output);
                assert!(
                    matches!(heard, Err(TlcpError::PeerAlert(heard)) if heard == alert)
                        || other.is_handshaking()
                        || records(&output).len() > 1,
                    "{place}: {heard:?}"
                );
                // A failed connection stays failed.
                assert_eq!(
                    noticed
                        .receive(common::now(), &[0])
                        .unwrap_err()
                        .to_string(),
                    error.to_string()
                );
                assert!(noticed.write(b"data").is_err());
                assert!(noticed.output().is_empty());
            }
        }
    }
}

/// Returns the positions in a flight to alter: all bytes of the records' bodies, and one byte in 11
/// of long ones.
fn bodies(flight: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut start = 0;
    for record in records(flight) {
        let stride = if record.len() > 700 { 11 } else { 1 };
        places.extend((start + 5..start + record.len()).step_by(stride));
        start += record.len();
    }
    places
}

/// A stream that is cut at any point does not count as closed.
#[test]
fn a_handshake_that_is_cut_is_an_error() {
    for flavour in FLAVOURS {
        for (number, flight) in flights(flavour, true).iter().enumerate() {
            let step = (flight.len() / 40).max(1);
            for length in (0..flight.len()).step_by(step) {
                let (mut got, _, result) = altered(flavour, number, |bytes| bytes.truncate(length));
                result.unwrap();
                assert!(matches!(got.end_of_input(), Err(TlcpError::ClosedEarly)));
                assert!(got.output().is_empty());
            }
        }
    }
}

/// Handshake messages may be in records of any size, and several in one record.
#[test]
fn messages_may_be_cut_and_joined_in_any_way() {
    for flavour in FLAVOURS {
        for size in (1..40).chain([100, 1_000, 16_384]) {
            let (mut client, mut server) = pair(flavour, true);
            give(&mut server, &recut(&take_output(&mut client), size)).unwrap();
            give(&mut client, &recut(&take_output(&mut server), size)).unwrap();
            give(&mut server, &recut(&take_output(&mut client), size)).unwrap();
            give(&mut client, &take_output(&mut server)).unwrap();
            assert!(
                !client.is_handshaking() && !server.is_handshaking(),
                "{flavour}, {size}"
            );
        }
    }
}

/// Splits the handshake records before a ChangeCipherSpec again.
fn recut(flight: &[u8], size: usize) -> Vec<u8> {
    let records = records(flight);
    let plain = records.iter().position(|record| record[0] != 22);
    let (plain, rest) = records.split_at(plain.unwrap_or(records.len()));
    let content: Vec<u8> = plain
        .iter()
        .flat_map(|record| record[5..].to_vec())
        .collect();
    let mut out = Vec::new();
    for part in content.chunks(size) {
        out.extend(&plain[0][..3]);
        out.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        out.extend(part);
    }
    out.extend(rest.concat());
    out
}

/// Cuts a whole conversation at each point in turn, and byte by byte.
#[test]
fn bytes_may_come_in_any_pieces() {
    for flavour in FLAVOURS {
        let lengths = flights(flavour, true).map(|flight| flight.len());
        for (number, length) in lengths.into_iter().enumerate() {
            for cut in (1..length).step_by((length / 60).max(1)) {
                in_pieces(flavour, |flight, bytes| {
                    if flight == number {
                        vec![bytes[..cut].to_vec(), bytes[cut..].to_vec()]
                    } else {
                        vec![bytes]
                    }
                });
            }
        }
        in_pieces(flavour, |_, bytes| {
            bytes.iter().map(|byte| vec![*byte]).collect()
        });
    }
}

fn in_pieces(flavour: Flavour, cut: impl Fn(usize, Vec<u8>) -> Vec<Vec<u8>>) {
    let (mut client, mut server) = pair(flavour, true);
    for flight in 0..4 {
        let (from, to) = if flight % 2 == 0 {
            (&mut client, &mut server)
        } else {
            (&mut server, &mut client)
        };
        for piece in cut(flight, take_output(from)) {
            give(to, &piece).unwrap();
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
}

#[test]
fn what_is_no_tls_or_of_another_generation_is_named() {
    let (_, mut server) = pair(Flavour::Tlcp, true);
    let error = give(&mut server, b"GET / HTTP/1.1\r\n").unwrap_err();
    assert!(
        matches!(error, TlcpError::NotTls { first: b'G' }),
        "{error}"
    );
    for (ours, theirs) in [
        (Flavour::Tlcp, Flavour::Tls12Sm),
        (Flavour::Tls12Sm, Flavour::Tlcp),
    ] {
        let (mut client, _) = pair(theirs, true);
        let (_, mut server) = pair(ours, true);
        let error = give(&mut server, &take_output(&mut client)).unwrap_err();
        assert!(matches!(error, TlcpError::Version { .. }), "{error}");
        // The client can read the alert, although it has another version.
        let error = give(&mut client, &take_output(&mut server)).unwrap_err();
        assert!(
            matches!(error, TlcpError::PeerAlert(Alert::PROTOCOL_VERSION)),
            "{error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Data that either side writes in any pieces arrive unchanged.
    #[test]
    fn both_directions_carry_what_is_written(
        kind in 0..KINDS.len(),
        turns in prop::collection::vec((any::<bool>(), 0..40_000_usize, 1..20_000_usize), 1..8),
    ) {
        let (flavour, etm) = KINDS[kind];
        let (mut client, mut server) = connected(flavour, etm);
        for (number, (up, length, piece)) in turns.into_iter().enumerate() {
            let data: Vec<u8> = (0..length).map(|i| (i * 31 + number) as u8).collect();
            let (from, to) = if up { (&mut client, &mut server) } else { (&mut server, &mut client) };
            prop_assert_eq!(from.write(&data).unwrap(), length);
            let mut got = Vec::new();
            for part in take_output(from).chunks(piece) {
                got.extend(give(to, part).unwrap());
            }
            prop_assert_eq!(got, data);
        }
    }

    /// No input makes a connection panic, use more memory than allowed, or send more than one
    /// alert.
    #[test]
    fn noise_is_refused(
        flavour in 0..2_usize,
        client in any::<bool>(),
        noise in prop::collection::vec(any::<u8>(), 0..600),
        framed in any::<bool>(),
    ) {
        let flavour = FLAVOURS[flavour];
        let (ours, theirs) = pair(flavour, true);
        let mut side = if client { ours } else { theirs };
        take_output(&mut side);
        let mut bytes = noise.clone();
        if framed && !noise.is_empty() {
            bytes = vec![22];
            bytes.extend(flavour.version().to_be_bytes());
            bytes.extend(u16::try_from(noise.len()).unwrap().to_be_bytes());
            bytes.extend(&noise);
        }
        match give(&mut side, &bytes) {
            Ok(_) => prop_assert!(side.is_handshaking()),
            Err(error) => {
                let output = take_output(&mut side);
                prop_assert_eq!(ends_in_one_alert(&output), error.alert().is_some());
            }
        }
    }
}

/// Handshakes of this crate with fixed randomness are the same in every build. The test compares a
/// hash of what both sides send.
#[test]
fn our_own_handshakes_are_as_they_were() {
    use sm3::{Digest, Sm3};

    let hash = |flavour, etm| {
        let (mut client, mut server) = pair(flavour, etm);
        let mut all = Sm3::new();
        loop {
            let (up, down) = (take_output(&mut client), take_output(&mut server));
            if up.is_empty() && down.is_empty() {
                break;
            }
            all.update(&up);
            all.update(&down);
            give(&mut server, &up).unwrap();
            give(&mut client, &down).unwrap();
        }
        client.write(b"up").unwrap();
        server.write(b"down").unwrap();
        all.update(take_output(&mut client));
        all.update(take_output(&mut server));
        hex::encode(all.finalize())
    };
    let hashes = KINDS.map(|(flavour, etm)| hash(flavour, etm));
    assert_eq!(
        hashes,
        [
            "2b8a3dac80312c2c92f1d7b0816f34a79b8ce014cd2d4a367c2771561b704ef2",
            "8613a2c731fd584e08142b630e809140be837fc47a73ed1be8d61cfc8d19ee55",
            "49cb20874e03938256c1b065c9d1c80bc0378379c38cb8c934cd26edae8fa7ba",
            "7546b6ef437fe1cb63064af5bdbb4d085e4498c53fc25905def7645e9124068a",
        ]
    );
    let (mut client, mut server) = pair(Flavour::Tlcp, true);
    shake(&mut client, &mut server).unwrap();
}
