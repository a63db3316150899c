//! A standard error that accepts nothing does not stop the program, whatever the reason.

use std::{
    fs,
    io::{self, PipeReader, Read, Write},
    process::Stdio,
    sync::mpsc,
    thread,
};

use amop_node::layout::DevnetLayout;
use amop_testkit::{PATIENCE, Program};
use tempfile::TempDir;

use super::{command, connect, exchange, layout, stopped};

/// The text in the log when a client's session ends.
const CLOSED: &str = "closed: the other side closed it";

/// Returns a standard error on a full disk.
#[cfg(target_os = "linux")]
fn full_disk() -> Stdio {
    let file = fs::OpenOptions::new().write(true).open("/dev/full");
    file.unwrap().into()
}

/// Returns a pipe whose reader is gone.
fn broken_pipe() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Returns a full pipe that no one reads until the reader is used.
fn stalled_pipe() -> (Stdio, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    // It waits for the reader like the program, and ends with it.
    thread::spawn(move || filler.write_all(&[b'.'; 256 * 1024]));
    (writer.into(), reader)
}

/// Configures the second node to wait until the first one dials it.
fn one_dials(layout: &DevnetLayout) {
    let config = &layout.nodes[1].config;
    let text = fs::read_to_string(config).unwrap();
    let others = |line: &&str| !line.trim_start().starts_with("node.");
    let lines: Vec<&str> = text.lines().filter(others).collect();
    fs::write(config, lines.join("\n")).unwrap();
}

/// A node with this standard error serves clients, dials until the other node is there, and stops
/// when it is told to.
async fn serves_and_stops(errors: Stdio) {
    let dir = TempDir::new().unwrap();
    let layout = layout(&dir, 2);
    one_dials(&layout);
    let mut command_of_first = command(&layout.nodes[0].config);
    command_of_first.env("RUST_LOG", "trace");
    let first = Program::start_with(&mut command_of_first, errors);
    for _ in 0..5 {
        connect(&layout, 0).await.close().await;
    }
    // By now it has logged that the peer is not there.
    let second = Program::start(&mut command(&layout.nodes[1].config));
    let (near, far) = (connect(&layout, 0).await, connect(&layout, 1).await);
    exchange(&near, &far).await;
    near.close().await;
    far.close().await;
    stopped(first, "TERM");
    stopped(second, "TERM");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_does_not_stop_the_node() {
    serves_and_stops(full_disk()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_pipe_does_not_stop_the_node() {
    serves_and_stops(broken_pipe()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_does_not_stop_the_node() {
    let (errors, _reader) = stalled_pipe();
    serves_and_stops(errors).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_late_gets_what_there_was_room_for() {
    let dir = TempDir::new().unwrap();
    let layout = layout(&dir, 1);
    let (errors, mut reader) = stalled_pipe();
    let program = Program::start_with(&mut command(&layout.nodes[0].config), errors);
    connect(&layout, 0).await.close().await;
    let (tell, served) = mpsc::channel();
    let reading = thread::spawn(move || {
        let mut text = Vec::new();
        let mut part = [0; 4096];
        loop {
            let len = reader.read(&mut part).unwrap();
            if len == 0 {
                return String::from_utf8(text).unwrap();
            }
            text.extend_from_slice(&part[..len]);
            if text
                .windows(CLOSED.len())
                .any(|part| part == CLOSED.as_bytes())
            {
                let _ = tell.send(());
            }
        }
    });
    // The program does not wait long for the reader of its last line.
    served.recv_timeout(PATIENCE).unwrap();
    stopped(program, "TERM");
    let text = reading.join().unwrap();
    for part in ["serves SDKs on", " opened", CLOSED, "stopping"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains("were lost"), "{text}");
}

/// The exit code shows that the program did not start, and not that it panicked.
#[test]
fn an_error_that_nobody_can_read_is_an_error() {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("none.ini");
    let (stalled, _reader) = stalled_pipe();
    let mut ways = vec![broken_pipe(), stalled];
    #[cfg(target_os = "linux")]
    ways.push(full_disk());
    for errors in ways {
        let finished = Program::start_with(&mut command(&config), errors).finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    }
}
