use super::*;

fn note(number: u64, len: usize) -> TapRecord {
    TapRecord {
        connection: number,
        what: What::Note("x".repeat(len)),
        ..loss(0)
    }
}

fn numbers(records: &mut TapRecords, count: usize) -> Vec<Result<u64, u64>> {
    let one = |record: TapRecord| match record.what {
        What::Lost(lost) => Err(lost),
        _ => Ok(record.connection),
    };
    (0..count)
        .map(|_| one(records.blocking_recv().unwrap()))
        .collect()
}

#[test]
fn what_finds_no_room_is_counted_where_it_would_have_been() {
    let (sender, mut records) = channel();
    let len = 100 * 1024;
    for number in 1..=15 {
        sender.send(note(number, len));
    }
    // Ten fit. No more are taken until half of the queue is free.
    assert_eq!(numbers(&mut records, 2), [Ok(1), Ok(2)]);
    sender.send(note(16, len));
    assert_eq!(numbers(&mut records, 4), [Ok(3), Ok(4), Ok(5), Ok(6)]);
    sender.send(note(17, len));
    let rest = [Ok(7), Ok(8), Ok(9), Ok(10), Err(6), Ok(17)];
    assert_eq!(numbers(&mut records, 6), rest);
    assert!(records.at_hand().is_none());
    drop(sender);
    assert_eq!(records.blocking_recv(), None);
}

#[test]
fn a_loss_is_told_though_nothing_comes_behind_it() {
    let (sender, mut records) = channel();
    // Longer than the limit, but alone.
    sender.send(note(1, 2 * ROOM));
    for number in 2..=4 {
        sender.send(note(number, 1));
    }
    assert_eq!(numbers(&mut records, 2), [Ok(1), Err(3)]);
    sender.send(note(5, 2 * ROOM));
    sender.send(note(6, 1));
    drop(sender);
    assert_eq!(numbers(&mut records, 2), [Ok(5), Err(1)]);
    assert_eq!(records.blocking_recv(), None);
}

#[tokio::test]
async fn tasks_may_wait_for_it() {
    let (sender, mut records) = channel();
    let (record, ()) = tokio::join!(records.recv(), async { sender.send(note(1, 1)) });
    assert_eq!(record.unwrap().connection, 1);
    drop(sender);
    assert_eq!(records.recv().await, None);
}
