//! Publishes a message to one random subscriber every two seconds: `unicast_publisher [endpoint] [topic]`.

use amop::Client;
use amop_examples::{Hello, PublisherOptions, timestamp};
use clap::Parser;
use tokio::time::interval;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = PublisherOptions::parse();
    let client = Client::connect(&options.endpoint).await?;

    let mut ticks = interval(options.interval);
    for n in 0..options.count {
        ticks.tick().await;
        let text = format!("hello, FISCO BCOS, I am unique broadcast publisher! {n}");
        println!("{} publish message: {text}", timestamp());
        if let Err(error) = Hello(text)
            .publish_unicast_to(&client, &options.topic)
            .await
        {
            eprintln!("{} not delivered: {error}", timestamp());
        }
    }
    client.close().await;
    Ok(())
}
