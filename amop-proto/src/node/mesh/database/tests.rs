//! Tests which nodes are stored, for how long, and at whose cost.

use std::time::Duration;

use bytes::Bytes;

use super::{
    graves::{STALE, UNREACHABLE_FOR},
    taking::{STATEMENT, STATEMENTS},
    *,
};
use crate::{
    node::{
        checker::CheckedRecord,
        mesh::{limits::UNNEEDED, speaker::REFRESH},
    },
    p2p::{
        NodeId,
        mesh::{Record, SharedSecret, StatementSigner, Subject, Whole},
    },
};

fn topic(name: &'static str) -> Bytes {
    Bytes::from_static(name.as_bytes())
}

fn id(n: u8) -> NodeId {
    NodeId([n; 64])
}

fn key(n: u8) -> RoutingKey {
    (&id(n)).into()
}

fn signed(record: Record) -> CheckedRecord {
    let signer = SharedSecret::new(*record.subject.signer());
    CheckedRecord::new(record.sign(&signer).unwrap())
}

fn of(n: u8, version: u64, links: &[u8], topics: &[(&'static str, u32)]) -> Record {
    Record {
        subject: Subject::Node(id(n)),
        version,
        base: 0,
        whole: Some(Whole {
            agreement: [n; 32],
            chain: SharedSecret::new(id(n)).chain(),
        }),
        neighbours: Some(links.iter().map(|&n| key(n)).collect()),
        topics: topics
            .iter()
            .map(|&(name, count)| (topic(name), count))
            .collect(),
    }
}

fn whole(version: u64, links: &[u8], topics: &[(&'static str, u32)]) -> CheckedRecord {
    signed(of(1, version, links, topics))
}

fn change(base: u64, topics: &[(&'static str, u32)]) -> CheckedRecord {
    signed(Record {
        base,
        whole: None,
        neighbours: None,
        ..of(1, base + 1, &[], topics)
    })
}

fn of_version(n: u8, version: u64) -> CheckedRecord {
    signed(of(n, version, &[], &[]))
}

fn stub(n: u8, border: u8, version: u64) -> CheckedRecord {
    signed(Record {
        subject: Subject::Stub {
            fisco: id(n),
            border: id(border),
        },
        whole: None,
        neighbours: None,
        ..of(n, version, &[], &[("f", 1)])
    })
}

fn database(limits: Limits) -> Database {
    Database::new(key(0), limits)
}

/// Takes a record with all its topics, and returns what changed.
fn take(database: &mut Database, now: Instant, record: &CheckedRecord) -> Vec<(Bytes, u32)> {
    take_from(database, now, 9, record).unwrap()
}

fn take_from(
    database: &mut Database,
    now: Instant,
    bringer: u8,
    record: &CheckedRecord,
) -> Result<Vec<(Bytes, u32)>, RecordOutcome> {
    let taken = take_one(database, now, bringer, record);
    if !matches!(taken, RecordOutcome::New { .. }) {
        return Err(taken);
    }
    let (mut changes, mut at) = (Vec::new(), Some(0));
    while let Some(from) = at {
        let (some, next) = database.apply_topics(record, from, 2);
        changes.extend(some);
        at = next;
    }
    let bytes: usize = database.charges.values().map(|charge| charge.bytes).sum();
    assert_eq!(bytes, database.used);
    assert!(database.used <= database.limits.records_bytes);
    Ok(changes)
}

fn take_one(
    database: &mut Database,
    now: Instant,
    bringer: u8,
    record: &CheckedRecord,
) -> RecordOutcome {
    database.take(now, key(bringer), record, record.record().version)
}

#[test]
fn what_nobody_reaches_makes_room() {
    let now = Instant::now();
    let mut database = database(Limits {
        nodes: 2,
        ..Limits::default()
    });
    for n in [1, 2] {
        take(&mut database, now, &of_version(n, 5));
        database.set_away(key(n), None);
    }
    assert_eq!(
        take_one(&mut database, now, 9, &of_version(3, 5)),
        RecordOutcome::NoRoom
    );
    database.set_away(key(2), Some(now));
    // Its links may still become known.
    let soon = now + Duration::from_secs(1);
    assert_eq!(
        take_one(&mut database, soon, 9, &of_version(3, 5)),
        RecordOutcome::NoRoom
    );
    let later = now + UNNEEDED;
    take(&mut database, later, &of_version(3, 5));
    let evicted: Vec<RoutingKey> = database
        .take_evicted()
        .iter()
        .map(|(key, _)| *key)
        .collect();
    assert_eq!(evicted, [key(2)]);
    // Its old statements do not count again; new ones do when it is back.
    assert_eq!(
        take_one(&mut database, later, 9, &of_version(2, 4)),
        RecordOutcome::Old
    );
    database.set_away(key(3), None);
    database.set_away(key(1), Some(later));
    let back = later + UNNEEDED;
    take(&mut database, back, &of_version(2, 6));
    assert!(database.get(key(1)).is_none() && database.get(key(3)).is_some());
}

#[test]
fn changes_apply_to_their_base_only() {
    let now = Instant::now();
    let mut database = database(Limits::default());
    let first = change(5, &[("a", 0), ("b", 2)]);
    assert_eq!(take_one(&mut database, now, 9, &first), RecordOutcome::Gap);
    let changed = take(&mut database, now, &whole(5, &[2], &[("a", 1)]));
    assert_eq!(changed, [(topic("a"), 1)]);
    let changed = take(&mut database, now, &first);
    assert_eq!(changed, [(topic("a"), 0), (topic("b"), 2)]);
    assert_eq!(take_one(&mut database, now, 9, &first), RecordOutcome::Old);
    assert_eq!(
        take_one(&mut database, now, 9, &whole(9, &[3], &[])),
        RecordOutcome::New {
            linked: vec![key(3)],
            unlinked: vec![key(2)],
        }
    );
    assert_eq!(database.get(key(1)).unwrap().records.len(), 1);
}

#[test]
fn a_long_record_is_applied_part_by_part() {
    let now = Instant::now();
    let mut database = database(Limits::default());
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let all = |count| names.map(|name| (name, count));
    take(&mut database, now, &whole(1, &[], &all(1)));
    for (version, topics) in [
        (2, &all(2)[..4]),
        (3, &all(1)[3..]),
        (4, &[("bb", 1), ("d", 1)]),
        (5, &[]),
        (6, &all(3)[..]),
    ] {
        take(&mut database, now, &whole(version, &[], topics));
        let held = &database.get(key(1)).unwrap().topics;
        let held: Vec<_> = held.iter().map(|(name, &n)| (name.clone(), n)).collect();
        let expected: Vec<_> = topics.iter().map(|&(name, n)| (topic(name), n)).collect();
        assert_eq!(held, expected);
    }
}

#[test]
fn limits_hold() {
    let now = Instant::now();
    let mut database = database(Limits {
        nodes: 1,
        peer_topics: 1,
        ..Limits::default()
    });
    take(&mut database, now, &whole(1, &[], &[("a", 1)]));
    let other = signed(of(2, 1, &[], &[]));
    assert_eq!(
        take_one(&mut database, now, 9, &other),
        RecordOutcome::NoRoom
    );
    let more = change(1, &[("b", 1)]);
    assert_eq!(
        take_one(&mut database, now, 9, &more),
        RecordOutcome::TooManyTopics
    );
    // One topic removed and one added is within the limit.
    take(&mut database, now, &change(1, &[("a", 0), ("b", 1)]));
}

#[test]
fn what_is_out_of_reach_is_forgotten_in_time() {
    let now = Instant::now();
    let mut database = database(Limits::default());
    take(&mut database, now, &whole(5, &[], &[]));
    assert_eq!(database.next_age(), Some(now + UNREACHABLE_FOR));
    assert!(
        database
            .age(now + UNREACHABLE_FOR - Duration::from_millis(1))
            .is_empty()
    );
    assert!(database.get(key(1)).is_some());
    assert_eq!(database.age(now + UNREACHABLE_FOR).len(), 1);
    assert!(database.get(key(1)).is_none());
    assert_eq!((database.next_age(), database.used()), (None, 0));
    // Older records do not come back; the last one does.
    assert_eq!(
        take_one(&mut database, now, 9, &whole(4, &[], &[])),
        RecordOutcome::Old
    );
    take(&mut database, now, &whole(5, &[], &[]));
    // An old record is not accepted alone, but is accepted with the changes that followed it.
    database.forget(key(1), false);
    let old = whole(4, &[], &[]);
    assert_eq!(take_one(&mut database, now, 9, &old), RecordOutcome::Old);
    let taken = database.take(now, key(9), &old, 5);
    assert!(matches!(taken, RecordOutcome::New { .. }));
}

#[test]
fn a_node_that_says_nothing_any_more_is_forgotten_even_if_it_is_in_reach() {
    let now = Instant::now();
    let mut database = database(Limits::default());
    take(&mut database, now, &whole(5, &[2], &[]));
    database.set_away(key(1), None);
    let refreshed = now + REFRESH;
    take(&mut database, refreshed, &change(5, &[]));
    let gone = refreshed + STALE;
    assert_eq!(database.next_age(), Some(gone));
    assert!(database.age(gone - Duration::from_millis(1)).is_empty());
    assert_eq!(database.age(gone)[0].0, key(1));
    // A node that repeats its last statement does not bring it back.
    assert_eq!(
        take_one(&mut database, gone, 9, &whole(6, &[], &[])),
        RecordOutcome::Old
    );
    take(&mut database, gone, &whole(7, &[], &[]));
}

#[test]
fn what_was_back_in_between_is_forgotten_later() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let mut database = database(Limits::default());
    take(&mut database, now, &whole(1, &[2], &[]));
    database.set_away(key(1), None);
    assert!(database.age(now + UNREACHABLE_FOR).is_empty());
    database.set_away(key(1), Some(now + second));
    assert_eq!(database.next_age(), Some(now + second + UNREACHABLE_FOR));
    let forgotten = database.age(now + second + UNREACHABLE_FOR);
    assert_eq!(forgotten[0].1.neighbours, [key(2)]);
    assert!(database.set_away(key(1), None).is_none());
}

#[test]
fn a_fisco_node_is_known_as_long_as_the_node_that_announces_it() {
    let now = Instant::now();
    let mut database = database(Limits {
        stubs: 2,
        ..Limits::default()
    });
    assert_eq!(
        take_one(&mut database, now, 9, &stub(7, 1, 1)),
        RecordOutcome::Gap
    );
    take(&mut database, now, &whole(1, &[], &[]));
    for n in [7, 8] {
        take(&mut database, now, &stub(n, 1, 1));
        assert!(database.announces(key(1), key(n)));
    }
    assert_eq!(
        take_one(&mut database, now, 9, &stub(6, 1, 1)),
        RecordOutcome::NoRoom
    );
    assert!(!database.announces(key(9), key(7)));
    let state = database.get(RoutingKey::stub(&id(7), &id(1))).unwrap();
    assert_eq!(
        (&state.neighbours[..], state.agreement),
        (&[key(1)][..], None)
    );
    assert_eq!(database.forget(key(1), false).len(), 3);
    assert_eq!((database.len(), database.used()), (0, 0));
    assert!(!database.announces(key(1), key(7)));
}

#[test]
fn a_node_that_states_too_much_is_believed_later() {
    let now = Instant::now();
    let mut database = database(Limits {
        peer_topics: 10,
        ..Limits::default()
    });
    take(&mut database, now, &whole(1, &[], &[]));
    let mut version = 1;
    while take_from(&mut database, now, 9, &change(version, &[("a", 1)])).is_ok() {
        version += 1;
    }
    // The first one counts, too.
    assert_eq!(version, u64::from(STATEMENTS));
    let late = change(version, &[("a", 1)]);
    assert_eq!(
        take_one(&mut database, now, 9, &late),
        RecordOutcome::TooOften
    );
    take(&mut database, now + STATEMENT, &late);
}

#[test]
fn a_neighbour_with_more_than_its_share_makes_room_for_others() {
    let now = Instant::now();
    let one = 3 * NODE_COST;
    let mut database = database(Limits {
        records_bytes: 40 * one,
        ..Limits::default()
    });
    let node = |n: u8| signed(of(n, 1, &[], &[("a topic of some length", 1)]));
    let mut from_first = 0;
    for n in 100..=255 {
        from_first += usize::from(take_from(&mut database, now, 1, &node(n)).is_ok());
    }
    assert!(from_first > 40, "alone it may have all there is");
    let mut from_second = 0;
    for n in 10..100 {
        from_second += usize::from(take_from(&mut database, now, 2, &node(n)).is_ok());
    }
    assert!(
        from_second * 3 > from_first,
        "{from_second} of {from_first}"
    );
    assert!(from_second * 2 <= from_first + 2, "not more than its share");
    assert!(
        database
            .take_evicted()
            .iter()
            .all(|(held, _)| { (100..=255).any(|n| key(n) == *held) })
    );
    // The first neighbour can bring no more.
    let refused = take_from(&mut database, now, 1, &node(3));
    assert_eq!(refused, Err(RecordOutcome::NoRoom));
}
