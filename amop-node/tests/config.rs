//! `config.ini` files: those of the chain's script, and the errors in others.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use amop_node::config::{CertPaths, ConfigError, NodeConfig, Warning, WarningKind};
use amop_node::{Limits, ListenLimits, NodeId};
use amop_tls::PublicKey;

const VERSION: &str = "[compatibility]\nsupported_version=2.11.1\n";

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/config")
        .join(name)
}

fn read(text: &str) -> (NodeConfig, Vec<Warning>) {
    NodeConfig::from_ini_str(text, "n/config.ini").unwrap()
}

/// With a version, so that only `text` can cause warnings.
fn quiet(text: &str) -> NodeConfig {
    let (config, warnings) = read(&format!("{VERSION}{text}"));
    assert_eq!(warnings, []);
    config
}

fn kinds(text: &str) -> Vec<(Option<usize>, WarningKind)> {
    let (_, warnings) = read(&format!("{VERSION}{text}"));
    warnings.into_iter().map(|w| (w.line, w.kind)).collect()
}

fn error(text: &str) -> ConfigError {
    NodeConfig::from_ini_str(text, "n/config.ini").unwrap_err()
}

fn certs(folder: &str) -> CertPaths {
    let folder = data(folder);
    CertPaths::new(
        folder.join("node.key"),
        folder.join("node.crt"),
        folder.join("ca.crt"),
    )
}

#[test]
fn files_of_the_chain_s_script() {
    let files = [
        ("ec_node0.ini", 20200, 8545, 30300, false),
        ("ec_node1.ini", 20201, 8546, 30301, false),
        ("rsa_node0.ini", 20210, 8555, 30310, true),
        ("rsa_node1.ini", 20211, 8556, 30311, true),
    ];
    for (file, channel, jsonrpc, p2p, rsa) in files {
        let (config, warnings) = NodeConfig::from_ini_file(data(file)).unwrap();
        assert_eq!(warnings, [], "{file}");
        let local = |port: u16| format!("127.0.0.1:{port}");
        assert_eq!(config.channel_listen.to_string(), local(channel));
        assert_eq!(config.jsonrpc_listen.unwrap().to_string(), local(jsonrpc));
        assert_eq!(config.p2p_listen.to_string(), local(p2p));
        let peers: Vec<String> = config.peers.iter().map(ToString::to_string).collect();
        let first = p2p / 10 * 10;
        assert_eq!(peers, [0, 1, 2, 3].map(|i| local(first + i)));
        assert_eq!(config.rsa_channel, rsa);
        assert_eq!(config.p2p_certs, certs("conf"));
        let channel_folder = if rsa { "conf/channel_cert" } else { "conf" };
        assert_eq!(config.channel_certs, certs(channel_folder));
        assert_eq!(config.chain_id, "1");
        assert_eq!(config.supported_version.to_string(), "2.11.1");
        assert!(config.check_cert_issuer && !config.send_compressed);
        assert!(config.blacklist.is_empty());
        assert_eq!(config.whitelist, None);
        assert_eq!(config.outgoing_bandwidth_limit, None);
    }
}

#[test]
fn everything_has_a_default_but_the_version_warns() {
    let (config, warnings) = read("");
    assert_eq!(config.channel_listen.to_string(), "0.0.0.0:20200");
    assert_eq!(config.jsonrpc_listen, None);
    assert_eq!(config.p2p_listen.to_string(), "0.0.0.0:30300");
    assert_eq!(config.p2p_certs.key, Path::new("n/conf/node.key"));
    assert_eq!(config.channel_certs, config.p2p_certs);
    assert_eq!(config.supported_version.to_string(), "2.11.1");
    assert!(config.peers.is_empty() && config.check_cert_issuer);
    let kinds: Vec<_> = warnings.iter().map(|w| (w.line, &w.kind)).collect();
    assert_eq!(kinds, [(None, &WarningKind::NoVersion)]);
    let text = warnings[0].to_string();
    assert!(
        text.starts_with("n/config.ini: ") && text.contains("2.11.1"),
        "{text}"
    );
}

#[test]
fn what_other_sdks_need_is_read() {
    let config = quiet("");
    assert!(config.groups.is_empty() && config.sha1_client_signatures);
    let config = quiet("[amop]\ngroups=3, 1,3\nsha1_client_signatures=false\n");
    assert_eq!(config.groups.into_iter().collect::<Vec<_>>(), [1, 3]);
    assert!(!config.sha1_client_signatures);
}

#[test]
fn values_are_read() {
    let id = "aB".repeat(64);
    let config = quiet(&format!(
        "[rpc]\nlisten_ip=::1\nchannel_listen_port=0\njsonrpc_listen_ip=127.0.0.2\njsonrpc_listen_port=0\n\
         [p2p]\nenable_compress = true\nnode.7=[::1]:30301\nnode.0=peer.example:1\nnode.x=[::1]:30301\n\
         [crl]\ncrl.0={id}\n[cal]\ncal.0={id}\ncal.9={}\n\
         [secure]\ndata_path=/etc/certs\nkey=k.pem\ncert=/elsewhere/c.pem\nca_cert=ca.pem\ncheck_cert_issuer=0\n\
         [chain]\nid=9223372036854775807\n[flow_control]\noutgoing_bandwidth_limit=2.5\n",
        "00".repeat(64)
    ));
    assert_eq!(config.channel_listen.to_string(), "[::1]:0");
    assert_eq!(config.jsonrpc_listen, "127.0.0.2:0".parse().ok());
    assert!(config.send_compressed && !config.check_cert_issuer);
    let peers: Vec<String> = config.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["[::1]:30301", "peer.example:1"]);
    assert_eq!(config.blacklist, [NodeId([0xab; 64])]);
    assert_eq!(
        config.whitelist,
        Some(vec![NodeId([0xab; 64]), NodeId([0; 64])])
    );
    assert_eq!(config.p2p_certs.key, Path::new("/etc/certs/k.pem"));
    assert_eq!(config.p2p_certs.cert, Path::new("/elsewhere/c.pem"));
    assert_eq!(config.p2p_certs.ca, Path::new("/etc/certs/ca.pem"));
    assert_eq!(config.chain_id, "9223372036854775807");
    assert_eq!(config.outgoing_bandwidth_limit, Some(2.5));
}

#[test]
fn lists_and_limits_of_this_node_s_own_are_read() {
    let key = "aB".repeat(64);
    let config = quiet(&format!(
        "[network_security]\ndata_path=/etc/certs\nrevocation_list.0=agency.crl\nrevocation_list.1=/x/y.crl\n\
         [sdk_allowlist]\n;public_key.1=\npublic_key.0={key}\n\
         [amop_limits]\nframe=1000\nsession_in_flight=7\nsessions=8\nhandshake_time=3\nmax_claimed_subscribers=9\n"
    ));
    let lists = ["/etc/certs/agency.crl", "/x/y.crl"];
    assert_eq!(config.revocation_lists, lists.map(Path::new));
    assert_eq!(config.sdk_allowlist, Some(vec![PublicKey([0xab; 64])]));
    let limits = Limits::default().with(|limits| {
        limits.frame = 1000;
        limits.session_in_flight = 7;
        limits.max_claimed_subscribers = 9;
    });
    assert_eq!(config.limits, limits);
    let listen_limits = ListenLimits::default().with(|limits| {
        limits.sessions = 8;
        limits.handshake_time = Duration::from_secs(3);
    });
    assert_eq!(config.listen_limits, listen_limits);
    // The older name of a key.
    let config = quiet("[amop_limits]\nclaimed=9\n");
    assert_eq!(config.limits.max_claimed_subscribers, 9);
    // Files of FISCO nodes have none of these keys.
    let config = quiet("[network_security]\n[sdk_allowlist]\n;public_key.0=\n");
    assert_eq!(config.sdk_allowlist, None);
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn no_fisco_node_takes_part_in_the_network_unless_it_is_named() {
    assert!(quiet("").transit.is_empty());
    let (one, two) = ("ab".repeat(64), "CD".repeat(64));
    let named = format!("[amop]\ntransit.0={one}\ntransit.x={two}\ntransit.1={one}\n");
    assert_eq!(
        quiet(&named).transit,
        [NodeId([0xab; 64]), NodeId([0xcd; 64])]
    );
    let wrong = error(&format!("{VERSION}[amop]\ntransit.0=node0\n")).to_string();
    assert!(
        wrong.contains("n/config.ini:4") && wrong.contains("128"),
        "{wrong}"
    );
    assert_eq!(kinds("[amop]\ntransits.0=1\n").len(), 1, "a misspelt key");
}

/// Clients are not authenticated on this port, so it must be configured explicitly, and is on
/// loopback by default.
#[test]
fn the_json_rpc_port_is_on_loopback_unless_told_otherwise() {
    let listen = |lines: &str| quiet(&format!("[rpc]\n{lines}")).jsonrpc_listen;
    assert_eq!(listen("jsonrpc_listen_ip=127.0.0.1\n"), None);
    let cases = [
        ("", "127.0.0.1:8545"),
        ("listen_ip=::1\n", "[::1]:8545"),
        ("listen_ip=::1\njsonrpc_listen_ip=0.0.0.0\n", "0.0.0.0:8545"),
    ];
    for (lines, expected) in cases {
        let lines = format!("{lines}jsonrpc_listen_port=8545\n");
        assert_eq!(listen(&lines), expected.parse().ok(), "{lines}");
    }
}

#[test]
fn rsa_needs_version_2_9() {
    let with = |version: &str| {
        read(&format!(
            "[compatibility]\nsupported_version={version}\n[chain]\nrsa_crypto_channel=true\n"
        ))
    };
    for version in ["2.9.0", "2.9.1", "2.10.0", "2.11.1"] {
        let (config, warnings) = with(version);
        assert!(config.rsa_channel && warnings.is_empty(), "{version}");
        let folder = Path::new("n/conf/channel_cert");
        assert_eq!(config.channel_certs.cert, folder.join("node.crt"));
        assert_eq!(config.p2p_certs.cert, Path::new("n/conf/node.crt"));
    }
    for version in ["2.0.0-rc3", "2.8.0"] {
        let (config, warnings) = with(version);
        assert!(!config.rsa_channel, "{version}");
        assert_eq!(config.channel_certs, config.p2p_certs);
        assert_eq!(warnings[0].kind, WarningKind::RsaTooOld(version.into()));
        assert_eq!(warnings[0].line, Some(4));
    }
}

#[test]
fn typos_and_settings_without_effect_are_warned_about() {
    let found = kinds(
        "[p2p]\nListen_Port=1\nmax_nodes_limit=9\n[networksecurity]\nkey=k\n[log]\nlevel=x\n\
         [flow_control]\nlimit_req=1\n[network_security]\nca_path=\nkey=k\n[secure]\nkey=l\n\
         [storage_security]\nenable=true\n",
    );
    assert_eq!(
        found,
        [
            (Some(4), WarningKind::UnknownKey("p2p.Listen_Port".into())),
            (
                Some(6),
                WarningKind::UnknownSection("networksecurity".into())
            ),
            (
                Some(11),
                WarningKind::NoEffect("flow_control.limit_req".into())
            ),
            (
                Some(15),
                WarningKind::ShadowedSection {
                    ignored: "secure",
                    used: "network_security"
                }
            ),
            (Some(18), WarningKind::EncryptedStorage),
        ]
    );
}

#[test]
fn the_newer_section_name_wins_unless_it_is_empty() {
    let id = "01".repeat(64);
    let both = format!("{VERSION}[crl]\ncrl.0={id}\n[certificate_blacklist]\n");
    assert_eq!(read(&both).0.blacklist, [NodeId([1; 64])]);
    let both = format!("{both}crl.0={}\n", "02".repeat(64));
    assert_eq!(read(&both).0.blacklist, [NodeId([2; 64])]);
}

#[test]
fn wrong_values_name_file_line_key_and_what_is_accepted() {
    let half = "ab".repeat(63);
    let cases = [
        (
            "[rpc]\nchannel_listen_port=70000",
            "rpc.channel_listen_port",
            "65535",
        ),
        (
            "[rpc]\nchannel_listen_ip=localhost",
            "rpc.channel_listen_ip",
            "address",
        ),
        ("[p2p]\nlisten_port=", "p2p.listen_port", "port"),
        (
            "[p2p]\nenable_compress=yes",
            "p2p.enable_compress",
            "true or false",
        ),
        ("[p2p]\nnode.0=::1:30300", "p2p.node.0", "[address]:port"),
        ("[p2p]\nnode.0=", "p2p.node.0", "host:port"),
        ("[secure]\nkey=", "secure.key", "file"),
        ("[chain]\nid=-1", "chain.id", "whole number"),
        ("[chain]\nid=one", "chain.id", "whole number"),
        (
            "[chain]\nsm_crypto=True",
            "chain.sm_crypto",
            "true or false",
        ),
        (
            "[compatibility]\nsupported_version=3.2.0",
            "compatibility.supported_version",
            "2.x",
        ),
        (
            "[flow_control]\noutgoing_bandwidth_limit=-2",
            "flow_control.outgoing_bandwidth_limit",
            "positive",
        ),
        (
            "[flow_control]\noutgoing_bandwidth_limit=inf",
            "flow_control.outgoing_bandwidth_limit",
            "positive",
        ),
        (&format!("[cal]\ncal.3={half}"), "cal.cal.3", "128"),
        ("[amop]\ngroups=0", "amop.groups", "from 1 to 32767"),
        ("[amop]\ngroups=1,", "amop.groups", "such as 1 or 1,2"),
        ("[amop]\ngroups=32768", "amop.groups", "from 1 to 32767"),
        (
            "[amop]\nsha1_client_signatures=maybe",
            "amop.sha1_client_signatures",
            "true or false",
        ),
        ("[amop_limits]\nframe=0", "amop_limits.frame", "from 1"),
        (
            "[amop_limits]\nhandshake_time=4294967296",
            "amop_limits.handshake_time",
            "from 1",
        ),
        (
            &format!("[sdk_allowlist]\npublic_key.0={half}"),
            "sdk_allowlist.public_key.0",
            "128",
        ),
        (&format!("[crl]\ncrl.0={half}+1"), "crl.crl.0", "128"),
    ];
    for (text, wanted, accepted) in cases {
        let error = error(&format!(";\n{text}\n"));
        let message = error.to_string();
        let ConfigError::Value { line, key, .. } = error else {
            panic!("{text}: {message}");
        };
        assert_eq!((line, key.as_str()), (3, wanted));
        assert!(message.starts_with("n/config.ini:3: "), "{message}");
        assert!(
            message.contains(wanted) && message.contains(accepted),
            "{message}"
        );
    }
}

#[test]
fn what_is_not_spoken_is_refused() {
    let guomi = error("[chain]\nid=1\nsm_crypto=true\n");
    assert!(matches!(
        guomi,
        ConfigError::Guomi {
            line: 3,
            key: "chain.sm_crypto",
            ..
        }
    ));
    let guomi = error("[chain]\nsm_crypto_channel=1\n");
    assert!(matches!(
        guomi,
        ConfigError::Guomi {
            line: 2,
            key: "chain.sm_crypto_channel",
            ..
        }
    ));
    let rc1 = error("[compatibility]\nsupported_version=2.0.0-rc1\n");
    assert!(matches!(rc1, ConfigError::Rc1Header { line: 2, .. }));
    assert!(rc1.to_string().contains("2.0.0-rc1"));
}

#[test]
fn syntax_errors_name_the_line() {
    for (text, line) in [
        ("[p2p]\nlisten_port\n", 2),
        ("[p2p\nlisten_port=1\n", 1),
        ("[p2p]\nlisten_port=1\n\nlisten_port=2\n", 4),
        (
            "[p2p]\nlisten_port=1\n[rpc]\nlisten_ip=::1\n[p2p]\nx=1\n",
            5,
        ),
        ("[p2p]\n=1\n", 2),
    ] {
        let error = error(text);
        let at = format!("n/config.ini:{line}: ");
        assert!(error.to_string().starts_with(&at), "{error}");
        assert!(matches!(error, ConfigError::Syntax { .. }), "{error}");
    }
}

#[test]
fn files_that_are_no_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.ini");
    let missing = NodeConfig::from_ini_file(&file).unwrap_err();
    assert!(matches!(missing, ConfigError::Read { .. }));
    assert!(missing.to_string().contains("config.ini"), "{missing}");

    fs::write(&file, b"[p2p]\n;\n; \xff\xfe\n").unwrap();
    let binary = NodeConfig::from_ini_file(&file).unwrap_err();
    assert!(
        matches!(binary, ConfigError::NotText { line: 3, .. }),
        "{binary}"
    );

    fs::write(&file, vec![b'\n'; 1 << 20]).unwrap();
    NodeConfig::from_ini_file(&file).unwrap();
    fs::write(&file, vec![b'\n'; (1 << 20) + 1]).unwrap();
    let large = NodeConfig::from_ini_file(&file).unwrap_err();
    assert!(matches!(large, ConfigError::TooLarge { .. }), "{large}");
}
