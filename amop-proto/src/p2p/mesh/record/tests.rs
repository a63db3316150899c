use super::{super::SharedSecret, *};

fn record() -> Record {
    Record {
        subject: Subject::Node(NodeId([3; 64])),
        version: 9,
        base: 0,
        whole: Some(Whole {
            agreement: [5; 32],
            chain: SharedSecret::new(NodeId([3; 64])).chain(),
        }),
        neighbours: Some(vec![RoutingKey(2), RoutingKey(u64::MAX)]),
        topics: vec![(Bytes::new(), 0), (Bytes::from_static(b"hello"), 3)],
    }
}

fn change() -> Record {
    Record {
        base: 8,
        whole: None,
        neighbours: None,
        ..record()
    }
}

fn signed(record: &Record) -> SignedRecord {
    let signer = SharedSecret::new(*record.subject.signer());
    record.clone().sign(&signer).unwrap()
}

fn decode(body: Bytes, max: usize) -> Result<Vec<SignedRecord>, RecordsError> {
    SignedRecord::decode_all(body, max)
}

#[test]
fn records_round_trip_and_no_cut_passes() {
    let stub = Record {
        subject: Subject::Stub {
            fisco: NodeId([8; 64]),
            border: NodeId([3; 64]),
        },
        whole: None,
        neighbours: None,
        ..record()
    };
    let all = [record(), change(), stub].map(|record| signed(&record));
    let body: Bytes = all.iter().flat_map(|record| record.bytes.clone()).collect();
    assert_eq!(decode(body.clone(), 2), Ok(all.to_vec()));
    let verifier = SharedSecret::new(NodeId([0; 64]));
    assert!(all.iter().all(|record| record.is_signed(&verifier)));
    let (node, max) = (Some(NodeId([3; 64])), 1);
    assert_eq!(
        decode(body.clone(), max),
        Err(RecordsError::TooManyTopics { node, max })
    );
    let ends = [all[0].bytes.len(), all[0].bytes.len() + all[1].bytes.len()];
    for end in 1..body.len() {
        let cut = decode(body.slice(..end), 2);
        assert_eq!(cut.is_ok(), ends.contains(&end), "cut at {end}");
    }
}

#[test]
fn no_bit_can_be_changed() {
    let verifier = SharedSecret::new(NodeId([0; 64]));
    let bytes = signed(&record()).bytes;
    for bit in 0..8 * bytes.len() {
        let mut other = BytesMut::from(&bytes[..]);
        other[bit / 8] ^= 1 << (bit % 8);
        let read = decode(other.freeze(), 2).unwrap_or_default();
        assert!(
            !read.iter().any(|record| record.is_signed(&verifier)),
            "bit {bit}"
        );
    }
}

#[test]
fn a_record_names_so_many_neighbours_and_no_more() {
    let with = |count: usize| Record {
        neighbours: Some((0..count as u64).map(RoutingKey).collect()),
        ..record()
    };
    let most = signed(&with(MAX_NEIGHBOURS));
    assert_eq!(
        decode(most.bytes.clone(), 2).unwrap(),
        std::slice::from_ref(&most)
    );
    let more = signed(&with(MAX_NEIGHBOURS + 1));
    let stated = decode(more.bytes, 2).unwrap();
    let neighbours = stated[0].record.neighbours.as_ref();
    assert_eq!(neighbours.map(Vec::len), Some(MAX_NEIGHBOURS));
    // One neighbour more than that, written by hand: the count is before the keys.
    let mut body = BytesMut::from(&most.bytes[..]);
    let count = (MAX_NEIGHBOURS as u16).to_be_bytes();
    let at = body
        .windows(10)
        .position(|at| at == [&count[..], &[0; 8]].concat());
    let at = at.unwrap();
    body[at..at + 2].copy_from_slice(&(MAX_NEIGHBOURS as u16 + 1).to_be_bytes());
    let mut body = body.to_vec();
    body.splice(at + 2..at + 2, [0; 8]);
    assert_eq!(decode(body.into(), 2), Err(RecordsError::Malformed));
}

#[test]
fn topics_are_in_order_and_each_is_there_once() {
    let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
    let mut two = record();
    two.topics = vec![(b.clone(), 2), (a.clone(), 1), (b.clone(), 3)];
    let read = decode(signed(&two).bytes, 2).unwrap();
    assert_eq!(read[0].record.topics, [(a, 1), (b, 2)]);
    let mut body = BytesMut::from(&signed(&two).bytes[..]);
    let at = body.windows(2).position(|pair| pair == b"\x01b").unwrap();
    body[at + 1] = b'a';
    assert_eq!(decode(body.freeze(), 2), Err(RecordsError::Malformed));
}

#[test]
fn versions_that_leave_no_room_or_go_back_are_refused() {
    for (version, base, good) in [
        (MAX_VERSION, 0, true),
        (MAX_VERSION + 1, 0, false),
        (u64::MAX, 0, false),
        (0, 0, false),
        (9, 8, true),
        (9, 9, false),
        (9, 10, false),
    ] {
        let record = if base == 0 { record() } else { change() };
        let record = Record {
            version,
            base,
            ..record
        };
        let read = decode(signed(&record).bytes, 2);
        assert_eq!(read.is_ok(), good, "{version} of {base}");
    }
}

#[test]
fn nodes_with_ids_that_no_chain_has_are_passed_over() {
    let mut body = BytesMut::new();
    body.put_u8(FORMAT);
    body.put_u8(0);
    body.put_u64(9);
    body.put_u64(8);
    body.put_u16(63);
    body.put_slice(&[b'3'; 63]);
    body.put_u32(0);
    body.put_u8(7);
    body.put_u16(2);
    body.put_slice(b"ab");
    let known = signed(&record());
    body.put_slice(&known.bytes);
    assert_eq!(decode(body.freeze(), 2), Ok(vec![known]));
}

/// A node of a chain with longer IDs.
#[derive(Debug)]
struct Long(Bytes);

impl Long {
    fn name(&self) -> NodeId {
        NodeId::named(&self.0).unwrap()
    }
}

impl StatementSigner for Long {
    fn algorithm(&self) -> u8 {
        SharedSecret::ALGORITHM
    }

    fn long_id(&self) -> Option<Bytes> {
        Some(self.0.clone())
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        SharedSecret::new(self.name()).sign(message)
    }

    fn chain(&self) -> Vec<Bytes> {
        SharedSecret::new(self.name()).chain()
    }
}

#[test]
fn ids_of_other_lengths_go_by_a_name() {
    let verifier = SharedSecret::new(NodeId([0; 64]));
    for len in [65, 270, NodeId::MAX] {
        let signer = Long(vec![7; len].into());
        let own = Record {
            subject: Subject::Node(signer.name()),
            ..record()
        };
        let stub = Record {
            subject: Subject::Stub {
                fisco: NodeId([9; 64]),
                border: signer.name(),
            },
            whole: None,
            neighbours: None,
            ..record()
        };
        for record in [own, stub] {
            let signed = record.clone().sign(&signer).unwrap();
            let read = SignedRecord::decode_all(signed.bytes().clone(), 10).unwrap();
            assert_eq!(read, std::slice::from_ref(&signed), "{len}");
            assert_eq!(read[0].record().subject, record.subject, "{len}");
            assert!(read[0].is_signed(&verifier), "{len}");
            // Its name cannot verify a signature, since it is not a key.
            let short = record.sign(&SharedSecret::new(signer.name())).unwrap();
            assert_ne!(short.bytes(), signed.bytes());
        }
    }
    let too_long = Long(vec![7; NodeId::MAX + 1].into());
    assert_eq!(NodeId::named(&too_long.0), None);
    let mut bytes = BytesMut::new();
    record().encode(Some(&too_long.0), &mut bytes);
    bytes.extend_from_slice(&[0, 0, 0]);
    assert!(SignedRecord::decode_all(bytes.freeze(), 10).is_err());
    // No node has a shorter ID: these records are skipped.
    let mut bytes = BytesMut::new();
    record().encode(Some(&[7; 63]), &mut bytes);
    bytes.extend_from_slice(&[0, 0, 0]);
    assert_eq!(SignedRecord::decode_all(bytes.freeze(), 10), Ok(vec![]));
}
