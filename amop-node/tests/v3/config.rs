//! The files of 3.x chains.

use std::{fs, path::Path};

use amop_node::{
    NodeBuilder,
    config::{CertPaths, ChainV3Config, ConfigError, NodeConfig, WarningKind},
};
use amop_proto::log::with_causes;
use amop_testkit::{agency, log, v3::V3Sdk, within};
use amop_tls::{Identity, pki::ChainV3Authority, pki::Leaf};
use tempfile::TempDir;

/// The file that the chain's script makes, without the sections about consensus and storage.
const SCRIPT: &str = "\
[p2p]
    listen_ip=0.0.0.0
    listen_port=30300
    ; ssl or sm ssl
    sm_ssl=false
    nodes_path=./
    nodes_file=nodes.json
    ; enable rip protocol, default: true
    ; enable_rip_protocol=false

[certificate_blacklist]
    ; crl.0 should be nodeid, nodeid's length is 512
    ;crl.0=

[certificate_whitelist]
    ; cal.0 should be nodeid, nodeid's length is 512
    ;cal.0=

[rpc]
    listen_ip=0.0.0.0
    listen_port=20200
    thread_count=4
    ; ssl or sm ssl
    sm_ssl=false
    ; ssl connection switch, if disable the ssl connection, default: false
    ;disable_ssl=true

[cert]
    ; directory the certificates located in
    ca_path=./conf
    ; the ca certificate file
    ca_cert=ca.crt
    ; the node private key file
    node_key=ssl.key
    ; the node certificate file
    node_cert=ssl.crt

[security]
    private_key_path=conf/node.pem

[consensus]
    ; min block generation time(ms)
    min_seal_time=500

[log]
    enable=true
";

/// Reads a text whose only flaw is that there is no `nodes.json`.
fn read(text: &str) -> ChainV3Config {
    let (config, warnings) = ChainV3Config::from_ini_str(text, "n/config.ini").unwrap();
    let kinds: Vec<_> = warnings.into_iter().map(|warning| warning.kind).collect();
    assert_eq!(kinds, [WarningKind::NoNodesFile("n/nodes.json".into())]);
    config
}

fn error(text: &str) -> ConfigError {
    ChainV3Config::from_ini_str(text, "n/config.ini").unwrap_err()
}

#[test]
fn a_file_of_the_chains_script() {
    assert!(ChainV3Config::is_v3(SCRIPT));
    let config = read(SCRIPT);
    assert_eq!(config.sdk_listen.to_string(), "0.0.0.0:20200");
    assert_eq!(config.p2p_listen.to_string(), "0.0.0.0:30300");
    assert!(!config.plain);
    let conf = Path::new("n/./conf");
    let [key, cert, ca] = ["ssl.key", "ssl.crt", "ca.crt"].map(|name| conf.join(name));
    assert_eq!(config.certs, CertPaths::new(key, cert, ca));
    assert_eq!((config.blacklist, config.whitelist), (vec![], None));
    assert_eq!((config.peers, config.groups), (vec![], vec![]));
}

#[test]
fn the_files_of_2x_chains_are_not_taken_for_it() {
    for file in ["ec_node0.ini", "rsa_node1.ini"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config");
        let text = fs::read_to_string(path.join(file)).unwrap();
        assert!(!ChainV3Config::is_v3(&text), "{file}");
    }
    assert!(!ChainV3Config::is_v3(""));
    assert!(!ChainV3Config::is_v3("not a config.ini"));
}

#[test]
fn values_are_read() {
    let text = "[rpc]\nlisten_ip=127.0.0.1\nlisten_port=1\ndisable_ssl=true\n[cert]\nca_path=c\n\
        node_key=k\n[certificate_blacklist]\ncrl.0=ab12\n[certificate_whitelist]\ncal.0=CD\n\
        [amop]\nchain_id=chain7\ngroups=group0, group1\n[amop_limits]\nsessions=5\n";
    let config = read(text);
    assert_eq!(config.sdk_listen.to_string(), "127.0.0.1:1");
    assert!(config.plain);
    assert_eq!(config.certs.key, Path::new("n/c/k"));
    assert_eq!(config.blacklist, ["AB12"]);
    assert_eq!(config.whitelist.as_deref(), Some(&["CD".to_owned()][..]));
    assert_eq!((&*config.chain_id, config.groups.len()), ("chain7", 2));
    assert_eq!(config.listen_limits.sessions, 5);
    assert_eq!((config.max_packet, config.compress), (32 << 20, true));
    let packets =
        "[p2p]\nallow_max_msg_size=1048576\nenable_compression=false\n[cert]\nca_path=c\n";
    let config = read(packets);
    assert_eq!((config.max_packet, config.compress), (1 << 20, false));
    // The newer key counts.
    let both = "[rpc]\ndisable_ssl=true\nenable_ssl=true\n[cert]\nca_path=c\n";
    assert!(!read(both).plain);
}

#[test]
fn more_authorities_cause_a_warning_only_if_there_are_any() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("config.ini");
    fs::write(folder.path().join("nodes.json"), r#"{"nodes":[]}"#).unwrap();
    let read = || ChainV3Config::from_ini_str("[cert]\nmulti_ca_path=more\n", &file);
    let more = folder.path().join("conf/more");
    fs::create_dir_all(&more).unwrap();
    assert_eq!(read().unwrap().1, []);
    fs::write(more.join("other.crt"), "").unwrap();
    let (_, warnings) = read().unwrap();
    let expected = WarningKind::NoEffect("cert.multi_ca_path".to_owned());
    assert_eq!(warnings.len(), 1);
    assert_eq!((warnings[0].line, &warnings[0].kind), (Some(2), &expected));
}

#[test]
fn errors_say_what_is_wrong() {
    for key in ["rpc", "p2p"] {
        let error = error(&format!("[cert]\nca_path=c\n[{key}]\nsm_ssl=true\n"));
        let ConfigError::Guomi {
            line: 4,
            key: named,
            ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(named, format!("{key}.sm_ssl"));
    }
    assert_eq!(
        error("[cert]\nca_path=c\n[rpc]\nlisten_port=x\n").to_string(),
        "n/config.ini:4: rpc.listen_port=\"x\" is not accepted; expected a port number from 0 to 65535"
    );
    let (_, warnings) = ChainV3Config::from_ini_str("[cert]\nca_paht=c\n", "n/config.ini").unwrap();
    let kind = WarningKind::UnknownKey("cert.ca_paht".into());
    assert_eq!(warnings[0].kind, kind);
}

#[test]
fn nodes_json_is_read() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("nodes.json");
    let read = || ChainV3Config::from_ini_str(SCRIPT, folder.path().join("config.ini"));
    let nodes = r#"{"nodes":["127.0.0.1:30300","[::1]:30301","127.0.0.1:30300"]}"#;
    fs::write(&file, nodes).unwrap();
    let peers = read().unwrap().0.peers;
    let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["127.0.0.1:30300", "[::1]:30301"]);
    for wrong in ["", "[]", r#"{"nodes":["127.0.0.1"]}"#, r#"{"nodes":[1]}"#] {
        fs::write(&file, wrong).unwrap();
        let error = read().unwrap_err();
        assert!(matches!(error, ConfigError::Nodes { .. }), "{error}");
        assert!(error.to_string().contains("nodes.json: "), "{error}");
    }
}

/// A wrong path must not pass for a chain without other nodes.
#[test]
fn a_file_of_nodes_that_does_not_exist_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("config.ini");
    let read = |text: &str| ChainV3Config::from_ini_str(text, &file).unwrap();
    let (config, warnings) = read(SCRIPT);
    assert_eq!(config.peers, []);
    let nodes = folder.path().join("nodes.json");
    assert_eq!(warnings.len(), 1);
    assert_eq!((&warnings[0].file, warnings[0].line), (&file, None));
    assert_eq!(warnings[0].kind, WarningKind::NoNodesFile(nodes.clone()));
    fs::write(&nodes, r#"{"nodes":["127.0.0.1:30300"]}"#).unwrap();
    let (config, warnings) = read(SCRIPT);
    assert_eq!((config.peers.len(), warnings), (1, vec![]));
    for (key, wrong) in [
        ("nodes_path=./", "nodes_path=elsewhere"),
        ("nodes_file=nodes.json", "nodes_file=node.json"),
    ] {
        let (config, warnings) = read(&SCRIPT.replace(key, wrong));
        assert_eq!(config.peers, []);
        let warning = warnings[0].to_string();
        let (_, value) = wrong.split_once('=').unwrap();
        for part in [value, "does not exist", "p2p.nodes_path"] {
            assert!(warning.contains(part), "no {part:?} in {warning}");
        }
    }
}

/// Keys that the chain's script writes since 3.14, and others that FISCO nodes read.
#[test]
fn keys_of_later_versions_are_known() {
    let known = "\
        [p2p]\nenable_ssl_verify = true\nuuid=1\nthread_count=8\n\
        [rpc]\nenable_ssl=true\ntars_rpc_host=127.0.0.1\ntars_rpc_port=20021\n\
        tars_rpc_thread_count=8\n\
        [cert]\nca_path=./conf\nmulti_ca_path=multiCaPath\nsm_ca_cert=sm_ca.crt\n\
        sm_node_key=sm_ssl.key\nsm_node_cert=sm_ssl.crt\nsm_ennode_key=sm_enssl.key\n\
        sm_ennode_cert=sm_enssl.crt\n\
        [experimental]\ncheck_parallel_conflict=true\n";
    read(known);
    let off = known.replace("verify = true", "verify = false");
    let (_, warnings) = ChainV3Config::from_ini_str(&off, "n/config.ini").unwrap();
    assert_eq!(
        (warnings[0].line, &warnings[0].kind),
        (Some(2), &WarningKind::AlwaysVerified)
    );
    assert_eq!(warnings.len(), 2);
}

/// Writes the folder of a node as the chain's script makes it, and returns the identity of an SDK.
fn write_node(folder: &Path) -> Identity {
    let authority = ChainV3Authority::new("FISCO-BCOS-1").unwrap();
    let (node, sdk) = (authority.issue().unwrap(), authority.issue().unwrap());
    let conf = folder.join("conf");
    fs::create_dir_all(&conf).unwrap();
    fs::write(conf.join("ca.crt"), authority.cert_pem()).unwrap();
    fs::write(conf.join("ssl.crt"), node.cert_pem).unwrap();
    fs::write(conf.join("ssl.key"), node.key_pem).unwrap();
    let ini = SCRIPT
        .replace("0.0.0.0", "127.0.0.1")
        .replace("listen_port=20200", "listen_port=0");
    fs::write(folder.join("config.ini"), ini).unwrap();
    let [cert, key] = [&sdk.cert_pem, &sdk.key_pem].map(|pem| pem.as_bytes());
    Identity::from_pem(cert, key, authority.cert_pem().as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_runs_from_the_folder_of_a_3x_chain() {
    log();
    let folder = TempDir::new().unwrap();
    let sdk = write_node(folder.path());
    let builder = NodeBuilder::from_config_file(folder.path().join("config.ini")).unwrap();
    let node = builder.start().await.unwrap();
    let address = node.v3_address().unwrap();
    assert_eq!(node.channel_address(), address);
    let mut sdk = within("3.x", V3Sdk::connect(&address.to_string(), &sdk)).await;
    within("the subscription", sdk.subscribe(&["topic"])).await;
    log()
        .wait_for(&["ANY CERTIFICATE OF THE 3.x CHAIN MAY ACT AS AN SDK HERE"])
        .await;
    node.shutdown().await;
}

#[test]
fn the_certificates_of_a_guomi_chain_are_recognised() {
    let folder = TempDir::new().unwrap();
    write_node(folder.path());
    let conf = folder.path().join("conf");
    for kind in ["crt", "key"] {
        let path = |name: &str| conf.join(format!("{name}.{kind}"));
        fs::rename(path("ssl"), path("sm_ssl")).unwrap();
    }
    fs::rename(conf.join("ca.crt"), conf.join("sm_ca.crt")).unwrap();
    let Err(error) = NodeBuilder::from_config_file(folder.path().join("config.ini")) else {
        panic!("it has no certificates that can be used");
    };
    let text = with_causes(&error).to_string();
    for part in ["sm_ssl.crt", "guomi", "not supported"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

/// A bridge is configured in the file of the 2.x chain.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_2x_chain_names_that_of_a_3x_chain() {
    log();
    let folder = TempDir::new().unwrap();
    let sdk = write_node(&folder.path().join("node3"));
    let conf = folder.path().join("node/conf");
    fs::create_dir_all(&conf).unwrap();
    let agency = agency();
    let issued = agency.issue(Leaf::Node, "node0").unwrap();
    fs::write(conf.join("ca.crt"), agency.root_pem()).unwrap();
    fs::write(conf.join("node.crt"), issued.cert_pem).unwrap();
    fs::write(conf.join("node.key"), issued.key_pem).unwrap();
    let ini = "[rpc]\nchannel_listen_ip=127.0.0.1\nchannel_listen_port=0\n[p2p]\n\
        listen_ip=127.0.0.1\nlisten_port=0\n[compatibility]\nsupported_version=2.11.1\n\
        [amop]\nv3_config=../node3/config.ini\nv3_on_channel_port=true\n";
    let file = folder.path().join("node/config.ini");
    fs::write(&file, ini).unwrap();
    let (config, warnings) = NodeConfig::from_ini_file(&file).unwrap();
    assert_eq!(warnings, []);
    assert!(config.v3_on_channel_port);
    let node = NodeBuilder::from_config_file(&file).unwrap();
    let node = node.start().await.unwrap();
    let address = node.v3_address().unwrap();
    assert_ne!(node.channel_address(), address);
    within("3.x", V3Sdk::connect(&address.to_string(), &sdk)).await;
    node.shutdown().await;
}
