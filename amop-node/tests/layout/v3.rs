//! The layout of 3.x chains.

use std::{fs, path::Path};

use amop_node::{
    NodeBuilder,
    config::ChainV3Config,
    layout::{DevnetSpec, DevnetV3Spec, LayoutError, write_devnet, write_devnet_v3},
};
use amop_testkit::{free_ports, log, v3::V3Sdk, within};
use amop_tls::{CertFiles, Identity};
use tempfile::TempDir;

fn peers(config: &Path) -> Vec<String> {
    let (config, warnings) = ChainV3Config::from_ini_file(config).unwrap();
    assert_eq!(warnings, []);
    config.peers.iter().map(ToString::to_string).collect()
}

#[test]
fn a_layout_has_the_files_of_the_chains_script_and_grows() {
    let dir = TempDir::new().unwrap();
    let first = write_devnet_v3(&DevnetV3Spec::new(dir.path(), 1)).unwrap();
    let root = dir.path().join("127.0.0.1");
    assert_eq!(first.root, root);
    for file in [
        "127.0.0.1/node0/config.ini",
        "127.0.0.1/node0/nodes.json",
        "127.0.0.1/node0/conf/ca.crt",
        "127.0.0.1/node0/conf/ssl.crt",
        "127.0.0.1/node0/conf/ssl.key",
        "127.0.0.1/sdk/ca.crt",
        "127.0.0.1/sdk/sdk.crt",
        "127.0.0.1/sdk/sdk.key",
        "ca/ca.crt",
        "ca/ca.key",
    ] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
    assert_eq!(peers(&first.nodes[0].config), ["127.0.0.1:30300"]);
    let files = ["node0/conf/ssl.key", "sdk/sdk.key", "node0/config.ini"];
    let read = || files.map(|file| fs::read(root.join(file)).unwrap());
    let before = read();
    // Again: nothing changes. With another node: the first one gets to know it.
    let again = write_devnet_v3(&DevnetV3Spec::new(dir.path(), 1)).unwrap();
    assert!(!again.nodes[0].created);
    let second = write_devnet_v3(&DevnetV3Spec::new(dir.path(), 2)).unwrap();
    assert_eq!(read(), before);
    assert_eq!(
        second
            .nodes
            .iter()
            .map(|node| node.created)
            .collect::<Vec<_>>(),
        [false, true]
    );
    for node in &second.nodes {
        assert_eq!(peers(&node.config), ["127.0.0.1:30300", "127.0.0.1:30301"]);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = fs::metadata(root.join("node1/conf/ssl.key")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn what_is_impossible_is_refused() {
    let dir = TempDir::new().unwrap();
    let none = write_devnet_v3(&DevnetV3Spec::new(dir.path(), 0)).unwrap_err();
    assert!(matches!(none, LayoutError::Nodes { .. }), "{none}");
    let mut spec = DevnetV3Spec::new(dir.path(), 2);
    spec.base_p2p_port = spec.base_sdk_port + 1;
    let ports = write_devnet_v3(&spec).unwrap_err();
    assert!(matches!(ports, LayoutError::V3Ports { .. }), "{ports}");
    // The folders of the two generations are not mixed up.
    write_devnet(&DevnetSpec::new(dir.path(), 1)).unwrap();
    let other = write_devnet_v3(&DevnetV3Spec::new(dir.path(), 1)).unwrap_err();
    assert!(
        matches!(other, LayoutError::OtherChain { wanted: "3.x", .. }),
        "{other}"
    );
    let dir = TempDir::new().unwrap();
    write_devnet_v3(&DevnetV3Spec::new(dir.path(), 1)).unwrap();
    let other = write_devnet(&DevnetSpec::new(dir.path(), 1)).unwrap_err();
    assert!(
        matches!(other, LayoutError::OtherChain { wanted: "2.x", .. }),
        "{other}"
    );
    // Nothing can be added without the authority.
    fs::remove_file(dir.path().join("ca/ca.key")).unwrap();
    let authority = write_devnet_v3(&DevnetV3Spec::new(dir.path(), 2)).unwrap_err();
    assert!(
        matches!(authority, LayoutError::AuthorityMissing { .. }),
        "{authority}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_layout_serves_the_sdk_of_the_layout() {
    log();
    let dir = TempDir::new().unwrap();
    let ports = free_ports(1);
    let mut spec = DevnetV3Spec::new(dir.path(), 1);
    (spec.base_sdk_port, spec.base_p2p_port) = (ports, ports + amop_testkit::P2P_OFFSET);
    let layout = write_devnet_v3(&spec).unwrap();
    let node = NodeBuilder::from_config_file(&layout.nodes[0].config).unwrap();
    let node = node.start().await.unwrap();
    assert_eq!(node.v3_address(), Some(layout.nodes[0].sdk_listen));
    let files = CertFiles::new(&layout.sdk.cert, &layout.sdk.key, &layout.sdk.ca);
    let sdk = Identity::load(&files).unwrap();
    let endpoint = layout.nodes[0].sdk_listen.to_string();
    let mut sdk = within("3.x", V3Sdk::connect(&endpoint, &sdk)).await;
    within("the subscription", sdk.subscribe(&["topic"])).await;
    node.shutdown().await;
}
