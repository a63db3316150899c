//! Subscribers that do not read, and subscribers that stop.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use amop::{Client, Event, OverflowPolicy};
use amop_testkit::{Graph, within};
use tokio::sync::watch;

use super::chain::{Number, connect, judge, next_event, publish_all, take_all};

/// Sends 100 numbers to a subscription that is not read and has room for 8.
async fn flood(overflow: OverflowPolicy) -> (Graph, [Client; 2], amop::Subscription<Number>) {
    let chain = Graph::full(1).await;
    let (publisher, slow) = (connect(&chain, &[0]).await, connect(&chain, &[0]).await);
    let numbers = slow
        .subscription::<Number>()
        .queue(8)
        .overflow(overflow)
        .subscribe()
        .await
        .unwrap();
    for number in 0..100 {
        let message = Number(number.to_string());
        message.publish_multicast(&publisher).await.unwrap();
    }
    (chain, [publisher, slow], numbers)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_loses_the_newest_or_the_oldest() {
    for (overflow, first) in [
        (OverflowPolicy::DropNewest, 0),
        (OverflowPolicy::DropOldest, 92),
    ] {
        let (chain, [publisher, slow], mut numbers) = flood(overflow).await;
        // What follows on the same connection arrives behind them.
        let mut marks = Number::subscribe_to(&slow, "mark").await.unwrap();
        let mark = Number("mark".to_owned());
        let (published, received) = tokio::join!(
            mark.publish_unicast_to(&publisher, "mark"),
            within("the mark", marks.next())
        );
        published.unwrap();
        assert_eq!(received, Some(mark));
        let stats = numbers.stats();
        assert_eq!((stats.dropped, stats.refused, stats.waiting), (92, 0, 8));
        for number in first..first + 8 {
            assert_eq!(numbers.next().await, Some(Number(number.to_string())));
        }
        chain.end([publisher, slow]).await;
    }
}

/// The sum of the events is the number of lost messages, although nothing follows the burst.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_is_told_of_every_loss() {
    let chain = Graph::full(1).await;
    let (publisher, slow) = (connect(&chain, &[0]).await, connect(&chain, &[0]).await);
    let numbers = slow.subscription::<Number>().queue(8).subscribe().await;
    let numbers = numbers.unwrap();
    let mut events = slow.events();
    for number in 0..1008 {
        let message = Number(number.to_string());
        message.publish_multicast(&publisher).await.unwrap();
    }
    let mut lost = 0;
    while lost < 1000 {
        let lagged = |event: &Event| matches!(event, Event::Lagged { .. });
        if let Event::Lagged { dropped, .. } = next_event(&mut events, lagged).await {
            lost += dropped;
        }
    }
    assert_eq!((lost, numbers.stats().dropped), (1000, 1000));
    chain.end([publisher, slow]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_that_blocks_loses_nothing_and_holds_up_nobody_else() {
    let (chain, [publisher, slow], mut numbers) = flood(OverflowPolicy::Block).await;
    within("the block", async {
        while numbers.stats().blocked == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let other = connect(&chain, &[0]).await;
    let mut elsewhere = Number::subscribe_to(&other, "elsewhere").await.unwrap();
    let message = Number("elsewhere".to_owned());
    let (published, received) = tokio::join!(
        message.publish_unicast_to(&publisher, "elsewhere"),
        within("a unicast", elsewhere.next())
    );
    published.unwrap();
    assert_eq!(received, Some(message));
    assert_eq!(numbers.stats().waiting, 8);
    for number in 0..100 {
        let received = within("a number", numbers.next()).await;
        assert_eq!(received, Some(Number(number.to_string())));
    }
    let stats = numbers.stats();
    assert_eq!((stats.received, stats.dropped, stats.refused), (100, 0, 0));
    chain.end([publisher, slow, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_drains_loses_nothing() {
    const NUMBERS: u32 = 2000;
    let chain = Graph::full(2).await;
    let publisher = connect(&chain, &[0]).await;
    let (leaving, staying) = (connect(&chain, &[0, 1]).await, connect(&chain, &[1]).await);
    let taken_by_leaving = Arc::new(AtomicUsize::new(0));
    let mut deliveries = Number::deliveries(&leaving).await.unwrap();
    let of_leaving = tokio::spawn({
        let count = Arc::clone(&taken_by_leaving);
        async move {
            let mut taken = Vec::new();
            while let Some(delivery) = deliveries.next().await {
                // The subscriber does some work while more messages arrive.
                tokio::task::yield_now().await;
                taken.push(delivery.unwrap().into_inner().0.parse::<u32>().unwrap());
                count.fetch_add(1, Ordering::SeqCst);
            }
            taken
        }
    });
    let of_staying = take_all(Number::subscribe(&staying).await.unwrap());
    let (done, mut progress) = watch::channel(0);
    let publishing = tokio::spawn({
        let publisher = publisher.clone();
        async move { publish_all(&publisher, NUMBERS, &done).await }
    });
    within("progress", progress.wait_for(|&done| done >= NUMBERS / 4))
        .await
        .unwrap();
    within("draining", leaving.drain()).await.unwrap();
    let before = taken_by_leaving.load(Ordering::SeqCst);
    assert!(before > 0);
    let of_leaving = within("the leaving subscriber", of_leaving).await.unwrap();
    let (acknowledged, errors) = within("the publisher", publishing).await.unwrap();
    assert_eq!(acknowledged.len(), NUMBERS as usize, "{:?}", errors.first());
    chain.end([publisher, staying]).await;
    let mut taken = within("the staying subscriber", of_staying).await.unwrap();
    for number in of_leaving {
        *taken.entry(number).or_default() += 1;
    }
    judge(&acknowledged, &taken);
    assert_eq!(taken.len(), NUMBERS as usize);
}
