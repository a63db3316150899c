//! The `amop-node` program as operators run it: from the `config.ini` of a folder, one process per
//! node.
#![cfg(unix)]

mod log;
mod names;
mod stuck;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
};

use amop::Client;
use amop_node::{
    config::NodeConfig,
    layout::{DevnetLayout, write_devnet},
};
use amop_testkit::{Finished, PATIENCE, Program, devnet, until, within};
use tempfile::TempDir;

fn layout(dir: &TempDir, nodes: u16) -> DevnetLayout {
    write_devnet(&devnet(dir.path(), nodes)).unwrap()
}

fn command(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amop-node"));
    command
        .arg("--config")
        .arg(config)
        .env("RUST_LOG", "info")
        .env("NO_COLOR", "1");
    command
}

#[track_caller]
fn stopped(program: Program, signal: &str) -> Finished {
    program.signal(signal);
    let finished = program.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    finished
}

async fn connect(layout: &DevnetLayout, node: usize) -> Client {
    let connecting = async {
        loop {
            let client = Client::builder()
                .endpoint(layout.nodes[node].channel.to_string())
                .certificates(layout.root.join("sdk"))
                .timeout(PATIENCE)
                .connect_timeout(PATIENCE)
                .reconnect(amop::ReconnectPolicy::never())
                .connect()
                .await;
            match client {
                Ok(client) => break client,
                // The process has not opened its port yet.
                Err(amop::ConnectError::Tcp { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    within("a connection", connecting).await
}

/// Sends until the mesh is formed and an answer arrives.
async fn exchange(publisher: &Client, subscriber: &Client) {
    let topic = "hello".parse().unwrap();
    let mut messages = subscriber.subscribe_raw(&topic).await.unwrap();
    let answering = async {
        while let Some(message) = messages.next().await {
            message.reply_bytes("pong").unwrap();
        }
    };
    let asking = async {
        loop {
            match publisher.publish_unicast_raw(&topic, "ping".into()).await {
                Ok(reply) => break reply,
                Err(error)
                    if matches!(error.kind(), amop::PublishErrorKind::NoSubscriber { .. }) =>
                {
                    tokio::task::yield_now().await
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    let exchanged = async {
        tokio::select! {
            reply = asking => reply,
            () = answering => panic!("the subscription ended"),
        }
    };
    let reply = within("a message", exchanged).await;
    assert_eq!(reply.payload, "pong");
    messages.unsubscribe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_form_a_mesh_and_stop_on_signals() {
    let dir = TempDir::new().unwrap();
    let layout = layout(&dir, 2);
    let mut programs: Vec<Program> = layout
        .nodes
        .iter()
        .map(|node| Program::start(&mut command(&node.config)))
        .collect();
    let (near, far) = (connect(&layout, 0).await, connect(&layout, 1).await);
    let id = near.node_public_key().unwrap().0;
    assert_eq!(id, layout.nodes[0].node_id.0);
    exchange(&near, &far).await;
    exchange(&far, &near).await;

    // One node stops; its client is told, and the node logs what it did.
    let finished = stopped(programs.remove(0), "TERM");
    within("the news", near.closed()).await;
    assert_eq!(finished.lines, [""; 0]);
    let errors = &finished.errors;
    let channel = layout.nodes[0].channel;
    for part in [
        format!("serves SDKs on {channel} and nodes on"),
        "connected to node".to_owned(),
        "session".to_owned(),
        "stopping".to_owned(),
    ] {
        assert!(errors.contains(&part), "no {part:?} in {errors}");
    }
    assert!(far.is_connected());

    // It comes back and finds the other node again.
    programs.push(Program::start(&mut command(&layout.nodes[0].config)));
    let near = connect(&layout, 0).await;
    exchange(&near, &far).await;
    near.close().await;
    far.close().await;
    for (program, signal) in programs.into_iter().zip(["INT", "TERM"]) {
        stopped(program, signal);
    }
}

/// Errors name the file, and the process ends with code 1.
#[test]
fn a_folder_that_does_not_do_is_refused() {
    let dir = TempDir::new().unwrap();
    let layout = layout(&dir, 1);
    let node = &layout.nodes[0];
    let refused = |what: &str| {
        let finished = Program::start(&mut command(&node.config)).finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        assert!(finished.errors.contains("amop-node: "), "{finished:?}");
        assert!(finished.errors.contains(what), "no {what} in {finished:?}");
        finished.errors
    };
    // Each cause is printed, and printed once.
    let once = |errors: &str, parts: &[&str]| {
        for part in parts {
            assert_eq!(errors.matches(part).count(), 1, "{part:?} in {errors}");
        }
    };
    let text = fs::read_to_string(&node.config).unwrap();

    let key = node.dir.join("conf/node.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    refused(&key.to_string_lossy());
    fs::write(&key, kept).unwrap();

    let certificate = node.dir.join("conf/node.crt");
    let kept = fs::read(&certificate).unwrap();
    fs::write(&certificate, "-----BEGIN CERTIFICATE-----\nMIIB\n").unwrap();
    let errors = refused(&certificate.to_string_lossy());
    let parts = [
        "certificates cannot be used",
        "is not a PEM file",
        "cut off",
    ];
    once(&errors, &parts);
    fs::write(&certificate, kept).unwrap();

    fs::write(
        &node.config,
        text.replace("sm_crypto=false", "sm_crypto=true"),
    )
    .unwrap();
    refused(&node.config.to_string_lossy());
    let port = format!("channel_listen_port={}", node.channel.port());
    fs::write(
        &node.config,
        text.replace(&port, "channel_listen_port=many"),
    )
    .unwrap();
    refused("channel_listen_port");

    let holder = std::net::TcpListener::bind(node.channel).unwrap();
    fs::write(&node.config, &text).unwrap();
    let errors = refused(&format!("cannot listen on {} for channel", node.channel));
    once(&errors, &["another program", "(os error "]);
    drop(holder);

    fs::remove_file(&node.config).unwrap();
    let errors = refused(&node.config.to_string_lossy());
    once(&errors, &["cannot read", "give the path", "(os error 2)"]);
}

/// The values reported to SDKs can be set without changing the file.
#[tokio::test(flavor = "multi_thread")]
async fn chain_id_and_version_may_be_overridden() {
    let dir = TempDir::new().unwrap();
    let layout = layout(&dir, 1);
    let mut command = command(&layout.nodes[0].config);
    command.args(["--chain-id", "42", "--fisco-version", "2.9.1"]);
    let program = Program::start(&mut command);
    connect(&layout, 0).await.close().await;
    let (config, _) = NodeConfig::from_ini_file(&layout.nodes[0].config).unwrap();
    let mut http = TcpStream::connect(config.jsonrpc_listen.unwrap()).unwrap();
    let question = r#"{"jsonrpc":"2.0","id":1,"method":"getClientVersion"}"#;
    let len = question.len();
    write!(
        http,
        "POST / HTTP/1.1\r\nHost: node\r\nContent-Length: {len}\r\n\r\n{question}"
    )
    .unwrap();
    let mut answer = String::new();
    http.read_to_string(&mut answer).unwrap();
    let expected = r#""Chain Id":"42","FISCO-BCOS Version":"2.9.1""#;
    assert!(answer.contains(expected), "{answer}");
    stopped(program, "TERM");

    for options in [["--chain-id", "many"], ["--fisco-version", "3.0.0"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amop-node"));
        let finished = Program::start(command.args(options)).finish();
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.errors.contains(options[0]), "{finished:?}");
    }
}

/// Without options it takes the `config.ini` of the folder it is started in.
#[tokio::test(flavor = "multi_thread")]
async fn it_starts_in_a_nodes_folder() {
    let dir = TempDir::new().unwrap();
    let layout = layout(&dir, 1);
    let mut command = Command::new(env!("CARGO_BIN_EXE_amop-node"));
    command.current_dir(&layout.nodes[0].dir);
    let program = Program::start(&mut command);
    let client = connect(&layout, 0).await;
    client.close().await;
    stopped(program, "INT");
}

/// SIGHUP puts new lists in force; a wrong list changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads_the_lists() {
    let dir = TempDir::new().unwrap();
    let layout = layout(&dir, 1);
    let config = &layout.nodes[0].config;
    let log = dir.path().join("log");
    let output = fs::File::create(&log).unwrap();
    let program = Program::start_with(&mut command(config), output.into());
    let client = connect(&layout, 0).await;
    let text = fs::read_to_string(config).unwrap();
    let with = |lines: &str| fs::write(config, format!("{text}\n{lines}")).unwrap();

    // This ends neither the program nor the session.
    with("[certificate_blacklist]\ncrl.0=none\n");
    program.signal("HUP");
    // Otherwise the node may read only the next file.
    let refusal = "cannot reload the lists, so the previous ones stay in force";
    let is_refused = || fs::read_to_string(&log).unwrap().contains(refusal);
    until("the lists are refused", is_refused).await;
    with("[sdk_allowlist]\npublic_key.0=what\n");
    program.signal("HUP");
    connect(&layout, 0).await.close().await;
    assert!(client.is_connected());

    let key = "0a".repeat(64);
    with(&format!("[sdk_allowlist]\npublic_key.0={key}\n"));
    program.signal("HUP");
    within("the end", client.closed()).await;
    let refused = Client::builder()
        .endpoint(layout.nodes[0].channel.to_string())
        .certificates(layout.root.join("sdk"))
        .connect_timeout(PATIENCE)
        .connect();
    assert!(within("the refusal", refused).await.is_err());

    with("");
    program.signal("HUP");
    let welcome = async {
        loop {
            let client = Client::builder()
                .endpoint(layout.nodes[0].channel.to_string())
                .certificates(layout.root.join("sdk"))
                .connect_timeout(PATIENCE)
                .connect()
                .await;
            // Repeat until the signal has been handled.
            match client {
                Ok(client) => break client,
                Err(amop::ConnectError::Tls { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    within("a welcome", welcome).await.close().await;
    stopped(program, "TERM");
    let text = fs::read_to_string(&log).unwrap();
    for part in ["reloaded the lists of", "do not let it in any longer"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}
