//! Messages of FISCO BCOS 3.x, both sides of a session with a peer that may do anything (messages in any order, and
//! time), and the bridges between such a session and 2.x.
//!
//! The first byte selects what is tested. The rest is one WebSocket message, or a script: one byte selects the next
//! step, the bytes after it are its parameters.
#![no_main]
#![forbid(unsafe_code)]

#[path = "ws/bridges.rs"]
mod bridges;
#[path = "ws/client.rs"]
mod client;
#[path = "ws/codec.rs"]
mod codec;
#[path = "ws/server.rs"]
mod server;

use amop_fuzz::Script;
use amop_proto::ws::{
    AmopRequest, EncodedMessage, MAX_MESSAGE, WsMessage, WsSeq, WsStatus, WsType,
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const TOPICS: [&str; 4] = ["hello", "x", "", "\u{4e3b}\u{1f600}"];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    match choice % 5 {
        0 => codec::run(rest),
        1 => client::run(Script::new(rest)),
        2 => server::run(Script::new(rest)),
        3 => bridges::sdk(Script::new(rest)),
        _ => bridges::node(Script::new(rest)),
    }
});

/// Reads a sent message as the other side does: it must be complete.
fn read(message: &EncodedMessage) -> WsMessage {
    assert!(message.len() <= MAX_MESSAGE);
    let message = WsMessage::decode(message.to_bytes(), MAX_MESSAGE).expect("well-formed");
    if message.kind.has_request() {
        AmopRequest::decode(&message.payload).expect("complete");
    }
    message
}

/// Makes any message; its seq is one of those given, or any.
fn any_message(script: &mut Script<'_>, seqs: &[WsSeq]) -> WsMessage {
    let kind = match script.byte() {
        255 => WsType(script.short()),
        choice => {
            const KINDS: [u16; 12] = [
                0, 0x100, 0x101, 0x102, 0x103, 0x110, 0x111, 0x112, 0x113, 0x120, 0x121, 0x122,
            ];
            WsType(KINDS[usize::from(choice) % KINDS.len()])
        }
    };
    let seq = any_seq(script, seqs);
    WsMessage {
        status: WsStatus(script.byte() as i8 as i16),
        ..WsMessage::new(kind, seq, Bytes::copy_from_slice(script.bytes()))
    }
}

/// Makes any unicast or multicast; its seq is one of those given, or any.
fn any_publish(script: &mut Script<'_>, seqs: &[WsSeq]) -> WsMessage {
    let kinds = [WsType::UNICAST, WsType::MULTICAST];
    let kind = kinds[usize::from(script.byte() & 1)];
    let seq = any_seq(script, seqs);
    WsMessage::new(kind, seq, any_request(script))
}

fn any_seq(script: &mut Script<'_>, seqs: &[WsSeq]) -> WsSeq {
    let at = usize::from(script.byte());
    match seqs.iter().rev().nth(at) {
        Some(seq) => seq.clone(),
        None => WsSeq::new(&vec![b'a'; at % 40]).expect("short"),
    }
}

/// Makes the payload of an AMOP message, complete unless the topic is cut.
fn any_request(script: &mut Script<'_>) -> Bytes {
    let topic = TOPICS[usize::from(script.byte()) % TOPICS.len()];
    let mut payload = vec![0; 4];
    payload.extend((topic.len() as u16).to_be_bytes());
    payload.extend(topic.as_bytes());
    payload.extend(script.bytes());
    let cut = usize::from(script.byte());
    if cut >= 0xf0 {
        payload.truncate(cut - 0xf0);
    }
    payload.into()
}
