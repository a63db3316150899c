//! Attacks without a certificate of the chain.

use std::{io, time::Duration};

use amop_tls::{
    Identity,
    pki::{Agency, Authority, Leaf},
    rustls::ClientConnection,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Attack, Link};
use crate::identity_of;

/// The beginning of a ClientHello of 512 bytes.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// Starts `count` connections that never finish TLS: half send nothing, half send a beginning. A
/// connection that is closed is opened again. Counts the connections.
pub fn half_open(address: &str, count: usize) -> Attack {
    let mut attack = Attack::new();
    for n in 0..count {
        let address = address.to_owned();
        attack.persist(move |tally| {
            let address = address.clone();
            async move {
                let mut tcp = TcpStream::connect(address).await?;
                if n % 2 == 0 {
                    tcp.write_all(HALF_A_HELLO).await?;
                }
                tally.done();
                // Until the node ends it.
                tcp.read_to_end(&mut Vec::new()).await?;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        });
    }
    attack
}

/// Starts clients that send a complete ClientHello, make the node answer with its keys, and connect
/// again. Counts the answers.
pub fn hellos(address: &str, stranger: &Identity, count: usize) -> Attack {
    let mut attack = Attack::new();
    for _ in 0..count {
        let (address, stranger) = (address.to_owned(), stranger.clone());
        attack.persist(move |tally| {
            let (address, stranger) = (address.clone(), stranger.clone());
            async move {
                let config = stranger.client_config().map_err(io::Error::other)?;
                let mut client = ClientConnection::new(config, Identity::server_name())
                    .map_err(io::Error::other)?;
                let mut hello = Vec::new();
                client.write_tls(&mut hello)?;
                let mut tcp = TcpStream::connect(address).await?;
                tcp.set_zero_linger()?;
                tcp.write_all(&hello).await?;
                let answer = timeout(Duration::from_secs(5), tcp.read(&mut [0; 4096])).await;
                if answer.map_err(io::Error::other)?? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                tally.done();
                Ok(())
            }
        });
    }
    attack
}

/// Starts clients that send a chain as long as allowed, under another root whose names are those of
/// the node's root. Counts the chains that the node has refused, each of which it had to check.
pub fn long_chains(address: &str, chain: &Identity, count: usize) -> Attack {
    let mut attack = Attack::new();
    for _ in 0..count {
        let (address, chain) = (address.to_owned(), chain.clone());
        attack.persist(move |tally| {
            let (address, chain) = (address.clone(), chain.clone());
            async move {
                match Link::session(&address, &chain).await {
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        tally.done();
                        Ok(())
                    }
                    Err(error) => Err(error),
                    Ok(_) => panic!("a stranger was let in"),
                }
            }
        });
    }
    attack
}

/// Returns certificates of another chain with the names of this one: a leaf and nine agencies with
/// the same name, each of which may have issued it. Trusts `root`, the root of the network, so that
/// a handshake gets as far as the node's check.
///
/// # Panics
///
/// If the certificates cannot be made.
pub fn stranger(root: &str) -> Identity {
    let other = Authority::new_ec("chain").unwrap();
    let agencies: Vec<Agency> = (0..9).map(|_| other.agency("agency").unwrap()).collect();
    let issued = agencies[8].issue(Leaf::Sdk, "sdk").unwrap();
    let (leaf, _) = issued
        .cert_pem
        .split_once("-----END CERTIFICATE-----\n")
        .unwrap();
    let mut chain = format!("{leaf}-----END CERTIFICATE-----\n");
    for agency in &agencies {
        chain += agency.cert_pem();
    }
    identity_of(&chain, &issued.key_pem, root)
}
