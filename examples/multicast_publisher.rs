//! Publishes a message to every subscriber every two seconds: `multicast_publisher [endpoint] [topic]`.

use std::io::{self, Write};

use amop::{Client, with_causes};
use clap::Parser;
use tokio::time::interval;

use amop_examples::{Hello, PublisherOptions, timestamp};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = PublisherOptions::parse();
    let client = Client::connect(&options.endpoint).await?;

    let mut ticks = interval(options.interval);
    for n in 0..options.count {
        ticks.tick().await;
        let message = Hello(format!(
            "hello, FISCO BCOS, I am multi broadcast publisher! {n}"
        ));
        writeln!(
            io::stdout(),
            "{} publish message: {}",
            timestamp(),
            message.0
        )?;
        let sent = message.publish_multicast_to(&client, &options.topic).await;
        if let Err(error) = sent {
            let error = with_causes(&error);
            writeln!(io::stderr(), "{} not delivered: {error}", timestamp())?;
        }
    }
    client.close().await;
    Ok(())
}
