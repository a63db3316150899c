use super::*;

fn step(at: u64, fault: Fault) -> PlannedFault {
    PlannedFault {
        at: Duration::from_secs(at),
        fault,
        down: Duration::from_secs(2),
    }
}

fn books() -> Books {
    let mut books = Books::new(4, 2);
    for message in 0..4 {
        books.sent(message, Duration::from_secs(10 * message as u64));
        books.acknowledged(message);
    }
    books.delivered(0, 0);
    books.delivered(1, 3);
    books
}

#[test]
fn each_copy_has_one_cause() {
    let excuses = [
        step(11, Fault::Kill { node: 3 }),
        step(20, Fault::CutClient { client: 3, way: 0 }),
    ];
    let excuses: Vec<Excuse> = excuses
        .iter()
        .filter_map(|step| Excuse::of(step, 2, false))
        .collect();
    // Subscriber 0 misses 1 (the kill), 2 and 3. Subscriber 1 misses 0, 1 (the kill) and 2 (its
    // connection was cut).
    let missing = Missing::of(&books(), &excuses, &[1, 0]);
    let Missing {
        queues,
        faults,
        lost,
        ..
    } = missing;
    assert_eq!((queues, faults, lost), (1, 3, 2));
    assert_eq!(missing.all(), 6);
    let text = missing.to_string();
    assert!(text.contains("multicast 0, sent after 0.000 s, never reached subscriber 1"));
}

#[test]
fn cuts_of_links_excuse_nothing_while_the_network_holds_together() {
    let cut = step(1, Fault::Cut { link: 0 });
    assert!(Excuse::of(&cut, 2, false).is_none());
    assert!(Excuse::of(&cut, 2, true).is_some());
    let publisher = step(1, Fault::CutClient { client: 1, way: 0 });
    assert!(Excuse::of(&publisher, 2, false).is_none());
}
