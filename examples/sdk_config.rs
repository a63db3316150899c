//! The configuration file of another SDK: nodes, certificates and private topics from a `config.toml` of java-sdk or
//! go-sdk, without changes.
//!
//! ```sh
//! cargo run --example sdk_config -- conf/config.toml
//! ```
//!
//! Without an argument, it writes such a file for a network in this process, and reads it.

use std::{env, fs, path::Path};

use amop::Client;
use amop_node::Network;
use amop_tls::pki::Leaf;
use anyhow::Context;

#[amop::topic("hello")]
struct Hello(String);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if let Some(file) = env::args().nth(1) {
        return greet(Path::new(&file)).await;
    }
    let network = Network::start(2).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("config.toml");
    write_config(&network, &file)?;
    greet(&file).await?;
    network.shutdown().await;
    Ok(())
}

async fn greet(file: &Path) -> anyhow::Result<()> {
    let client = Client::from_config(file).await?;
    println!("{} endpoints", client.endpoints().count());

    let mut messages = Hello::subscribe(&client).await?;
    Hello("from Rust".to_owned())
        .publish_multicast(&client)
        .await?;
    let Hello(text) = messages.next().await.context("the client is closed")?;
    println!("received {text:?}");
    client.close().await;
    Ok(())
}

/// Writes what java-sdk needs to connect to a network: its certificates and the file.
fn write_config(network: &Network, file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().context("a file has a folder")?;
    let sdk = network.agency().issue(Leaf::Sdk, "sdk")?;
    fs::write(folder.join("ca.crt"), network.agency().root_pem())?;
    fs::write(folder.join("sdk.crt"), sdk.cert_pem)?;
    fs::write(folder.join("sdk.key"), sdk.key_pem)?;
    let config = format!(
        "[cryptoMaterial]\ncertPath = {folder:?}\n\n[network]\npeers = [{:?}, {:?}]\n",
        network.endpoint(0),
        network.endpoint(1),
    );
    fs::write(file, config)?;
    Ok(())
}
