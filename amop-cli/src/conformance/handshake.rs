//! 0x14: the version of the protocol that a session speaks.

use amop_proto::channel::{Frame, FrameType, HandshakeResponse};
use serde_json::json;

use super::{
    Check, Run,
    bench::{Bench, client_version},
    link::{TestSession, seq},
    problem::{Checked, failed, holds, passed, same},
};
use crate::show;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "handshake-versions",
        section: "5.1",
        about: "the newest version of the client is chosen: 1, 2, 3",
        run: Run::Node(|bench| Box::pin(versions(bench))),
    },
    Check {
        name: "handshake-newer-client",
        section: "5.1",
        about: "for a client that also speaks future versions, 3 is chosen",
        run: Run::Node(|bench| Box::pin(newer_client(bench))),
    },
    Check {
        name: "handshake-defaults",
        section: "5.1",
        about: "a handshake that names no version gives 1",
        run: Run::Node(|bench| Box::pin(defaults(bench))),
    },
    Check {
        name: "handshake-no-common-version",
        section: "5.1",
        about: "a client that speaks only future versions is disconnected without an answer",
        run: Run::Node(|bench| Box::pin(no_common_version(bench))),
    },
    Check {
        name: "handshake-malformed",
        section: "5.1",
        about: "a body that is not a handshake is not answered, and the session goes on in version 1",
        run: Run::Node(|bench| Box::pin(malformed(bench))),
    },
    Check {
        name: "handshake-again",
        section: "5.1",
        about: "another handshake changes the version",
        run: Run::Node(|bench| Box::pin(again(bench))),
    },
    Check {
        name: "handshake-node-version",
        section: "5.1",
        about: "nodeVersion is the Supported Version of getClientVersion",
        run: Run::Node(|bench| Box::pin(node_version(bench))),
    },
    Check {
        name: "handshake-result",
        section: "4",
        about: "the answer has the result field of the request",
        run: Run::Node(|bench| Box::pin(result(bench))),
    },
];

/// Sends a handshake with these JSON members.
async fn shake(link: &mut TestSession, request: serde_json::Value) -> Checked<HandshakeResponse> {
    let answer = link.ask(FrameType::HANDSHAKE, request.to_string()).await?;
    same("type of the answer", answer.kind, FrameType::HANDSHAKE)?;
    same("result of the answer", answer.result, 0)?;
    holds(
        answer.body.ends_with(b"}\n"),
        "a JSON object and a line feed",
        show::frame(&answer),
    )?;
    match HandshakeResponse::parse(&answer.body) {
        Ok(response) => Ok(response),
        Err(error) => failed(
            "a handshake's answer",
            format!("{}: {error}", show::frame(&answer)),
        ),
    }
}

async fn versions(bench: &Bench) -> Checked {
    for version in 1..=3 {
        let mut link = bench.link().await?;
        let request = json!({
            "minimumSupport": 1, "maximumSupport": version, "clientType": "conformance",
        });
        let response = shake(&mut link, request).await?;
        same("protocol", response.protocol, version)?;
    }
    passed()
}

async fn newer_client(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    let request = json!({ "minimumSupport": 2, "maximumSupport": 9, "clientType": "conformance" });
    same("protocol", shake(&mut link, request).await?.protocol, 3)?;
    passed()
}

async fn defaults(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    same("protocol", shake(&mut link, json!({})).await?.protocol, 1)?;
    passed()
}

async fn no_common_version(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    let request = json!({ "minimumSupport": 4, "maximumSupport": 9, "clientType": "conformance" });
    let request = Frame::new(FrameType::HANDSHAKE, seq(), request.to_string());
    link.send(&request).await?;
    link.closed().await?;
    passed()
}

async fn malformed(bench: &Bench) -> Checked {
    let bodies = [
        "not json",
        "",
        r#"{"minimumSupport":"1","maximumSupport":"3","clientType":"conformance"}"#,
    ];
    let mut link = bench.link().await?;
    for body in bodies {
        link.send(&Frame::new(FrameType::HANDSHAKE, seq(), body))
            .await?;
        link.silent().await?;
    }
    let heartbeat = link.ask(FrameType::HEARTBEAT, "0").await?;
    same(
        "heartbeat in version 1",
        &*String::from_utf8_lossy(&heartbeat.body),
        "1",
    )?;
    passed()
}

async fn again(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    for (version, heartbeat) in [(3, "{\"heartBeat\":1}\n"), (1, "1")] {
        link.handshake(version).await?;
        let answer = link.ask(FrameType::HEARTBEAT, "0").await?;
        let what = format!("heartbeat in version {version}");
        same(&what, &*String::from_utf8_lossy(&answer.body), heartbeat)?;
    }
    passed()
}

async fn node_version(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    let response = shake(&mut link, json!({ "maximumSupport": 3 })).await?;
    let known = client_version(&mut link).await?;
    let supported = known["Supported Version"].as_str().unwrap_or_default();
    same("nodeVersion", response.node_version.as_str(), supported)?;
    holds(
        supported.split('.').count() == 3,
        "a version of three parts",
        supported,
    )?;
    passed()
}

async fn result(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    let mut request = Frame::new(FrameType::HANDSHAKE, seq(), "{}");
    request.result = 42;
    link.send(&request).await?;
    let answer = link.receive("an answer to the handshake").await?;
    same("seq of the answer", answer.seq, request.seq)?;
    same("result of the answer", answer.result, 42)?;
    passed()
}
