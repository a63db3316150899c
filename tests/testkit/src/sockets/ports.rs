//! Ports for programs whose ports must be configured.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process,
    sync::Mutex,
};

use amop_node::layout::DevnetSpec;

/// The P2P ports of a network start this far above its channel ports.
pub const P2P_OFFSET: u16 = 10_100;

/// The JSON-RPC ports of a network start this far below its channel ports.
pub const RPC_OFFSET: u16 = 11_655;

/// The range is below the ports that operating systems assign by themselves, P2P ports included.
const RANGE: std::ops::Range<u16> = 20_300..22_600;

/// Returns the first of `count` free channel ports in a row. The P2P and JSON-RPC ports that `amop
/// devnet up` puts 10100 above and 11655 below them are free, too.
///
/// # Panics
///
/// If there are none.
pub fn free_ports(count: u16) -> u16 {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let mut next = NEXT.lock().unwrap();
    let len = RANGE.end - RANGE.start;
    // Test programs that run in parallel start at different places.
    let scattered = (process::id().wrapping_mul(97) % u32::from(len)) as u16;
    let mut at = next.unwrap_or(scattered);
    for _ in 0..len {
        let base = RANGE.start + at % len;
        let candidates = base..base + count;
        if candidates
            .flat_map(|port| [port, port + P2P_OFFSET, port - RPC_OFFSET])
            .all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        {
            // A port is not returned twice, even if the first caller has not bound it yet.
            *next = Some((at + count) % len);
            return base;
        }
        at = (at + 1) % len;
    }
    panic!("no {count} free ports in a row in {RANGE:?}");
}

/// Returns the description of a devnet in a folder, with free ports.
///
/// # Panics
///
/// If there are no free ports.
pub fn devnet(folder: &Path, nodes: u16) -> DevnetSpec {
    let mut spec = DevnetSpec::new(folder, nodes);
    spec.base_channel_port = free_ports(nodes);
    spec.base_p2p_port = spec.base_channel_port + P2P_OFFSET;
    spec.base_rpc_port = spec.base_channel_port - RPC_OFFSET;
    spec
}
