//! The certificates that an unknown client sends to a port of a node.
//!
//! The first byte chooses the port, the rest is the list in the format of TLS 1.2: for each
//! certificate its length in three bytes and its DER. It is accepted only if an authority of the
//! chain signed the first certificate.
#![no_main]
#![forbid(unsafe_code)]

use std::sync::{Arc, LazyLock};

use amop_fuzz::{assert_error_in_one_line, issued, node, signed_part};
use amop_tls::{
    HandshakeFailure, Mode, ServerOptions, Side, peer_info, peer_public_key,
    rustls::{ClientConnection, ServerConfig, ServerConnection, pki_types::CertificateDer},
};
use libfuzzer_sys::fuzz_target;

/// rustls does not accept longer handshake messages.
const MAX_LIST: usize = 0xf000;

/// The port for nodes; the others are for SDKs, with and without a check of the agency.
const PEERS: usize = 2;

struct Ports {
    configs: [Arc<ServerConfig>; 3],
    /// The first message of a client.
    hello: Vec<u8>,
}

static PORTS: LazyLock<Ports> = LazyLock::new(|| {
    let node = node();
    let channel = |check| {
        let options = ServerOptions::default().check_cert_issuer(check);
        node.server_config(options).unwrap()
    };
    let peers = node.peer_server_config(None).unwrap();
    let client = node.client_config().unwrap();
    let mut client = ClientConnection::new(client, amop_tls::Identity::server_name()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    Ports {
        configs: [channel(true), channel(false), peers],
        hello,
    }
});

fuzz_target!(|data: &[u8]| {
    let Some((&port, list)) = data.split_first() else {
        return;
    };
    if list.len() > MAX_LIST {
        return;
    }
    let port = usize::from(port) % PORTS.configs.len();
    let config = &PORTS.configs[port];
    let mut server = ServerConnection::new(config.clone()).unwrap();
    feed(&mut server, &PORTS.hello).expect("the ClientHello is good");
    let accepted = feed(&mut server, &certificate_message(list));

    let chain = chain(list);
    if let Err(error) = &accepted {
        let failure = HandshakeFailure::from_rustls(error, Side::Server, Mode::Ec);
        assert_error_in_one_line(&failure);
    } else {
        let signed = signed_part(&chain[0]).expect("it was accepted");
        assert!(
            issued().iter().any(|known| known == signed),
            "no authority of the chain issued it"
        );
    }
    if let Err(error) = peer_public_key(&chain) {
        assert_error_in_one_line(&error);
    }
    // A peer that is accepted as a node has an ID.
    if port == PEERS && accepted.is_ok() {
        assert!(peer_info(&chain).is_ok_and(|info| info.public_key.is_some()));
    }
});

fn feed(server: &mut ServerConnection, mut bytes: &[u8]) -> Result<(), amop_tls::rustls::Error> {
    while !bytes.is_empty() {
        server.read_tls(&mut bytes).expect("there is room");
        server.process_new_packets()?;
    }
    Ok(())
}

/// Returns a Certificate message in records.
fn certificate_message(list: &[u8]) -> Vec<u8> {
    let mut message = vec![11];
    message.extend_from_slice(&(list.len() as u32 + 3).to_be_bytes()[1..]);
    message.extend_from_slice(&(list.len() as u32).to_be_bytes()[1..]);
    message.extend_from_slice(list);
    let mut records = Vec::new();
    for part in message.chunks(16 * 1024) {
        records.extend_from_slice(&[22, 3, 3]);
        records.extend_from_slice(&(part.len() as u16).to_be_bytes());
        records.extend_from_slice(part);
    }
    records
}

fn chain(mut list: &[u8]) -> Vec<CertificateDer<'_>> {
    let mut chain = Vec::new();
    while let [a, b, c, rest @ ..] = list {
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((der, after)) = rest.split_at_checked(len) else {
            break;
        };
        chain.push(CertificateDer::from(der));
        list = after;
    }
    chain
}
