//! The first program: a struct is a topic, one client subscribes to it, another one publishes.
//!
//! ```sh
//! cargo run --example typed_hello
//! ```

use amop_examples::Nodes;

#[amop::topic("greeting")]
#[derive(Debug)]
struct Greeting {
    from: String,
    text: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    let publisher = nodes.client(0).connect().await?;
    let subscriber = nodes.client(1).connect().await?;

    let mut greetings = Greeting::subscribe(&subscriber).await?;
    let greeting = Greeting {
        from: "Basel".to_owned(),
        text: "good morning".to_owned(),
    };

    // To every subscriber. This returns when a node has the message.
    greeting.publish_multicast(&publisher).await?;
    println!("all of them: {:?}", greetings.next().await);

    // To one subscriber. This returns when the subscriber has taken the message.
    let (published, received) =
        tokio::join!(greeting.publish_unicast(&publisher), greetings.next());
    published?;
    println!("one of them: {received:?}");

    publisher.close().await;
    subscriber.close().await;
    nodes.shutdown().await;
    Ok(())
}
