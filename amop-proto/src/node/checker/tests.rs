use bytes::BytesMut;

use super::*;
use crate::p2p::{
    mesh::{RecordsError, SharedSecret, StatementSigner, Whole, packet},
    protocol,
};

fn id(n: u8) -> NodeId {
    NodeId([n; 64])
}

fn record(n: u8, certificates_of: u8) -> Record {
    Record {
        subject: Subject::Node(id(n)),
        version: 9,
        base: 0,
        whole: Some(Whole {
            agreement: [0; 32],
            chain: SharedSecret::new(id(certificates_of)).chain(),
        }),
        neighbours: Some(Vec::new()),
        topics: vec![(Bytes::from_static(b"hello"), 1)],
    }
}

fn signed(n: u8) -> SignedRecord {
    record(n, n).sign(&SharedSecret::new(id(n))).unwrap()
}

fn frame(records: &[SignedRecord]) -> PeerFrame {
    let mut body = BytesMut::new();
    for record in records {
        body.extend_from_slice(record.bytes());
    }
    PeerFrame {
        protocol: protocol::EXTENSION,
        packet: packet::RECORDS,
        seq: 7,
        body: body.freeze(),
    }
}

fn checker() -> Checker {
    Checker::new(Arc::new(SharedSecret::new(id(0))), 10)
}

#[test]
fn what_is_good_is_verified_once() {
    let checker = checker();
    let frame = frame(&[signed(1), signed(2)]);
    let first = checker.check(&frame);
    assert_eq!(
        (first.records.len(), first.work(), first.fault),
        (2, 4, None)
    );
    let second = checker.check(&frame);
    assert_eq!((second.records.len(), second.work()), (2, 0));
}

#[test]
fn nothing_of_a_packet_with_a_forged_record_is_taken() {
    let checker = checker();
    let forged = record(1, 1).sign(&SharedSecret::new(id(2))).unwrap();
    let checked = checker.check(&frame(&[signed(2), forged]));
    assert_eq!(checked.fault, Some(RecordsFault::Forged(id(1))));
    assert!(checked.records.is_empty());
    let borrowed = record(1, 2).sign(&SharedSecret::new(id(1))).unwrap();
    let checked = checker.check(&frame(&[borrowed]));
    assert_eq!(checked.fault, Some(RecordsFault::OthersChain(id(1))));
}

#[test]
fn a_node_that_is_not_let_in_is_left_out_and_later_lists_count() {
    let lists = SharedSecret::new(id(0));
    let checker = Checker::new(Arc::new(lists.clone()), 10);
    let both = frame(&[signed(1), signed(2)]);
    assert_eq!(checker.check(&both).records.len(), 2);
    lists.refuse(id(1));
    checker.forget();
    let checked = checker.check(&both);
    assert_eq!((checked.records.len(), checked.fault), (1, None));
    assert_eq!(checked.refused[0].subject, Subject::Node(id(1)));
    let chains = [1, 2].map(|n| (Subject::Node(id(n)), SharedSecret::new(id(n)).chain()));
    assert_eq!(checker.disbelieved(chains), [Subject::Node(id(1))]);
}

/// A record in which a border node speaks for a FISCO node.
fn stub(fisco: u8, border: u8) -> SignedRecord {
    let record = Record {
        subject: Subject::Stub {
            fisco: id(fisco),
            border: id(border),
        },
        whole: None,
        neighbours: None,
        ..record(fisco, border)
    };
    record.sign(&SharedSecret::new(id(border))).unwrap()
}

#[test]
fn lists_count_for_fisco_nodes_behind_a_border() {
    let lists = SharedSecret::new(id(0));
    let checker = Checker::new(Arc::new(lists.clone()), 10);
    let both = frame(&[stub(8, 1), stub(9, 1)]);
    assert_eq!(checker.check(&both).records.len(), 2);
    lists.refuse(id(8));
    checker.forget();
    let checked = checker.check(&both);
    let refused = Subject::Stub {
        fisco: id(8),
        border: id(1),
    };
    assert_eq!((checked.records.len(), checked.fault), (1, None));
    assert_eq!(checked.refused[0].subject, refused);
    let other = checked.records[0].record();
    let held = [(refused, Vec::new()), (other.subject, Vec::new())];
    assert_eq!(checker.disbelieved(held), [refused]);
}

#[test]
fn certificates_that_are_refused_are_judged_once_and_charged_by_their_length() {
    let lists = SharedSecret::new(id(0));
    lists.refuse(id(1));
    let checker = Checker::new(Arc::new(lists), 10);
    let of_version = |version: u64, padding: usize| {
        let mut record = record(1, 1);
        record.version = version;
        let whole = record.whole.as_mut().unwrap();
        whole.chain.push(Bytes::from(vec![0; padding]));
        record.sign(&SharedSecret::new(id(1))).unwrap()
    };
    let work = |record: SignedRecord| {
        let checked = checker.check(&frame(&[record]));
        assert_eq!((checked.records.len(), checked.refused.len()), (0, 1));
        checked.work()
    };
    assert_eq!(work(of_version(1, 10)), 3);
    assert_eq!(work(of_version(2, 10)), 1, "the same certificates");
    assert_eq!(work(of_version(3, 5 * BYTES_OF_A_SIGNATURE)), 8);
    checker.forget();
    assert_eq!(work(of_version(4, 10)), 3);
    assert!(checker.disbelieved([]).is_empty());
    assert_eq!(work(of_version(5, 10)), 3, "it may be valid by now");
    for n in 0..2 * MAX_REFUSALS {
        work(of_version(6, n));
    }
    assert_eq!(lock(&checker.refused_chains).len(), MAX_REFUSALS);
}

#[test]
fn a_record_that_is_refused_costs_once_until_lists_change() {
    let lists = SharedSecret::new(id(0));
    lists.refuse(id(1));
    lists.refuse(id(8));
    let checker = Checker::new(Arc::new(lists), 10);
    let packet = frame(&[signed(1), stub(8, 2)]);
    let work = || {
        let checked = checker.check(&packet);
        assert_eq!((checked.records.len(), checked.refused.len()), (0, 2));
        checked.work()
    };
    assert_eq!((work(), work()), (3, 0));
    checker.forget();
    assert_eq!((work(), work()), (3, 0));
    assert!(checker.disbelieved([]).is_empty());
    assert_eq!(work(), 3, "it may be valid by now");
}

#[test]
fn the_agency_of_a_node_is_known_though_its_record_was_seen_before() {
    let checker = checker();
    let packet = frame(&[signed(1)]);
    for _ in 0..2 {
        let checked = checker.check(&packet);
        assert_eq!(
            checked.records[0].authority(),
            SharedSecret::agency_of(&id(1))
        );
    }
}

fn parts(checker: &Checker, frame: &PeerFrame) -> (Vec<CheckedRecords>, Vec<usize>) {
    let event = NodeEvent::PeerFrame(PeerId(1), frame.clone().into());
    let mut check = checker.begin(&event).unwrap();
    let (mut parts, mut costs) = (Vec::new(), Vec::new());
    loop {
        match check.ready() {
            None => costs.push(checker.go_on(&mut check)),
            Some(last) => {
                parts.push(check.take());
                if last {
                    return (parts, costs);
                }
            }
        }
    }
}

#[test]
fn a_long_packet_is_checked_record_by_record_and_handed_over_in_parts() {
    let checker = checker();
    let of_version = |n: u8, version: u64| {
        let changed = Record {
            version,
            ..record(n, n)
        };
        changed.sign(&SharedSecret::new(id(n))).unwrap()
    };
    let records: Vec<SignedRecord> = (1..=200)
        .flat_map(|n| (1..=4).map(move |version| (n, version)))
        .map(|(n, version)| of_version(n, version))
        .collect();
    let (parts, costs) = parts(&checker, &frame(&records));
    let whole: Vec<SignedRecord> = parts
        .iter()
        .flat_map(|part| part.records.iter().map(|record| record.signed().clone()))
        .collect();
    assert!(whole == records);
    assert!(parts.len() >= 3, "{}", parts.len());
    for part in &parts[..parts.len() - 1] {
        assert!(!part.last);
        // Records of one node stay together.
        assert_eq!(part.records.len() % 4, 0);
        assert!(part.records.len() <= 2 * check::RECORDS);
    }
    assert!(parts.last().unwrap().last);
    // Each step handles about one record, and each step has a cost.
    assert!(costs.len() >= records.len());
    let dearest = 3 * COST_OF_A_SIGNATURE + records[0].bytes().len();
    assert!(costs.iter().all(|&cost| cost <= dearest));
    let again = self::parts(&checker, &frame(&records)).1;
    assert!(again.iter().sum::<usize>() >= frame(&records).body.len());
}

#[test]
fn one_node_alone_cannot_make_a_part_that_has_no_end() {
    let checker = checker();
    let records: Vec<SignedRecord> = (1..=2000)
        .map(|version| {
            let changed = Record {
                version,
                ..record(1, 1)
            };
            changed.sign(&SharedSecret::new(id(1))).unwrap()
        })
        .collect();
    let (parts, _) = parts(&checker, &frame(&records));
    assert!(
        parts
            .iter()
            .all(|part| part.records.len() <= 4 * check::RECORDS)
    );
    let count: usize = parts.iter().map(|part| part.records.len()).sum();
    assert_eq!(count, records.len());
}

#[test]
fn the_check_stops_at_the_first_fault() {
    let checker = checker();
    let forged = record(3, 3).sign(&SharedSecret::new(id(2))).unwrap();
    let mut records = vec![signed(1), forged];
    records.extend((4..100).map(signed));
    let (parts, costs) = parts(&checker, &frame(&records));
    assert_eq!((parts.len(), costs.len()), (1, 2));
    assert_eq!(parts[0].fault, Some(RecordsFault::Forged(id(3))));
    assert!(parts[0].last && parts[0].records.is_empty());
    assert_eq!(checker.verified(), 3);
    let mut broken = frame(&[signed(5), signed(6)]);
    broken.body.truncate(broken.body.len() - 1);
    let (parts, _) = self::parts(&checker, &broken);
    let fault = RecordsFault::Unreadable(RecordsError::Malformed);
    assert_eq!(parts[0].fault, Some(fault));
    assert!(parts[0].records.is_empty());
}

#[test]
fn the_memory_of_what_was_good_is_bounded() {
    let checker = checker();
    for n in 0..2 * MAX_SEEN as u64 {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&n.to_be_bytes());
        lock(&checker.seen).note(digest, [0; 32], 0);
    }
    assert_eq!(lock(&checker.seen).len(), MAX_SEEN);
}
