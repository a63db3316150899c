//! Many multicasts: a `Publisher` does not wait for each message, and `flush` says whether the node has all of them.
//!
//! ```sh
//! cargo run --release --example publisher
//! ```

use std::time::Instant;

use amop_examples::Nodes;
use anyhow::Context;

const TICKS: usize = 10_000;

#[amop::topic("tick")]
struct Tick {
    number: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    let client = nodes.client(0).connect().await?;
    let subscriber = nodes.client(1).connect().await?;
    // Room for all of them: at first, they arrive faster than they are read.
    let mut ticks = subscriber
        .subscription::<Tick>()
        .queue(TICKS)
        .subscribe()
        .await?;

    let start = Instant::now();
    let mut publisher = client.publisher::<Tick>()?;
    for number in 0..TICKS {
        // This waits only while the client's buffer is full.
        publisher.publish(&Tick { number }).await?;
    }
    publisher.flush().await?;
    println!("the node has {TICKS} ticks after {:?}", start.elapsed());

    for expected in 0..TICKS {
        let tick = ticks.next().await.context("the client is closed")?;
        anyhow::ensure!(tick.number == expected, "{} is not in order", tick.number);
    }
    println!("received {TICKS} ticks in order");

    client.close().await;
    subscriber.close().await;
    nodes.shutdown().await;
    Ok(())
}
