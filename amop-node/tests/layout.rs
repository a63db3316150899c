//! Layouts on disk: fresh ones, repeated and interrupted runs, added nodes, and
//! layouts that cannot be extended.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amop_node::config::{CertPaths, ChainVersion, ConfigError, NodeConfig};
use amop_node::layout::{DevnetLayout, DevnetNode, DevnetSpec, LayoutError, write_devnet};
use amop_tls::pki::public_key;
use amop_tls::rustls::pki_types::UnixTime;
use amop_tls::{Identity, Mode};
use tempfile::TempDir;

fn ec(dir: &TempDir, nodes: u16) -> DevnetSpec {
    DevnetSpec::new(dir.path(), nodes)
}

fn rsa(dir: &TempDir, nodes: u16) -> DevnetSpec {
    let mut spec = ec(dir, nodes);
    spec.rsa = true;
    spec
}

fn write(spec: &DevnetSpec) -> DevnetLayout {
    write_devnet(spec).unwrap()
}

#[track_caller]
fn refused(spec: &DevnetSpec) -> LayoutError {
    let before = snapshot(&spec.dir);
    let error = write_devnet(spec).unwrap_err();
    assert_eq!(snapshot(&spec.dir), before, "a refused call changed files");
    error
}

/// Returns all files below a folder with their content, by relative path.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_owned();
                files.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

fn names(dir: &TempDir) -> Vec<String> {
    let name = |path: &PathBuf| path.to_str().unwrap().replace('\\', "/");
    snapshot(dir.path()).keys().map(name).collect()
}

fn config(node: &DevnetNode) -> NodeConfig {
    let (config, warnings) = NodeConfig::from_ini_file(&node.config).unwrap();
    assert_eq!(warnings, []);
    config
}

fn peers(node: &DevnetNode) -> Vec<String> {
    config(node).peers.iter().map(ToString::to_string).collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Chains before 2.1 name the SDK's files like those of a node.
#[test]
fn an_sdk_folder_of_a_chain_before_2_1_is_known_again() {
    let dir = tempfile::tempdir().unwrap();
    write(&ec(&dir, 1));
    let sdk = dir.path().join("127.0.0.1/sdk");
    for end in ["crt", "key"] {
        let (new, old) = (format!("sdk.{end}"), format!("node.{end}"));
        fs::rename(sdk.join(new), sdk.join(old)).unwrap();
    }
    let before = names(&dir);
    write(&ec(&dir, 1));
    assert_eq!(names(&dir), before);
}

#[test]
fn an_ec_layout_has_the_files_of_the_chain_s_script() {
    let dir = tempfile::tempdir().unwrap();
    let layout = write(&ec(&dir, 2));
    let mut expected = vec![
        "127.0.0.1/sdk/ca.crt".to_owned(),
        "127.0.0.1/sdk/sdk.crt".to_owned(),
        "127.0.0.1/sdk/sdk.key".to_owned(),
        "127.0.0.1/sdk/sdk.publickey".to_owned(),
        "cert/agency/agency.crt".to_owned(),
        "cert/agency/agency.key".to_owned(),
        "cert/agency/ca.crt".to_owned(),
        "cert/ca.crt".to_owned(),
        "cert/ca.key".to_owned(),
    ];
    for node in ["node0", "node1"] {
        for file in [
            "conf/ca.crt",
            "conf/node.crt",
            "conf/node.key",
            "conf/node.nodeid",
            "config.ini",
        ] {
            expected.push(format!("127.0.0.1/{node}/{file}"));
        }
    }
    expected.sort();
    assert_eq!(names(&dir), expected);

    for (i, node) in (0..).zip(&layout.nodes) {
        assert!(node.created);
        assert_eq!(node.index, i);
        assert_eq!(peers(node), ["127.0.0.1:30300", "127.0.0.1:30301"]);
        let config = config(node);
        assert_eq!(config.channel_listen, node.channel);
        assert_eq!(node.channel.to_string(), format!("127.0.0.1:{}", 20200 + i));
        assert_eq!(node.p2p.to_string(), format!("127.0.0.1:{}", 30300 + i));
        assert_eq!(config.jsonrpc_listen.unwrap().port(), 8545 + i);
        assert_eq!(
            (config.chain_id.as_str(), config.supported_version),
            ("1", ChainVersion::DEFAULT)
        );
        assert!(!config.rsa_channel);
        let cert = text(&config.p2p_certs.cert);
        assert_eq!(public_key(&cert).unwrap(), Some(node.node_id));
        let id: String = node.node_id.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(text(&node.dir.join("conf/node.nodeid")), format!("{id}\n"));
        assert!(
            cert.ends_with(&text(&config.p2p_certs.ca)),
            "the root comes last"
        );
    }
    assert_ne!(layout.nodes[0].node_id, layout.nodes[1].node_id);
}

#[test]
fn new_nodes_tell_what_the_network_is_to_be() {
    let dir = tempfile::tempdir().unwrap();
    write(&ec(&dir, 1));
    let mut spec = ec(&dir, 2);
    spec.chain_id = 77;
    spec.version = "2.9.0".parse().unwrap();
    let layout = write(&spec);
    let told = |node: &DevnetNode| {
        let config = config(node);
        (config.chain_id, config.supported_version.to_string())
    };
    assert_eq!(told(&layout.nodes[0]), ("1".into(), "2.11.1".into()));
    assert_eq!(told(&layout.nodes[1]), ("77".into(), "2.9.0".into()));
}

#[test]
fn an_rsa_layout_uses_rsa_on_the_channel_only() {
    let dir = tempfile::tempdir().unwrap();
    let layout = write(&rsa(&dir, 1));
    let config = config(&layout.nodes[0]);
    assert!(config.rsa_channel && layout.rsa);
    let key = |path: &Path| public_key(&text(path)).unwrap();
    let channel = &config.channel_certs;
    for path in [&channel.cert, &channel.ca, &layout.sdk.cert, &layout.sdk.ca] {
        assert_eq!(key(path), None, "{}", path.display());
    }
    assert_eq!(text(&channel.ca), text(&layout.sdk.ca));
    assert_eq!(key(&config.p2p_certs.cert), Some(layout.nodes[0].node_id));
    assert!(!layout.root.join("sdk/sdk.publickey").exists());
}

#[test]
fn what_is_written_loads_as_identities() {
    for (spec, channel_mode) in [(ec as fn(&TempDir, u16) -> _, Mode::Ec), (rsa, Mode::Rsa)] {
        let dir = tempfile::tempdir().unwrap();
        let layout = write(&spec(&dir, 1));
        let node = &layout.nodes[0];
        let config = config(node);
        let load = |certs: &CertPaths| {
            let identity = Identity::from_pem(
                text(&certs.cert).as_bytes(),
                text(&certs.key).as_bytes(),
                text(&certs.ca).as_bytes(),
            );
            let identity = identity.unwrap();
            identity.check_chain(UnixTime::now()).unwrap();
            identity
        };
        assert_eq!(load(&config.channel_certs).mode(), channel_mode);
        assert_eq!(load(&layout.sdk).mode(), channel_mode);
        let p2p = load(&config.p2p_certs);
        assert_eq!(
            (p2p.mode(), p2p.name(), p2p.agency()),
            (Mode::Ec, Some("node0"), Some("agency"))
        );
        let sdk = Identity::load_sdk(layout.root.join("sdk")).unwrap();
        assert_eq!(sdk.mode(), channel_mode);
    }
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    write(&rsa(&dir, 1));
    let keys: Vec<_> = snapshot(dir.path())
        .into_keys()
        .filter(|file| file.extension().is_some_and(|e| e == "key"))
        .collect();
    assert_eq!(keys.len(), 6, "{keys:?}");
    for key in keys {
        let mode = fs::metadata(dir.path().join(&key))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{}", key.display());
    }
}

#[test]
fn a_second_run_changes_nothing() {
    for spec in [ec, rsa] {
        let dir = tempfile::tempdir().unwrap();
        let first = write(&spec(&dir, 2));
        let before = snapshot(dir.path());
        let second = write(&spec(&dir, 2));
        assert_eq!(snapshot(dir.path()), before);
        assert!(second.nodes.iter().all(|node| !node.created));
        let ids =
            |layout: &DevnetLayout| layout.nodes.iter().map(|n| n.node_id).collect::<Vec<_>>();
        assert_eq!(ids(&first), ids(&second));
        // A smaller number of nodes removes none.
        assert_eq!(write(&spec(&dir, 1)).nodes.len(), 2);
        assert_eq!(snapshot(dir.path()), before);
    }
}

#[test]
fn added_nodes_join_and_existing_files_stay() {
    let dir = tempfile::tempdir().unwrap();
    let first = write(&ec(&dir, 2));
    // Changes that an operator may have made.
    let file = &first.nodes[0].config;
    let edited = text(file)
        .replace("listen_port=30300", "listen_port=31000")
        .replace(
            "    node.1=",
            "    ; mine\n    node.5=far.example:30300\n    node.1=",
        );
    fs::write(file, &edited).unwrap();
    let before = snapshot(dir.path());

    let second = write(&ec(&dir, 4));
    let created: Vec<_> = second.nodes.iter().map(|n| (n.index, n.created)).collect();
    assert_eq!(created, [(0, false), (1, false), (2, true), (3, true)]);
    for (name, content) in &before {
        if !name.ends_with("config.ini") {
            assert_eq!(&text(&dir.path().join(name)), content);
        }
    }
    let added = "    node.6=127.0.0.1:30302\n    node.7=127.0.0.1:30303\n";
    assert_eq!(text(file).replacen(added, "", 1), edited);
    assert!(text(file).contains(added));
    let local = |ports: &[u16]| {
        ports
            .iter()
            .map(|p| format!("127.0.0.1:{p}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        peers(&second.nodes[1]),
        local(&[30300, 30301, 30302, 30303])
    );
    // The new nodes know all peers that any node knows.
    for node in &second.nodes[2..] {
        let mut known = peers(node);
        known.sort();
        let mut all = local(&[30300, 30301, 30302, 30303, 31000]);
        all.push("far.example:30300".to_owned());
        assert_eq!(known, all);
    }
    let after = snapshot(dir.path());
    write(&ec(&dir, 4));
    assert_eq!(snapshot(dir.path()), after);
}

#[test]
fn a_missing_node_or_sdk_is_made_again_by_the_same_authority() {
    for spec in [ec, rsa] {
        let dir = tempfile::tempdir().unwrap();
        let first = write(&spec(&dir, 3));
        fs::remove_dir_all(&first.nodes[1].dir).unwrap();
        fs::remove_dir_all(first.root.join("sdk")).unwrap();
        // An empty folder counts as missing.
        fs::create_dir(first.root.join("sdk")).unwrap();
        let second = write(&spec(&dir, 3));
        assert!(second.nodes[1].created && !second.nodes[2].created);
        assert_ne!(second.nodes[1].node_id, first.nodes[1].node_id);
        assert_eq!(second.nodes[2].node_id, first.nodes[2].node_id);
        let ca = text(&config(&second.nodes[0]).channel_certs.ca);
        assert_eq!(text(&config(&second.nodes[1]).channel_certs.ca), ca);
        assert_eq!(text(&second.sdk.ca), ca);
        assert_eq!(peers(&second.nodes[0]).len(), 3, "no peer is listed twice");
    }
}

#[test]
fn files_that_follow_from_others_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let layout = write(&ec(&dir, 1));
    let before = snapshot(dir.path());
    fs::remove_file(layout.nodes[0].dir.join("conf/node.nodeid")).unwrap();
    fs::remove_file(layout.root.join("sdk/sdk.publickey")).unwrap();
    write(&ec(&dir, 1));
    assert_eq!(snapshot(dir.path()), before);
}

#[test]
fn interrupted_runs_are_continued() {
    let dir = tempfile::tempdir().unwrap();
    // A run that stopped after the authorities; then the next run asks for RSA.
    let root = write(&ec(&dir, 1)).root;
    let ca = text(&dir.path().join("cert/ca.crt"));
    fs::remove_dir_all(&root).unwrap();
    // A half-written folder under its temporary name is ignored.
    fs::create_dir_all(root.join(".amop-x/new/conf")).unwrap();
    let layout = write(&rsa(&dir, 2));
    assert_eq!(text(&config(&layout.nodes[1]).p2p_certs.ca), ca);
    assert_eq!(layout.nodes.len(), 2);
}

#[test]
fn the_other_mode_is_refused() {
    for (first, second, existing) in [
        (
            ec as fn(&TempDir, u16) -> _,
            rsa as fn(&TempDir, u16) -> _,
            "EC",
        ),
        (rsa, ec, "RSA"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let layout = write(&first(&dir, 1));
        let error = refused(&second(&dir, 1));
        assert!(
            matches!(error, LayoutError::Mode { existing: e, .. } if e == existing),
            "{error}"
        );
        // The SDK's folder alone shows it, too.
        fs::remove_dir_all(&layout.nodes[0].dir).unwrap();
        let error = refused(&second(&dir, 1));
        assert!(
            matches!(error, LayoutError::Mode { existing: e, .. } if e == existing),
            "{error}"
        );
    }
}

#[test]
fn half_a_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(&rsa(&dir, 2));
    for name in [
        "node1/config.ini",
        "node0/conf/node.key",
        "node0/conf/channel_cert/node.crt",
        "sdk/ca.crt",
    ] {
        let path = dir.path().join("127.0.0.1").join(name);
        let content = text(&path);
        fs::remove_file(&path).unwrap();
        let error = refused(&rsa(&dir, 2));
        assert!(
            matches!(&error, LayoutError::Broken { missing, .. } if *missing == path),
            "{error}"
        );
        fs::write(&path, content).unwrap();
    }
    write(&rsa(&dir, 2));
}

#[test]
fn without_the_authority_nothing_can_be_added() {
    let dir = tempfile::tempdir().unwrap();
    write(&rsa(&dir, 1));
    // The root's key is not needed to add nodes.
    fs::remove_file(dir.path().join("cert/ca.key")).unwrap();
    write(&rsa(&dir, 2));
    for name in ["agency/channel/ca.key", "agency/agency.key", "ca.crt"] {
        let path = dir.path().join("cert").join(name);
        fs::remove_file(&path).unwrap();
        let error = refused(&rsa(&dir, 3));
        assert!(
            matches!(&error, LayoutError::AuthorityMissing { .. }),
            "{error}"
        );
        write(&rsa(&dir, 2));
    }
    let mut other = rsa(&dir, 3);
    other.agency = "other".into();
    assert!(matches!(
        refused(&other),
        LayoutError::AuthorityMissing { .. }
    ));
}

#[test]
fn a_foreign_authority_is_refused() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&ec(&ours, 1));
    write(&ec(&theirs, 1));
    let cert = ours.path().join("cert");
    fs::remove_dir_all(&cert).unwrap();
    fs::rename(theirs.path().join("cert"), &cert).unwrap();
    let error = refused(&ec(&ours, 2));
    assert!(
        matches!(error, LayoutError::ForeignAuthority { .. }),
        "{error}"
    );

    fs::write(cert.join("agency/agency.key"), "nonsense").unwrap();
    let error = refused(&ec(&ours, 2));
    assert!(
        matches!(&error, LayoutError::Load { file, .. } if file.ends_with("agency.key")),
        "{error}"
    );
}

#[test]
fn networks_that_cannot_be_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for nodes in [0, 257] {
        assert!(matches!(
            refused(&ec(&dir, nodes)),
            LayoutError::Nodes { .. }
        ));
    }
    let ports = |channel, p2p, rpc| {
        let mut spec = ec(&dir, 3);
        (
            spec.base_channel_port,
            spec.base_p2p_port,
            spec.base_rpc_port,
        ) = (channel, p2p, rpc);
        refused(&spec)
    };
    for (channel, p2p, rpc) in [(1, 3, 9), (9, 1, 2), (1, 9, 65534), (0, 10, 20), (5, 10, 5)] {
        let error = ports(channel, p2p, rpc);
        assert!(
            matches!(error, LayoutError::Ports { .. }),
            "{channel} {p2p} {rpc}"
        );
    }
    let mut spec = ec(&dir, 1);
    spec.agency = "../x".into();
    assert!(matches!(refused(&spec), LayoutError::Issue(_)));
    assert!(snapshot(dir.path()).is_empty());
}

#[test]
fn ports_of_existing_nodes_are_not_given_away() {
    let dir = tempfile::tempdir().unwrap();
    write(&ec(&dir, 1));
    let mut spec = ec(&dir, 2);
    spec.base_channel_port = 20199;
    let error = refused(&spec);
    assert!(
        matches!(
            error,
            LayoutError::PortTaken {
                port: 20200,
                node: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_broken_configuration_is_reported_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let layout = write(&ec(&dir, 1));
    fs::write(&layout.nodes[0].config, "[p2p]\nlisten_port=x\n").unwrap();
    let error = refused(&ec(&dir, 2));
    assert!(
        matches!(
            error,
            LayoutError::Config(ConfigError::Value { line: 2, .. })
        ),
        "{error}"
    );
}

#[test]
fn openssl_verifies_every_certificate() {
    let (ec_dir, rsa_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for layout in [write(&ec(&ec_dir, 1)), write(&rsa(&rsa_dir, 1))] {
        let config = config(&layout.nodes[0]);
        for certs in [&config.p2p_certs, &config.channel_certs, &layout.sdk] {
            let output = Command::new("openssl")
                .args(["verify", "-CAfile"])
                .arg(&certs.ca)
                .arg("-untrusted")
                .arg(&certs.cert)
                .arg(&certs.cert)
                .output();
            match output {
                Ok(output) => assert!(output.status.success(), "{certs:?}: {output:?}"),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    eprintln!("SKIPPED: openssl is not installed");
                    return;
                }
                Err(e) => panic!("openssl: {e}"),
            }
        }
    }
}
