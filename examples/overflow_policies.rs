//! What happens when a program reads its messages too slowly: the three policies for a full queue.
//!
//! ```sh
//! cargo run --example overflow_policies
//! ```

use amop::{Event, Events, OverflowPolicy, Subscription};
use amop_examples::Nodes;
use anyhow::Context;

const MESSAGES: u64 = 10;
const QUEUE: u64 = 3;

#[amop::topic("measurement")]
struct Measurement {
    number: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    let publisher = nodes.client(0).connect().await?;
    for policy in [
        OverflowPolicy::DropNewest,
        OverflowPolicy::DropOldest,
        OverflowPolicy::Block,
    ] {
        let subscriber = nodes.client(1).connect().await?;
        let mut measurements = subscriber
            .subscription::<Measurement>()
            .queue(QUEUE as usize)
            .overflow(policy)
            .subscribe()
            .await?;
        // From here on: an event that nobody waits for is not kept.
        let mut events = subscriber.events();
        for number in 0..MESSAGES {
            let measurement = Measurement { number };
            measurement.publish_multicast(&publisher).await?;
        }
        let lost = match policy {
            // The client reads no more from the connection: the node and the network keep the messages.
            OverflowPolicy::Block => 0,
            _ => lost(&mut events).await?,
        };
        let numbers = read(&mut measurements, MESSAGES - lost).await?;
        println!("{policy:?}: read {numbers:?}, lost {lost}");
        subscriber.close().await;
    }
    publisher.close().await;
    nodes.shutdown().await;
    Ok(())
}

async fn read(
    measurements: &mut Subscription<Measurement>,
    count: u64,
) -> anyhow::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let next = measurements.next().await;
        numbers.push(next.context("the client is closed")?.number);
    }
    Ok(numbers)
}

/// Waits until the client has reported all messages for which the queue has no room.
async fn lost(events: &mut Events) -> anyhow::Result<u64> {
    let mut lost = 0;
    while lost < MESSAGES - QUEUE {
        let event = events.next().await.context("the client is closed")?;
        if let Event::Lagged { dropped, .. } = event {
            lost += dropped;
        }
    }
    Ok(lost)
}
