//! Files on a disk that does not answer: the program still stops when it is told to.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    sync::mpsc::channel,
    thread,
};

use amop_testkit::{PATIENCE, Program};
use tempfile::TempDir;

use super::{command, connect, layout, stopped};

/// Replaces a file with a named pipe, which keeps its readers waiting.
fn make_pipe(path: &Path) {
    let _ = fs::remove_file(path);
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Waits until the program reads a pipe. From then on it waits for the content.
fn wait_for_reader(path: &Path) -> File {
    let (opened, file) = channel();
    let path = path.to_owned();
    // Not joined: without a reader it waits for ever.
    thread::spawn(move || opened.send(File::options().write(true).open(path).unwrap()));
    file.recv_timeout(PATIENCE).expect("a reader")
}

#[test]
fn a_node_that_cannot_read_its_certificates_stops() {
    let dir = TempDir::new().unwrap();
    let layout = layout(&dir, 1);
    for file in ["config.ini", "conf/ca.crt", "conf/node.key"] {
        let path = layout.nodes[0].dir.join(file);
        let content = fs::read(&path).unwrap();
        make_pipe(&path);
        let program = Program::start(&mut command(&layout.nodes[0].config));
        let held = wait_for_reader(&path);
        let finished = stopped(program, "TERM");
        assert!(
            !finished.errors.contains("by force"),
            "{file}: {finished:?}"
        );
        drop(held);
        fs::remove_file(&path).unwrap();
        fs::write(&path, content).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_reload_its_lists_serves_and_stops() {
    let dir = TempDir::new().unwrap();
    let layout = layout(&dir, 1);
    let config = &layout.nodes[0].config;
    let program = Program::start(&mut command(config));
    let client = connect(&layout, 0).await;

    let list = layout.nodes[0].dir.join("conf/list.crl");
    make_pipe(&list);
    let text = fs::read_to_string(config).unwrap();
    let lines = "[network_security]\nrevocation_list.0=list.crl\n";
    fs::write(config, text.replace("[network_security]\n", lines)).unwrap();
    program.signal("HUP");
    let _held = wait_for_reader(&list);
    connect(&layout, 0).await.close().await;
    client.close().await;

    let finished = stopped(program, "TERM");
    assert!(finished.errors.contains("stopping"), "{finished:?}");
    assert!(!finished.errors.contains("by force"), "{finished:?}");
}
