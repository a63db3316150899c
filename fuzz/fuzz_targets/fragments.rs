//! The fragments of one connection between nodes, in and out of order, with room for few.
//!
//! The input is a script of fragments, valid and invalid ones, and of time.
#![no_main]
#![forbid(unsafe_code)]

use std::{
    cell::Cell,
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use amop_fuzz::{Script, assert_error_in_one_line};
use amop_proto::p2p::{Assembled, FragmentAssembler, PeerFrame, mesh, protocol};
use bytes::{BufMut, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

/// The longest body, and the room for incomplete bodies, in bytes.
const MAX: usize = 4096;
const ROOM: usize = 3 * MAX;
const PATIENCE: Duration = Duration::from_secs(10);

/// Room that is given back when dropped.
struct Held(Rc<Cell<usize>>, usize);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.set(self.0.get() - self.1);
    }
}

/// The received part of each incomplete frame: its length and its content.
type Sent = HashMap<u32, (usize, Vec<u8>)>;

fuzz_target!(|data: &[u8]| {
    let used = Rc::new(Cell::new(0));
    let mut assembler = FragmentAssembler::new(MAX, PATIENCE);
    let mut now = Instant::now();
    let mut sent = Sent::new();
    let mut script = Script::new(data);
    while let Some(step) = script.step() {
        if step % 4 == 3 {
            now += Duration::from_millis(script.short().into());
            assembler.give_up(now);
            continue;
        }
        let number = u32::from(script.byte() % 8);
        let body = body_of(step % 4, &sent, number, &mut script);
        let fragment = PeerFrame {
            protocol: protocol::EXTENSION,
            packet: mesh::packet::FRAGMENT,
            seq: number,
            body: body.clone(),
        };
        let admit = |len: usize| {
            (used.get() + len <= ROOM).then(|| {
                used.set(used.get() + len);
                Held(used.clone(), len)
            })
        };
        match assembler.take(now, fragment, admit) {
            Ok(taken) => check(&taken, &body, number, &mut sent),
            // The error closes the connection.
            Err(error) => {
                assert_error_in_one_line(&error);
                break;
            }
        }
        assert!(used.get() <= ROOM);
        assert!(assembler.bytes() <= used.get());
    }
    drop(assembler);
    assert_eq!(used.get(), 0);
});

/// Returns a fragment's body: the first of a frame, the next of one, or anything.
fn body_of(kind: u8, sent: &Sent, number: u32, script: &mut Script<'_>) -> Bytes {
    let mut body = BytesMut::new();
    match kind {
        0 => {
            body.put_u32(0);
            body.put_u32(u32::from(script.short()) % (MAX as u32 + 16));
            body.put_i32(protocol::AMOP);
            body.put_u16(script.short());
            body.put_u32(number);
        }
        1 => {
            let so_far = sent.get(&number).map_or(0, |(_, content)| content.len());
            body.put_u32(so_far as u32);
        }
        _ => {}
    }
    body.put_slice(script.bytes());
    body.freeze()
}

/// Checks that a complete frame is what was sent.
fn check(taken: &Assembled, body: &Bytes, number: u32, sent: &mut Sent) {
    let word = |at: usize| {
        body[at..at + 4]
            .iter()
            .fold(0, |n, &b| n << 8 | usize::from(b))
    };
    let content = if word(0) == 0 {
        sent.insert(number, (word(4), Vec::new()));
        &body[18..]
    } else {
        &body[4..]
    };
    let Some((total, so_far)) = sent.get_mut(&number) else {
        panic!("a fragment of a frame that has not begun");
    };
    so_far.extend(content);
    assert!(so_far.len() <= *total && *total <= MAX);
    let is_whole = so_far.len() == *total;
    match taken {
        Assembled::Whole(frame) => {
            assert!(is_whole);
            assert_eq!(frame.body, so_far[..]);
        }
        Assembled::Refused { total: of, .. } => assert_eq!(of, total),
        // If it is complete, it was refused or dropped.
        Assembled::Nothing => {}
    }
    if is_whole {
        sent.remove(&number);
    }
}
