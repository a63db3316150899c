//! 0x13: the heartbeat, whose form depends on the version.

use amop_proto::channel::{Frame, FrameType};

use super::{
    Check, Run,
    bench::Bench,
    link::{TestSession, seq},
    problem::{Checked, passed, same_frame},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "heartbeat-before-handshake",
        section: "5.2",
        about: "a session that never shook hands speaks version 1: 0 is answered 1",
        run: Run::Node(|bench| Box::pin(before_handshake(bench))),
    },
    Check {
        name: "heartbeat-version-1",
        section: "5.2",
        about: "version 1: 0 is answered 1, anything else not at all",
        run: Run::Node(|bench| Box::pin(version_1(bench))),
    },
    Check {
        name: "heartbeat-version-2",
        section: "5.2",
        about: "version 2: anything is answered {\"heartBeat\":1} and a line feed",
        run: Run::Node(|bench| Box::pin(json(bench, 2))),
    },
    Check {
        name: "heartbeat-version-3",
        section: "5.2",
        about: "version 3: the same as version 2",
        run: Run::Node(|bench| Box::pin(json(bench, 3))),
    },
];

async fn beat(link: &mut TestSession, body: &'static str, answer: &'static str) -> Checked<()> {
    let got = link.ask(FrameType::HEARTBEAT, body).await?;
    let expected = Frame::new(FrameType::HEARTBEAT, got.seq, answer);
    same_frame(&format!("the answer to {body:?}"), &got, &expected)
}

async fn before_handshake(bench: &Bench) -> Checked {
    beat(&mut bench.link().await?, "0", "1").await?;
    passed()
}

async fn version_1(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    link.handshake(1).await?;
    beat(&mut link, "0", "1").await?;
    for body in ["", "1", "00", r#"{"heartBeat":0}"#] {
        link.send(&Frame::new(FrameType::HEARTBEAT, seq(), body))
            .await?;
        link.silent().await?;
    }
    passed()
}

async fn json(bench: &Bench, version: u32) -> Checked {
    let mut link = bench.link().await?;
    link.handshake(version).await?;
    for body in [r#"{"heartBeat":0}"#, "0", "", "not json"] {
        beat(&mut link, body, "{\"heartBeat\":1}\n").await?;
    }
    passed()
}
