//! Several workers share the requests of a topic: nodes give each request to one of them.
//!
//! ```sh
//! cargo run --example worker_pool
//! ```

use amop_examples::Nodes;
use futures::future::try_join_all;

const WORKERS: usize = 3;
const JOBS: u64 = 60;

#[amop::topic("square", reply = u64)]
struct Square {
    number: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        // In production, each worker is a process with a client of its own.
        let client = nodes.client(1).connect().await?;
        let server = Square::serve(&client, 1, async |square| square.number.pow(2)).await?;
        workers.push((client, tokio::spawn(server.run())));
    }

    let client = nodes.client(0).connect().await?;
    let jobs = (0..JOBS).map(|number| {
        let client = &client;
        async move { Square { number }.request(client).await }
    });
    let squares = try_join_all(jobs).await?;
    println!("the sum is {}", squares.iter().sum::<u64>());

    for (worker, serving) in workers {
        worker.drain().await?;
        println!("a worker did {} jobs", serving.await?.replied);
    }
    client.close().await;
    nodes.shutdown().await;
    Ok(())
}
