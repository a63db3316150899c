//! Prints every message of a topic: `subscriber [endpoint] [topic]`.

use std::io::{self, Write};

use amop::Client;
use clap::Parser;
use futures::StreamExt;

use amop_examples::{Hello, SubscriberOptions, timestamp};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = SubscriberOptions::parse();
    let client = Client::connect(&options.endpoint).await?;
    let subscription = Hello::subscribe_to(&client, &options.topic).await?;
    writeln!(io::stdout(), "Subscriber success")?;

    let mut messages = subscription.take(options.count);
    while let Some(message) = messages.next().await {
        writeln!(io::stdout(), "{} received: {}", timestamp(), message.0)?;
    }
    client.close().await;
    Ok(())
}
