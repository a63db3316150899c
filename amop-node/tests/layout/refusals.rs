//! Layouts that cannot be extended.

use super::*;

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
