//! What a client counts: messages by their end, connections, and what each subscription did.
//!
//! ```sh
//! cargo run --example statistics
//! ```

use amop_examples::Nodes;

#[amop::topic("reading")]
struct Reading {
    celsius: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    let publisher = nodes.client(0).connect().await?;
    let subscriber = nodes.client(1).connect().await?;

    let mut readings = Reading::subscribe(&subscriber).await?;
    let reading = Reading { celsius: 21.5 };
    for _ in 0..3 {
        reading.publish_multicast(&publisher).await?;
    }
    for _ in 0..3 {
        readings.next().await;
    }
    // Nobody subscribes to this topic.
    let _ = reading.publish_unicast_to(&publisher, "elsewhere").await;

    let stats = publisher.stats();
    println!(
        "published {} multicasts and {} unicasts: {} confirmed, {} answered, {} without a subscriber",
        stats.multicasts, stats.unicasts, stats.confirmed, stats.answered, stats.no_subscriber,
    );
    println!(
        "{} connection, {} lost",
        stats.connected, stats.connections_lost
    );
    let stats = readings.stats();
    println!(
        "{} received, {} of them not read yet",
        stats.received, stats.waiting
    );

    publisher.close().await;
    subscriber.close().await;
    nodes.shutdown().await;
    Ok(())
}
