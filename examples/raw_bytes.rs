//! Bytes instead of types: the topic is chosen at run time, and the payload is up to the program.
//!
//! ```sh
//! cargo run --example raw_bytes
//! ```

use amop::TopicName;
use amop_examples::Nodes;
use anyhow::Context;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    let publisher = nodes.client(0).connect().await?;
    let subscriber = nodes.client(1).connect().await?;

    let topic = TopicName::new(&format!("sensor/{}", 7))?;
    let mut messages = subscriber.subscribe_raw(&topic).await?;

    publisher
        .publish_multicast_raw(&topic, vec![0xca, 0xfe].into())
        .await?;
    let message = messages.next().await.context("the client is closed")?;
    println!(
        "{:?} on {}: {:02x?}",
        message.kind(),
        message.topic(),
        &message[..]
    );

    // A unicast has an answer, which is bytes, too.
    let answering = tokio::spawn(async move {
        let message = messages.next().await.context("the client is closed")?;
        let reversed: Vec<u8> = message.iter().rev().copied().collect();
        message.reply_bytes(reversed)?;
        anyhow::Ok(())
    });
    let reply = publisher
        .publish_unicast_raw(&topic, vec![1, 2, 3].into())
        .await?;
    println!("the answer: {:02x?}", &reply.payload[..]);
    answering.await??;

    publisher.close().await;
    subscriber.close().await;
    nodes.shutdown().await;
    Ok(())
}
