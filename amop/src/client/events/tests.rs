use amop_proto::client::CloseReason;

use super::*;

fn lagged(topic: u64, dropped: u64) -> Event {
    Event::Lagged {
        topic: topic.to_string(),
        dropped,
    }
}

#[tokio::test]
async fn a_stream_keeps_the_newest_and_says_what_is_missing() {
    let reporter = EventReporter::default();
    let mut events = reporter.stream([]);
    let total = CAPACITY as u64 + 3;
    for n in 0..total {
        reporter.report(lagged(n, n));
    }
    assert!(matches!(events.next().await, Some(Event::Missed(3))));
    for n in 3..total {
        let event = events.next().await.unwrap();
        assert!(matches!(event, Event::Lagged { dropped, .. } if dropped == n));
    }
    assert!(futures::poll!(StreamExt::next(&mut events)).is_pending());
    reporter.report(Event::Closed {
        reason: CloseReason::Local,
    });
    assert!(matches!(events.next().await, Some(Event::Closed { .. })));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn losses_add_up_and_outlive_what_else_happens() {
    let reporter = EventReporter::default();
    let mut events = reporter.stream([]);
    for n in 0..2 * CAPACITY as u64 {
        reporter.report(lagged(n % 2, 1));
        reporter.report(Event::Missed(n));
    }
    let (mut sum, mut missed, mut others) = (0, 0, 0);
    while let Poll::Ready(Some(event)) = futures::poll!(StreamExt::next(&mut events)) {
        match event {
            Event::Lagged { dropped, .. } => sum += dropped,
            Event::Missed(n) if missed == 0 => missed = n,
            _ => others += 1,
        }
    }
    assert_eq!(sum, 2 * CAPACITY as u64);
    assert_eq!(others, CAPACITY - 2);
    assert_eq!(missed, 2 * CAPACITY as u64 - (CAPACITY as u64 - 2));
}

#[test]
fn streams_that_are_gone_are_forgotten() {
    let reporter = EventReporter::default();
    for _ in 0..10 {
        drop(reporter.stream([]));
    }
    assert_eq!(reporter.lock().len(), 1);
}
