//! The tap between SDKs of 3.x and a node.

use amop_testkit::v3::V3Sdk;

use super::*;

/// Returns the next note with a direction that begins with `start`.
async fn note(records: &mut TapRecords, start: &str) -> Direction {
    loop {
        let record = within("a record", records.recv()).await.unwrap();
        if let (What::Note(text), Some(direction)) = (&record.what, record.direction)
            && text.starts_with(start)
        {
            return direction;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_3_x_works_through_it() {
    let network = Network::start_bridged(1).await.unwrap();
    let authority = network.v3_authority().unwrap();
    let issued = authority.issue().unwrap();
    let options = TapOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        to: network.v3_endpoint(0).unwrap().to_owned(),
        sdk: network.v3_sdk().unwrap(),
        node: amop_testkit::identity_of(&issued.cert_pem, &issued.key_pem, authority.cert_pem()),
        preview: 64,
    };
    let (tap, mut records) = Tap::start(options).await.unwrap();
    let publisher = client(&tap.address().to_string(), network.v3_sdk().unwrap()).await;
    let subscriber = client(network.endpoint(0), network.sdk()).await;
    ping(publisher, subscriber).await;

    assert_eq!(
        note(&mut records, "upgrade: GET /").await,
        Direction::ToNode
    );
    let accepted = note(&mut records, "upgrade: HTTP/1.1 101").await;
    assert_eq!(accepted, Direction::ToSdk);
    let (direction, handshake) = frame(&mut records, "handshake").await;
    assert_eq!((direction, handshake.code), (Direction::ToNode, 0x0100));
    let (direction, answer) = frame(&mut records, "handshake").await;
    assert_eq!(direction, Direction::ToSdk);
    assert_eq!(answer.seq, handshake.seq);
    assert_eq!(ping_and_pong(&mut records).await, 0x0111);
    within("the end", tap.shutdown()).await;
    network.shutdown().await;
}

/// The certificates of a 3.x node's folder.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_lines_of_3_x() {
    let network = Network::start_bridged(1).await.unwrap();
    let dir = TempDir::new().unwrap();
    let authority = network.v3_authority().unwrap();
    let issued = authority.issue().unwrap();
    for (folder, name) in [("sdk", "sdk"), ("conf", "ssl")] {
        let folder = dir.path().join(folder);
        std::fs::create_dir(&folder).unwrap();
        for (file, pem) in [
            ("ca.crt".to_owned(), authority.cert_pem()),
            (format!("{name}.crt"), &issued.cert_pem),
            (format!("{name}.key"), &issued.key_pem),
        ] {
            std::fs::write(folder.join(file), pem).unwrap();
        }
    }
    let address = format!("127.0.0.1:{}", amop_testkit::free_ports(1));
    let mut command = Command::new(env!("CARGO_BIN_EXE_amop"));
    command
        .args(["tap", "--listen", &address, "--to"])
        .arg(network.v3_endpoint(0).unwrap())
        .arg("--certs")
        .arg(dir.path().join("sdk"))
        .arg("--node-certs")
        .arg(dir.path().join("conf"))
        .env_remove("RUST_LOG");
    let program = Program::start(&mut command);
    within("listening", async {
        while TcpStream::connect(&address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let sdk = network.v3_sdk().unwrap();
    let mut sdk = within("an SDK", V3Sdk::connect(&address, &sdk)).await;
    within("a message to itself", sdk.subscribe(&["news"])).await;
    program.signal("INT");
    let finished = tokio::task::spawn_blocking(|| program.finish());
    let finished = finished.await.unwrap();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    for part in [
        " sdk->node upgrade: GET / HTTP/1.1",
        " node->sdk handshake (0x100) seq=",
        " sdk->node set-topics (0x110) seq=",
        " node->sdk unicast (0x111) seq=",
    ] {
        let found = finished.lines.iter().any(|line| line.contains(part));
        assert!(found, "{part} in {finished:?}");
    }
    network.shutdown().await;
}
