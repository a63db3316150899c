//! The `amop-node` program as operators run it: from the `config.ini` of a folder, one process per
//! node.
#![cfg(unix)]

use std::{fs, path::Path, process::Command};

use amop::Client;
use amop_node::layout::{DevnetLayout, DevnetSpec, write_devnet};
use amop_tests::{Finished, PATIENCE, Program, free_ports, within};
use tempfile::TempDir;

fn layout(dir: &TempDir, nodes: u16) -> DevnetLayout {
    let mut spec = DevnetSpec::new(dir.path(), nodes);
    spec.base_channel_port = free_ports(nodes);
    spec.base_p2p_port = spec.base_channel_port + 10_100;
    write_devnet(&spec).unwrap()
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
                .reconnect(amop::Reconnect::never())
                .connect()
                .await;
            match client {
                Ok(client) => break client,
                // The process is not that far yet.
                Err(amop::ConnectError::Tcp { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    within("a connection", connecting).await
}

/// Sends until the mesh is there and an answer arrives.
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
            match publisher.unicast(&topic, "ping".into()).await {
                Ok(reply) => break reply,
                Err(amop::PublishError::NoSubscriber { .. }) => tokio::task::yield_now().await,
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
    assert_eq!(id, layout.nodes[0].node_id);
    exchange(&near, &far).await;
    exchange(&far, &near).await;

    // One goes; its client is told, and it says what it did.
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

    // It comes back and finds the other one again.
    programs.push(Program::start(&mut command(&layout.nodes[0].config)));
    let near = connect(&layout, 0).await;
    exchange(&near, &far).await;
    near.close().await;
    far.close().await;
    for (program, signal) in programs.into_iter().zip(["INT", "TERM"]) {
        stopped(program, signal);
    }
}

/// Errors name the file and end the process with 1.
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
    };
    let text = fs::read_to_string(&node.config).unwrap();

    let key = node.dir.join("conf/node.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    refused(&key.to_string_lossy());
    fs::write(&key, kept).unwrap();

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
    refused(&format!("cannot listen on {} for channel", node.channel));
    drop(holder);

    fs::remove_file(&node.config).unwrap();
    refused(&node.config.to_string_lossy());
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
