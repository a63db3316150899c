//! Native clients and overlay nodes with simulated FISCO nodes that behave like FISCO nodes:
//! `amop_testkit::fisco`.

mod beside;
mod habits;
mod pool;
mod private;
mod several;
mod subscribing;

use amop::{Client, ClientBuilder, Event};
use amop_testkit::{
    PATIENCE, Sdk, agency,
    fisco::{FiscoChain, Habits},
    log, within,
};

/// Starts FISCO nodes that are connected to each other.
async fn chain(nodes: usize, habits: Habits) -> FiscoChain {
    log();
    FiscoChain::start(&agency(), nodes, habits).await
}

fn builder(chain: &FiscoChain, nodes: &[usize]) -> ClientBuilder {
    Client::builder()
        .endpoints(nodes.iter().map(|&node| chain.endpoint(node)))
        .identity(chain.sdk())
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
}

/// Connects a client to all of these nodes.
async fn connect(builder: ClientBuilder, nodes: usize) -> Client {
    let client = builder.connect().await.unwrap();
    let mut events = client.events();
    for _ in 0..nodes {
        let connected =
            async { while !matches!(events.next().await.unwrap(), Event::Connected { .. }) {} };
        within("a connection", connected).await;
    }
    client
}

async fn client(chain: &FiscoChain, nodes: &[usize]) -> Client {
    connect(builder(chain, nodes), nodes.len()).await
}

/// Connects another SDK.
async fn sdk(chain: &FiscoChain, node: usize) -> Sdk {
    let config = chain.sdk().client_config().unwrap();
    Sdk::connect(&chain.endpoint(node), config).await
}
