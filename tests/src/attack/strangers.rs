//! What can be done without a certificate of the chain.

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

/// So many connections that begin and never finish TLS: half say nothing, half begin. Who is sent away
/// comes again. Counts the connections.
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

/// Clients that send a whole ClientHello, make the node answer with its keys, and come again. Counts the
/// answers.
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

/// Clients with a chain as long as they may send, of another root whose names are those of the node's.
/// Counts the chains the node has refused, each of which it had to look at.
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

/// Certificates of another chain whose names are those of this one: a leaf and nine agencies called
/// alike, each of which may have issued it. Trusts `root`, the one of the network, so that a handshake
/// comes as far as the node's judgement.
///
/// # Panics
///
/// If they cannot be made.
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
