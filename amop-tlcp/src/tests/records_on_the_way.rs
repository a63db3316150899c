//! Changes to the records between two honest sides after their handshake.

use super::common::{FLAVOURS, connected, ends_in_one_alert, give, records, take_output};
use super::on_the_way::KINDS;
use crate::record::ContentType;
use crate::{Alert, Flavour, TlcpError};

#[test]
fn every_byte_of_a_record_is_protected() {
    for (flavour, etm) in KINDS {
        let length = {
            let (mut client, _) = connected(flavour, etm);
            client.write(b"twenty bytes of data").unwrap();
            take_output(&mut client).len()
        };
        let (client, server) = connected(flavour, etm);
        drop((client, server));
        for at in 0..length {
            for bit in [0, 7] {
                let (mut client, mut server) = connected(flavour, etm);
                client.write(b"twenty bytes of data").unwrap();
                let mut record = take_output(&mut client);
                record[at] ^= 1 << bit;
                let place = format!("{flavour}, {etm}, byte {at}, bit {bit}");
                match give(&mut server, &record) {
                    Err(TlcpError::BadRecord) => {
                        assert!(at >= 3 || at == 0, "{place}");
                        let alert = take_output(&mut server);
                        assert!(ends_in_one_alert(&alert), "{place}");
                        let heard = give(&mut client, &alert);
                        assert!(
                            matches!(heard, Err(TlcpError::PeerAlert(Alert::BAD_RECORD_MAC))),
                            "{place}: {heard:?}"
                        );
                    }
                    Err(error) => {
                        assert!(at < 5, "{place}: {error}");
                        assert!(ends_in_one_alert(&take_output(&mut server)), "{place}");
                    }
                    Ok(text) => {
                        // A length was increased.
                        assert!(text.is_empty() && (3..5).contains(&at), "{place}");
                        assert!(
                            matches!(server.end_of_input(), Err(TlcpError::Truncated)),
                            "{place}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn records_that_are_doubled_lost_or_exchanged_are_refused() {
    for (flavour, etm) in KINDS {
        let orders: [&[usize]; 4] = [&[0, 0], &[1, 0], &[0, 2], &[0, 1, 0]];
        for order in orders {
            let (mut client, mut server) = connected(flavour, etm);
            for text in ["one", "two", "three"] {
                client.write(text.as_bytes()).unwrap();
            }
            let records = records(&take_output(&mut client));
            let good = order
                .iter()
                .enumerate()
                .take_while(|(i, n)| i == *n)
                .count();
            for number in &order[..good] {
                give(&mut server, &records[*number]).unwrap();
            }
            let result = give(&mut server, &records[order[good]]);
            assert!(
                matches!(result, Err(TlcpError::BadRecord)),
                "{order:?}: {result:?}"
            );
        }
        // A side does not accept its own record.
        let (mut client, mut server) = connected(flavour, etm);
        client.write(b"mirror").unwrap();
        let record = take_output(&mut client);
        assert!(matches!(
            give(&mut client, &record),
            Err(TlcpError::BadRecord)
        ));
        server.close();
    }
}

#[test]
fn empty_records_are_taken_but_not_without_end() {
    for (flavour, etm) in KINDS {
        let (mut client, mut server) = connected(flavour, etm);
        for _ in 0..100 {
            client.send_empty_record();
            client.write(b"x").unwrap();
        }
        let text = give(&mut server, &take_output(&mut client)).unwrap();
        assert_eq!(text, vec![b'x'; 100]);
        for _ in 0..33 {
            client.send_empty_record();
        }
        let result = give(&mut server, &take_output(&mut client));
        assert!(
            matches!(result, Err(TlcpError::Unexpected { .. })),
            "{result:?}"
        );
    }
}

#[test]
fn nothing_but_data_and_alerts_comes_after_the_handshake() {
    for flavour in FLAVOURS {
        for (kind, content) in [
            // A HelloRequest, a ClientHello, a change of keys.
            (ContentType::Handshake, &[0, 0, 0, 0][..]),
            (ContentType::Handshake, &[1, 0, 0, 0]),
            (ContentType::ChangeCipherSpec, &[1]),
            (ContentType::Alert, &[1]),
            (ContentType::Alert, &[3, 0]),
            (ContentType::Alert, &[1, 0, 0]),
        ] {
            let (mut client, mut server) = connected(flavour, true);
            client.send_record(kind, content);
            let result = give(&mut server, &take_output(&mut client));
            let error = result.unwrap_err();
            assert!(
                matches!(
                    error,
                    TlcpError::Unexpected { .. }
                        | TlcpError::Malformed { .. }
                        | TlcpError::Illegal { .. }
                ),
                "{error}"
            );
            assert!(ends_in_one_alert(&take_output(&mut server)));
        }
        // Empty records of types for which only data may be empty.
        for kind in [
            ContentType::Handshake,
            ContentType::ChangeCipherSpec,
            ContentType::Alert,
        ] {
            let (mut client, mut server) = connected(flavour, true);
            client.send_record(kind, &[]);
            let result = give(&mut server, &take_output(&mut client));
            assert!(
                matches!(result, Err(TlcpError::Malformed { .. })),
                "{result:?}"
            );
        }
    }
}

#[test]
fn warnings_are_passed_over_but_not_without_end() {
    let (mut client, mut server) = connected(Flavour::Tlcp, true);
    for number in 0..5 {
        client.send_record(ContentType::Alert, &[1, 90]);
        let result = give(&mut server, &take_output(&mut client));
        assert_eq!(result.is_ok(), number < 4, "{result:?}");
    }
}

#[test]
fn each_side_closes_for_itself() {
    for (flavour, etm) in KINDS {
        let (mut client, mut server) = connected(flavour, etm);
        client.write(b"last words").unwrap();
        client.close();
        client.close();
        assert!(matches!(client.write(b"more"), Err(TlcpError::Closed)));
        let text = give(&mut server, &take_output(&mut client)).unwrap();
        assert_eq!(text, b"last words");
        assert!(server.peer_has_closed());
        server.end_of_input().unwrap();
        // The other direction is still open.
        server.write(b"an answer").unwrap();
        server.close();
        let text = give(&mut client, &take_output(&mut server)).unwrap();
        assert_eq!(text, b"an answer");
        client.end_of_input().unwrap();
        // Bytes after it are discarded.
        give(&mut client, b"whatever").unwrap();

        let (_, mut server) = connected(flavour, etm);
        assert!(matches!(server.end_of_input(), Err(TlcpError::Truncated)));
    }
}

/// The waiting output is limited, and `write` returns how much it took.
#[test]
fn writing_stops_while_nothing_is_sent() {
    let (mut client, mut server) = connected(Flavour::Tlcp, true);
    let data = vec![7; 1 << 20];
    let taken = client.write(&data).unwrap();
    assert!((64 * 1_024..96 * 1_024).contains(&taken), "{taken}");
    assert_eq!(client.write(&data).unwrap(), 0);
    let text = give(&mut server, &take_output(&mut client)).unwrap();
    assert_eq!(text, data[..taken]);
    assert!(client.write(&data).unwrap() > 0);
}
