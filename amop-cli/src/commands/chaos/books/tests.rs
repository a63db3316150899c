use super::*;

/// Returns books of 3 subscribers: messages 0 and 1 were acknowledged, 2 failed, 3 is under
/// way.
fn books() -> Books {
    let mut books = Books::new(5, 3);
    for message in 0..4 {
        books.sent(message, Duration::ZERO);
    }
    for message in 0..2 {
        books.acknowledged(message);
    }
    books.failed(2, "timeout");
    books
}

#[test]
fn books_without_a_fault_hold() {
    let mut books = books();
    books.delivered(0, 0);
    books.delivered(1, 1);
    let sums = books.sums();
    let expected = Sums {
        sent: 4,
        acknowledged: 2,
        unfinished: 1,
        failures: BTreeMap::from([("timeout", 1)]),
        delivered: 2,
        deliveries: 2,
        ..Sums::default()
    };
    assert_eq!(sums, expected);
    assert!(sums.hold() && sums.nothing_twice());
    assert_eq!(sums.to_string(), "");
    assert_eq!(books.settled(), 3);
}

#[test]
fn a_loss_is_found() {
    let mut books = books();
    books.delivered(0, 0);
    let sums = books.sums();
    assert_eq!((sums.lost, sums.duplicated), (1, 0));
    assert!(!sums.hold() && sums.nothing_twice());
    assert!(sums.to_string().contains("number 1 was acknowledged"));
}

/// Also for a message that failed: no subscriber may receive a message twice.
#[test]
fn a_duplicate_is_found() {
    for message in [0, 2, 3] {
        let mut books = books();
        books.delivered(0, 0);
        books.delivered(1, 1);
        let times = if message == 0 { 1 } else { 2 };
        for _ in 0..times {
            books.delivered(0, message);
        }
        let sums = books.sums();
        assert_eq!((sums.lost, sums.duplicated), (0, 1), "{message}");
        assert!(!sums.hold() && !sums.nothing_twice());
        let line = format!("subscriber 0 received number {message} 2 times");
        assert!(sums.to_string().contains(&line), "{sums}");
    }
}

/// A message that two subscribers received once each is not a duplicate.
#[test]
fn a_redelivery_is_counted_apart() {
    let mut books = books();
    for (subscriber, message) in [(0, 0), (2, 0), (1, 1), (0, 2), (1, 2)] {
        books.delivered(subscriber, message);
    }
    let sums = books.sums();
    assert_eq!((sums.duplicated, sums.redelivered), (0, 1));
    assert_eq!((sums.delivered, sums.deliveries), (3, 5));
    assert_eq!(sums.unconfirmed, 1);
    assert!(sums.hold());
}

#[test]
fn what_nobody_sent_is_found() {
    for message in [4, 5, 1000] {
        let mut books = books();
        books.delivered(0, 0);
        books.delivered(0, 1);
        books.delivered(0, message);
        let sums = books.sums();
        assert!(!sums.hold() && !sums.nothing_twice());
        assert_eq!(sums.deliveries, 2);
        assert!(sums.to_string().contains(&message.to_string()));
    }
}
