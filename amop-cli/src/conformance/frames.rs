//! The frame: its place in the stream, and malformed frames.

use std::time::Duration;

use amop_proto::channel::{Frame, FrameType, HEADER_LEN, PROTOCOL_MAX_FRAME, result_code};
use bytes::{Bytes, BytesMut};

use super::{
    Check, Run,
    bench::Bench,
    link::{FrameRecords, seq},
    problem::{CheckProblem, Checked, failed, passed, same, same_frame},
};
use crate::show;

/// The time in which a node must close the session. FISCO nodes stop reading after a frame that is
/// too short, and close only when the session has been idle (channel-v2 section 3.5).
const AT_ONCE: Duration = Duration::from_secs(5);

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "frames-joined",
        section: "3.4",
        about: "two frames in one TLS record are both handled",
        run: Run::Node(|bench| Box::pin(joined(bench))),
    },
    Check {
        name: "frame-split",
        section: "3.4",
        about: "a frame in many TLS records is handled, one byte in each",
        run: Run::Node(|bench| Box::pin(split(bench))),
    },
    Check {
        name: "frame-per-record",
        section: "3.4",
        about: "the node puts every frame into a TLS record of its own",
        run: Run::Node(|bench| Box::pin(per_record(bench))),
    },
    Check {
        name: "frame-too-long",
        section: "3.5",
        about: "a length above 100 MiB closes the session once the header is there",
        run: Run::Node(|bench| Box::pin(too_long(bench))),
    },
    Check {
        name: "frame-too-short",
        section: "3.5",
        about: "a length below that of the header ends the session",
        run: Run::Node(|bench| Box::pin(too_short(bench))),
    },
    Check {
        name: "frame-truncated",
        section: "3.4",
        about: "a session that ends within a frame does no harm",
        run: Run::Node(|bench| Box::pin(truncated(bench))),
    },
    Check {
        name: "frame-unknown-type",
        section: "3.5",
        about: "frames of unknown type are ignored",
        run: Run::Node(|bench| Box::pin(unknown_type(bench))),
    },
    Check {
        name: "frame-unasked-response",
        section: "4",
        about: "an answer to no request is ignored",
        run: Run::Node(|bench| Box::pin(unasked_response(bench))),
    },
    Check {
        name: "session-half-closed",
        section: "3.4",
        about: "a request just before the client closes is answered, or the session ends",
        run: Run::Node(|bench| Box::pin(half_closed(bench))),
    },
    Check {
        name: "amop-empty-body",
        section: "7.3",
        about: "a unicast with an empty body is dropped",
        run: Run::Node(|bench| Box::pin(empty_body(bench))),
    },
    Check {
        name: "amop-topic-beyond-body",
        section: "3.5",
        about: "a unicast whose topic would reach beyond its body is answered 100",
        run: Run::Node(|bench| Box::pin(topic_beyond_body(bench))),
    },
    Check {
        name: "amop-topic-length-0",
        section: "3.5",
        about: "a unicast with topic length 0, which counts itself, closes the session",
        run: Run::Node(|bench| Box::pin(topic_length_0(bench))),
    },
];

fn heartbeat() -> Frame {
    Frame::new(FrameType::HEARTBEAT, seq(), "0")
}

fn beaten(request: &Frame) -> Frame {
    Frame::new(FrameType::HEARTBEAT, request.seq, "1")
}

/// Returns a header with a wrong length.
fn header_with_length(length: u32) -> Vec<u8> {
    let mut header = Frame::new(FrameType::HEARTBEAT, seq(), "").header();
    header[..4].copy_from_slice(&length.to_be_bytes());
    header.to_vec()
}

/// Checks the answers to both requests, in either order: FISCO nodes answer from several workers.
async fn joined(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    let requests = [heartbeat(), heartbeat()];
    let mut record = BytesMut::new();
    requests.iter().for_each(|frame| frame.encode(&mut record));
    link.send_bytes(&record).await?;
    let mut missing = requests.map(|request| beaten(&request)).to_vec();
    while !missing.is_empty() {
        let answer = link.receive("answers to both frames").await?;
        match missing.iter().position(|expected| *expected == answer) {
            Some(found) => drop(missing.remove(found)),
            None => return failed(show::frame(&missing[0]), show::frame(&answer)),
        }
    }
    passed()
}

async fn split(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    let request = heartbeat();
    for byte in request.to_bytes() {
        link.send_bytes(&[byte]).await?;
    }
    link.expect("the answer", &beaten(&request)).await?;
    passed()
}

/// Some SDKs lose the second frame of a record, or misread a header that is spread over two
/// records.
async fn per_record(bench: &Bench) -> Checked {
    const FRAMES: usize = 8;
    let mut link = bench.link().await?;
    let mut record = BytesMut::new();
    for _ in 0..FRAMES {
        heartbeat().encode(&mut record);
    }
    link.send_bytes(&record).await?;
    for _ in 0..FRAMES {
        link.receive("an answer to each frame").await?;
        let own = FrameRecords {
            count: 1,
            ends_with_frame: true,
        };
        same("records of one answer", link.records, own)?;
    }
    passed()
}

async fn too_long(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    link.send_bytes(&header_with_length(PROTOCOL_MAX_FRAME as u32 + 1))
        .await?;
    link.closed().await?;
    passed()
}

async fn too_short(bench: &Bench) -> Checked {
    let mut lingers = false;
    for length in [0, HEADER_LEN as u32 - 1] {
        let mut link = bench.link().await?;
        link.send_bytes(&header_with_length(length)).await?;
        if link.closes_within(AT_ONCE).await? {
            continue;
        }
        if bench.node.is_overlay() {
            return failed(
                format!("length {length} closes the session"),
                format!("it is open after {} s", AT_ONCE.as_secs()),
            );
        }
        lingers = true;
    }
    Ok(lingers.then(|| "the session stays open until it is idle, as on FISCO nodes".to_owned()))
}

async fn truncated(bench: &Bench) -> Checked {
    let message = Frame::amop(FrameType::UNICAST, seq(), b"topic", b"payload").to_bytes();
    for end in [3, HEADER_LEN - 1, HEADER_LEN + 3] {
        let mut link = bench.link().await?;
        link.send_bytes(&message[..end]).await?;
        link.finish().await?;
        link.closed().await?;
    }
    bench.link().await?.alive().await?;
    passed()
}

async fn unknown_type(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    for kind in [0, 0x11, 0x7730, u16::MAX] {
        link.send(&Frame::new(FrameType(kind), seq(), "abc"))
            .await?;
        link.silent().await?;
    }
    passed()
}

async fn unasked_response(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    let response = Frame::amop(FrameType::RESPONSE, seq(), b"topic", b"late");
    link.send(&response).await?;
    link.silent().await?;
    passed()
}

async fn half_closed(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    let request = heartbeat();
    link.send(&request).await?;
    link.finish().await?;
    match link.receive_or_end("an answer, or the end").await? {
        Some(answer) => {
            same_frame("the answer", &answer, &beaten(&request))?;
            link.closed().await?;
            passed()
        }
        None => Ok(Some("the session ends without an answer".to_owned())),
    }
}

async fn empty_body(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    link.send(&Frame::new(FrameType::UNICAST, seq(), ""))
        .await?;
    link.silent().await?;
    passed()
}

async fn topic_beyond_body(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    let request = Frame::new(FrameType::UNICAST, seq(), &b"\x20short"[..]);
    link.send(&request).await?;
    let expected = request.respond(result_code::NO_SUBSCRIBER, Bytes::new());
    link.expect("the answer", &expected).await?;
    link.alive().await?;
    passed()
}

async fn topic_length_0(bench: &Bench) -> Checked {
    if !bench.node.is_overlay() {
        return Err(CheckProblem::Skipped(
            "this frame ends the process of a FISCO node, so it is sent to overlay nodes only"
                .to_owned(),
        ));
    }
    for kind in [FrameType::UNICAST, FrameType::MULTICAST] {
        let mut link = bench.link().await?;
        link.send(&Frame::new(kind, seq(), &b"\0topic"[..])).await?;
        link.closed().await?;
    }
    passed()
}
