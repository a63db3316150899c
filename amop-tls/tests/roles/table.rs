//! The table of kinds of chains in the documentation.

use super::*;

/// Returns the rows of the table of kinds of chains in docs/security.md.
fn documented() -> Vec<Vec<String>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md");
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.split("| chain | node | SDK |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| !line.is_empty());
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    })
    .collect()
}

/// Returns the units that a cell names, or some that match its description.
fn units(cell: &str) -> Vec<String> {
    match cell {
        "anything" => vec!["ops".into(), "Betrieb".into()],
        "anything with `sdk` in it" => vec!["our-sdk".into(), "SDKs".into()],
        _ => cell
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '=')
            .filter_map(|word| word.strip_prefix("OU="))
            .map(str::to_owned)
            .collect(),
    }
}

/// The document states which certificates are refused at which port for each kind of chain; the
/// test checks this with certificates of each kind.
#[test]
fn the_table_of_chains_says_what_is_so() {
    let agency = Authority::new_ec("chain").unwrap().agency("a").unwrap();
    let of = |unit: &str| {
        let validity = Validity::starting(SystemTime::now());
        identity(&agency.issue_as(unit, "x", validity).unwrap(), &agency)
    };
    let node = of("node");
    let listen = node.peer_server_config(None).unwrap();
    let port_takes = |other: &Identity| {
        let accepted = handshake(other.peer_client_config(None).unwrap(), listen.clone()).ok();
        let dial = node.peer_client_config(None).unwrap();
        let dialled = handshake(dial, other.peer_server_config(None).unwrap()).ok();
        assert_eq!(accepted, dialled, "both ways");
        accepted
    };
    let client = of("sdk").client_config().unwrap();
    let client_takes = |other: &Identity| handshake(client.clone(), channel(other)).ok();
    let rows = documented();
    assert!(rows.len() >= 7, "{rows:?}");
    for row in rows {
        let [chain, nodes, sdks, ports, clients] = &row[..] else {
            panic!("{row:?}");
        };
        let (nodes, sdks) = (units(nodes), units(sdks));
        assert!(!nodes.is_empty() && !sdks.is_empty(), "{row:?}");
        for unit in &nodes {
            assert!(port_takes(&of(unit)), "{chain}: node with OU={unit}");
            assert!(client_takes(&of(unit)), "{chain}: node with OU={unit}");
        }
        for unit in &sdks {
            let sdk = of(unit);
            assert!(
                handshake(sdk.client_config().unwrap(), channel(&node)).ok(),
                "{chain}: the port for SDKs takes OU={unit}"
            );
            let refused = match ports.as_str() {
                "refuse SDKs" | "refuse the latter" => true,
                _ if ports.starts_with("**cannot tell**") => false,
                // The other certificates are of another kind.
                "refuse SDKs: those ports use the other certificates" => {
                    let rsa = amop_tls::pki::RsaAuthority::new("a").unwrap();
                    let issued = rsa.issue().unwrap();
                    let other = Identity::from_pem(
                        issued.cert_pem.as_bytes(),
                        issued.key_pem.as_bytes(),
                        rsa.cert_pem().as_bytes(),
                    );
                    let dial = other.unwrap().client_config().unwrap();
                    assert!(!handshake(dial, listen.clone()).ok(), "{chain}");
                    continue;
                }
                other => panic!("{chain}: what does {other:?} mean?"),
            };
            assert_eq!(
                !port_takes(&sdk),
                refused,
                "{chain}: OU={unit} at the ports"
            );
            let refused = match clients.as_str() {
                "refuse an SDK as a node" | "refuse the latter" => true,
                "cannot tell: pin the nodes" => false,
                other => panic!("{chain}: what does {other:?} mean?"),
            };
            assert_eq!(!client_takes(&sdk), refused, "{chain}: OU={unit} as a node");
        }
    }
}
