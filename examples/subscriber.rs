//! Prints every message of a topic: `subscriber [endpoint] [topic]`.

use amop::Client;
use amop_examples::{Hello, SubscriberOptions, timestamp};
use clap::Parser;
use futures::StreamExt;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = SubscriberOptions::parse();
    let client = Client::connect(&options.endpoint).await?;
    let subscription = Hello::subscribe_to(&client, &options.topic).await?;
    println!("Subscriber success");

    let mut messages = subscription.take(options.count);
    while let Some(Hello(text)) = messages.next().await {
        println!("{} received: {text}", timestamp());
    }
    client.close().await;
    Ok(())
}
