//! Clients of several nodes, which count the messages they get.

use std::collections::BTreeMap;

use amop::{Client, Event, Events, PublishError, PublishErrorKind};
use amop_testkit::{Graph, within};
use futures::StreamExt;
use tokio::{sync::watch, task::JoinHandle};

#[amop::topic("number")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number(pub(crate) String);

/// Connects a client to all of these nodes.
pub(crate) async fn connect(chain: &Graph, endpoints: &[usize]) -> Client {
    let client = chain.builder(endpoints).connect().await.unwrap();
    let mut events = client.events();
    for _ in endpoints {
        next_event(&mut events, |event| {
            matches!(event, Event::Connected { .. })
        })
        .await;
    }
    client
}

/// Returns the next event of a kind; others are skipped.
pub(crate) async fn next_event(events: &mut Events, is_it: impl Fn(&Event) -> bool) -> Event {
    within("an event", async {
        loop {
            let event = events.next().await.expect("the client is closed");
            if is_it(&event) {
                return event;
            }
        }
    })
    .await
}

/// How often each number was received from a subscription.
pub(crate) type Taken = JoinHandle<BTreeMap<u32, u32>>;

pub(crate) fn take_all(mut numbers: amop::Subscription<Number>) -> Taken {
    tokio::spawn(async move {
        let mut taken = BTreeMap::new();
        while let Some(Number(number)) = numbers.next().await {
            *taken.entry(number.parse().unwrap()).or_default() += 1;
        }
        taken
    })
}

/// Publishes numbers as unicasts, several at a time. Returns those that were acknowledged and the
/// errors of the others; `done` counts both.
pub(crate) async fn publish_all(
    publisher: &Client,
    count: u32,
    done: &watch::Sender<u32>,
) -> (Vec<u32>, Vec<PublishError>) {
    let publishing = futures::stream::iter(0..count).map(|number| async move {
        let result = Number(number.to_string()).publish_unicast(publisher).await;
        done.send_modify(|done| *done += 1);
        result.map(|()| number)
    });
    let results: Vec<_> = publishing.buffer_unordered(32).collect().await;
    let mut errors = Vec::new();
    let acknowledged = results.into_iter().filter_map(|result| match result {
        Ok(number) => Some(number),
        Err(error) => {
            errors.push(error);
            None
        }
    });
    (acknowledged.collect(), errors)
}

/// Returns whether a node reported that no subscriber took the message.
pub(crate) fn is_verdict(error: &PublishError) -> bool {
    matches!(
        error.kind(),
        PublishErrorKind::NoSubscriber { .. } | PublishErrorKind::Unanswered
    )
}

/// Checks that nothing acknowledged is lost and that nothing was received twice.
pub(crate) fn judge(acknowledged: &[u32], taken: &BTreeMap<u32, u32>) {
    let twice: Vec<_> = taken.iter().filter(|&(_, &times)| times > 1).collect();
    assert!(twice.is_empty(), "taken twice: {twice:?}");
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|number| !taken.contains_key(number))
        .collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}
