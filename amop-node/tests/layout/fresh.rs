//! Fresh layouts.

use super::*;

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
        assert_eq!(public_key(&cert).unwrap(), Some(node.node_id.0));
        let id = node.node_id.to_string();
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
    assert_eq!(key(&config.p2p_certs.cert), Some(layout.nodes[0].node_id.0));
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
