//! Messages in protobuf's format, from a `.proto` file that teams with other languages share.
//!
//! ```sh
//! cargo run --example protobuf
//! ```
//!
//! The build script, `build.rs`, compiles `proto/market.proto`; nothing needs to be installed for it.

use amop_examples::Nodes;
use anyhow::Context;

/// What the build script made of the file.
pub mod market {
    include!(concat!(env!("OUT_DIR"), "/market.rs"));
}

use market::{PriceReply, PriceRequest};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    let trader = nodes.client(0).connect().await?;
    let broker = nodes.client(1).connect().await?;

    let mut requests = PriceRequest::deliveries(&broker).await?;
    let answering = tokio::spawn(async move {
        let request = requests.next().await.context("the client is closed")??;
        println!("asked for {}", request.bond);
        request.reply(PriceReply { cents: 10_150 })?;
        anyhow::Ok(())
    });

    let request = PriceRequest {
        bond: "BOND-7".to_owned(),
    };
    let reply = request.request(&trader).await?;
    println!("{} costs {} cents", request.bond, reply.cents);
    answering.await??;

    trader.close().await;
    broker.close().await;
    nodes.shutdown().await;
    Ok(())
}
