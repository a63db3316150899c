//! Requests with typed replies: `serve` answers them, several at a time.
//!
//! ```sh
//! cargo run --example request_reply
//! ```

use amop_examples::Nodes;

#[amop::topic("quote", codec = "json", reply = u64)]
struct Quote {
    symbol: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    let trader = nodes.client(0).connect().await?;
    let broker = nodes.client(1).connect().await?;

    // At most four requests at a time; more wait in the subscription's queue.
    let server = Quote::serve(&broker, 4, async |quote| cents(&quote.symbol)).await?;
    let serving = tokio::spawn(server.run());

    for symbol in ["FISCO", "BCOS"] {
        let quote = Quote {
            symbol: symbol.to_owned(),
        };
        let cents = quote.request(&trader).await?;
        println!("{symbol} costs {cents} cents");
    }

    // A server ends when its client is drained: the requests that it has are answered first.
    broker.drain().await?;
    println!("{} requests were answered", serving.await?.replied);

    trader.close().await;
    nodes.shutdown().await;
    Ok(())
}

fn cents(symbol: &str) -> u64 {
    if symbol == "FISCO" { 4200 } else { 100 }
}
