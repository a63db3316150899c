use super::*;

fn peers(ports: &[u16]) -> Vec<PeerAddr> {
    let peer = |port| format!("127.0.0.1:{port}").parse().unwrap();
    ports.iter().map(peer).collect()
}

#[test]
fn only_the_list_changes() {
    let text =
        "; x\n[p2p]\n\tnode.0=a:1\n\t; more\n\tnode.5=b:2\n\tlisten_port=1\n\n[rpc]\nnode.9=c:3\n";
    assert_eq!(
        add_peers(text, &peers(&[7, 8])),
        "; x\n[p2p]\n\tnode.0=a:1\n\t; more\n\tnode.5=b:2\n\tnode.6=127.0.0.1:7\n\
         \tnode.7=127.0.0.1:8\n\tlisten_port=1\n\n[rpc]\nnode.9=c:3\n"
    );
}

#[test]
fn line_ends_and_missing_ones_are_kept() {
    assert_eq!(
        add_peers("\u{feff}[p2p]\r\n  node.1=a:1\r\n[x]\r\n", &peers(&[7])),
        "\u{feff}[p2p]\r\n  node.1=a:1\r\n  node.2=127.0.0.1:7\r\n[x]\r\n"
    );
    assert_eq!(
        add_peers("[p2p]\nnode.x=a:1", &peers(&[7])),
        "[p2p]\nnode.x=a:1\nnode.0=127.0.0.1:7\n"
    );
}

#[test]
fn files_without_a_list_get_one() {
    let p = peers(&[7]);
    assert_eq!(add_peers("[p2p]\n", &p), "[p2p]\n    node.0=127.0.0.1:7\n");
    assert_eq!(
        add_peers("[p2p]\n[x]\ny=1\n[p2p]\n  listen_port=1\n", &p),
        "[p2p]\n[x]\ny=1\n[p2p]\n  listen_port=1\n  node.0=127.0.0.1:7\n"
    );
    assert_eq!(
        add_peers("[x]\ny=1", &p),
        "[x]\ny=1\n[p2p]\n    node.0=127.0.0.1:7\n"
    );
    assert_eq!(add_peers("", &p), "[p2p]\n    node.0=127.0.0.1:7\n");
}

#[test]
fn huge_numbers_do_not_overflow() {
    let text = format!("[p2p]\nnode.{}=a:1\nnode.999999999=b:1\n", u64::MAX);
    let added = add_peers(&text, &peers(&[7]));
    assert!(
        added.ends_with("\nnode.1000000000=127.0.0.1:7\n"),
        "{added}"
    );
}
