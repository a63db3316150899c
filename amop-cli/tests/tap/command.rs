//! The command `amop tap`.

use super::*;

/// Runs the program with both ways to give it certificates and both output formats.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_lines() {
    let network = network(2).await;
    let dir = TempDir::new().unwrap();
    let (sdk, conf) = (dir.path().join("sdk"), dir.path().join("conf"));
    write_certificates(network.agency(), Leaf::Sdk, &sdk);
    write_certificates(network.agency(), Leaf::Node, &conf);
    for (signal, options) in [
        ("INT", vec!["--json"]),
        (
            "TERM",
            vec!["--node-certs", conf.to_str().unwrap(), "--max", "3"],
        ),
    ] {
        let port = amop_testkit::free_ports(1);
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_amop"));
        command
            .args([
                "tap",
                "--listen",
                &address,
                "--to",
                network.endpoint(0),
                "--certs",
            ])
            .arg(&sdk)
            .args(&options)
            .env_remove("RUST_LOG");
        let program = Program::start(&mut command);
        listens(&address).await;
        exchange(&address, network.endpoint(1), network.sdk()).await;
        program.signal(signal);
        let finished = tokio::task::spawn_blocking(|| program.finish())
            .await
            .unwrap();
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        let lines = &finished.lines;
        if options[0] == "--json" {
            let message = lines
                .iter()
                .map(|line| serde_json::from_str::<Value>(line).unwrap())
                .find(|record| record["type"] == "unicast")
                .unwrap();
            assert_eq!(message["topic"], "hello");
            assert_eq!(message["text"], "ping");
        } else {
            let message = lines
                .iter()
                .find(|line| line.contains(" unicast "))
                .unwrap();
            assert!(
                message.contains(" sdk->node unicast (0x30) seq="),
                "{message}"
            );
            assert!(
                message.ends_with(" result=0 topic=\"hello\" 4 bytes \"pin\"..."),
                "{message}"
            );
        }
        assert!(finished.errors.contains("Ctrl-C stops"), "{finished:?}");
    }
    network.shutdown().await;
}

/// Waits until the program ends, and returns its exit code.
#[cfg(unix)]
async fn ends(program: Program) -> Option<i32> {
    let finished = tokio::task::spawn_blocking(|| program.finish());
    finished.await.unwrap().status.code()
}

/// Waits until the program accepts connections.
#[cfg(unix)]
async fn listens(address: &str) {
    within("listening", async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Starts the program with an output that is not read. A publisher has sent this many multicasts
/// through it.
#[cfg(unix)]
async fn unread(network: &Network, dir: &Path, multicasts: usize) -> Program {
    write_certificates(network.agency(), Leaf::Sdk, dir);
    let address = format!("127.0.0.1:{}", amop_testkit::free_ports(1));
    let mut command = Command::new(env!("CARGO_BIN_EXE_amop"));
    command
        .args(["tap", "--max", "16000", "--json", "--listen", &address])
        .args(["--to", network.endpoint(0), "--certs"])
        .arg(dir)
        .stdout(Stdio::piped());
    let program = Program::start_unread(&mut command);
    listens(&address).await;
    let publisher = client(&address, network.sdk()).await;
    let topic = "hello".parse().unwrap();
    for _ in 0..multicasts {
        let sent = publisher.publish_multicast_raw(&topic, vec![b'x'; 16_000].into());
        within("a multicast", sent).await.unwrap();
    }
    publisher.close().await;
    program
}

/// Lines that could not be written are counted; the traffic goes on.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_nobody_reads_stops_no_traffic() {
    let network = network(1).await;
    let dir = TempDir::new().unwrap();
    let multicasts = 200;
    let mut program = unread(&network, dir.path(), multicasts).await;
    let output = program.output();
    let (tell, lost) = tokio::sync::oneshot::channel();
    let reading = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(output).lines().map(Result::unwrap);
        let mut records = Vec::<Value>::new();
        let mut tell = Some(tell);
        for line in lines {
            let record: Value = serde_json::from_str(&line).unwrap();
            if record["event"] == "lost" {
                tell.take().map(|tell| tell.send(()));
            }
            records.push(record);
        }
        records
    });
    within("a loss", lost).await.unwrap();
    program.signal("TERM");
    let records = within("the output", reading).await.unwrap();
    assert_eq!(ends(program).await, Some(0));
    let shown = |record: &&Value| record["type"] == "multicast";
    let shown = records.iter().filter(shown).count();
    let lost = records.iter().filter_map(|record| record["lines"].as_u64());
    let lost = lost.sum::<u64>() as usize;
    assert!(0 < shown && shown < multicasts, "{shown}");
    assert!(shown + lost >= multicasts, "{shown} and {lost}");
    network.shutdown().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_nobody_reads_keeps_it_from_ending_for_a_second_only() {
    let network = network(1).await;
    let dir = TempDir::new().unwrap();
    let program = unread(&network, dir.path(), 20).await;
    program.signal("TERM");
    assert_eq!(ends(program).await, Some(0));
    network.shutdown().await;
}
