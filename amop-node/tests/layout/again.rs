//! Repeated and interrupted runs, and added nodes.

use super::*;

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
