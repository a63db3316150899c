use amop_node::{
    config::NodeConfig,
    layout::{DevnetSpec, write_devnet},
};

use super::*;

#[test]
fn a_configuration_gets_ports_and_peers() {
    let dir = tempfile::tempdir().unwrap();
    let layout = write_devnet(&DevnetSpec::new(dir.path(), 3)).unwrap();
    let file = &layout.nodes[1].config;
    let template = fs::read_to_string(file).unwrap();
    let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    fs::write(file, configure(&template, at(1), at(2), &[at(3), at(4)])).unwrap();
    let (config, warnings) = NodeConfig::from_ini_file(file).unwrap();
    assert_eq!(warnings, []);
    assert_eq!((config.channel_listen, config.p2p_listen), (at(1), at(2)));
    let peers: Vec<String> = config.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["127.0.0.1:3", "127.0.0.1:4"]);
}
