//! The upgrade, the handshake, signs of life, and messages that are not AMOP.

use amop_proto::ws::WsType;
use serde_json::Value;

use super::{
    super::problem::{Checked, failed, holds, passed, same},
    V3Bench, V3Check,
    link::{UPGRADE, encoded, opcode, shown},
};

pub(super) const CHECKS: &[V3Check] = &[
    V3Check {
        name: "upgrade-accepted",
        section: "3",
        about: "the request of an SDK is answered 101, with the right key",
        run: |bench| Box::pin(accepted(bench, UPGRADE.to_owned())),
    },
    V3Check {
        name: "upgrade-path",
        section: "3",
        about: "any path is accepted",
        run: |bench| Box::pin(accepted(bench, UPGRADE.replace("GET /", "GET /any/path"))),
    },
    V3Check {
        name: "upgrade-refused",
        section: "3",
        about: "a request that is no upgrade does not become a WebSocket",
        run: |bench| Box::pin(refused(bench)),
    },
    V3Check {
        name: "handshake-answer",
        section: "7",
        about: "the handshake is answered with the same type and seq, and a version",
        run: |bench| Box::pin(handshake(bench)),
    },
    V3Check {
        name: "handshake-malformed",
        section: "7",
        about: "a handshake that is not JSON is ignored, and a right one may follow",
        run: |bench| Box::pin(malformed_handshake(bench)),
    },
    V3Check {
        name: "ping-answered",
        section: "4.1",
        about: "a ping is answered with its own bytes, also before the handshake",
        run: |bench| Box::pin(ping(bench)),
    },
    V3Check {
        name: "text-frame",
        section: "15",
        about: "a text frame is handled like a binary one, or the connection is closed",
        run: |bench| Box::pin(text_frame(bench)),
    },
    V3Check {
        name: "unknown-type",
        section: "15",
        about: "a message of an unknown type is ignored",
        run: |bench| Box::pin(ignored(bench, WsType(0x7777))),
    },
    V3Check {
        name: "unknown-response",
        section: "15",
        about: "an answer to nothing is ignored",
        run: |bench| Box::pin(ignored(bench, WsType::RESPONSE)),
    },
    V3Check {
        name: "short-message",
        section: "15",
        about: "after a message of less than 10 bytes the connection is closed",
        run: |bench| Box::pin(short(bench)),
    },
    V3Check {
        name: "rpc-answered",
        section: "9.1",
        about: "a JSON-RPC request is answered with its seq and id",
        run: |bench| Box::pin(rpc(bench)),
    },
];

async fn accepted(bench: &V3Bench, request: String) -> Checked {
    let mut link = bench.connect().await?;
    let answer = link.upgrade(&request).await?;
    holds(
        answer.starts_with("HTTP/1.1 101 "),
        "the status 101",
        &answer,
    )?;
    let header = |name: &str| {
        let mut lines = answer.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.trim())
    };
    let is = |name, value: &str| header(name).eq_ignore_ascii_case(value);
    holds(is("Upgrade", "websocket"), "Upgrade: websocket", &answer)?;
    holds(is("Connection", "upgrade"), "Connection: upgrade", &answer)?;
    // RFC 6455, section 1.3.
    let key = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    same("Sec-WebSocket-Accept", header("Sec-WebSocket-Accept"), key)?;
    passed()
}

async fn refused(bench: &V3Bench) -> Checked {
    let mut link = bench.connect().await?;
    let request = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    let answer = link.upgrade(request).await?;
    let is_upgrade = answer.starts_with("HTTP/1.1 101");
    holds(!is_upgrade, "any status but 101, or the end", &answer)?;
    passed()
}

async fn handshake(bench: &V3Bench) -> Checked {
    let (_, answer) = bench.greeted().await?;
    let version = answer["protocolVersion"].as_u64();
    let is_right = version.is_some_and(|version| version <= 2);
    holds(is_right, "a protocolVersion of 0 to 2", &answer)?;
    for member in ["groupInfoList", "groupBlockNumber"] {
        let is_array = answer[member].is_array();
        holds(is_array, &format!("{member}: an array"), &answer)?;
    }
    passed()
}

async fn malformed_handshake(bench: &V3Bench) -> Checked {
    let mut link = bench.upgraded().await?;
    link.send(WsType::HANDSHAKE, &bench.seq(), "[").await?;
    let seq = bench.seq();
    let hello = r#"{"maxVersion":1,"minVersion":0,"moduleID":2}"#;
    link.send(WsType::HANDSHAKE, &seq, hello).await?;
    link.answer(&seq).await?;
    passed()
}

async fn ping(bench: &V3Bench) -> Checked {
    let mut link = bench.upgraded().await?;
    link.frame(opcode::PING, b"are you there?").await?;
    loop {
        match link.next().await? {
            Some((opcode::PONG, payload)) => {
                same("the pong's bytes", &payload[..], b"are you there?")?;
                return passed();
            }
            Some((opcode::PING, payload)) => link.frame(opcode::PONG, &payload).await?,
            Some((opcode, _)) => return failed("a pong", format!("the opcode {opcode}")),
            None => return failed("a pong", "the node closed the connection"),
        }
    }
}

async fn text_frame(bench: &V3Bench) -> Checked {
    let mut link = bench.upgraded().await?;
    let seq = bench.seq();
    let hello = br#"{"maxVersion":2,"minVersion":0,"moduleID":2}"#;
    let message = encoded(WsType::HANDSHAKE, &seq, hello);
    link.frame(opcode::TEXT, &message).await?;
    match link.next().await? {
        None | Some((opcode::CLOSE, _)) => Ok(Some("the node closes the connection".to_owned())),
        Some((opcode::BINARY | opcode::TEXT, _)) => passed(),
        Some((opcode, _)) => failed("an answer or the end", format!("the opcode {opcode}")),
    }
}

async fn ignored(bench: &V3Bench, kind: WsType) -> Checked {
    let mut link = bench.session().await?;
    link.send(kind, &bench.seq(), "anything").await?;
    bench.quiet(&mut link).await?;
    passed()
}

async fn short(bench: &V3Bench) -> Checked {
    let mut link = bench.session().await?;
    link.frame(opcode::BINARY, b"too short").await?;
    link.is_closed().await?;
    passed()
}

async fn rpc(bench: &V3Bench) -> Checked {
    let mut link = bench.session().await?;
    let seq = bench.seq();
    let request = r#"{"jsonrpc":"2.0","method":"getGroupList","params":[],"id":7}"#;
    link.send(WsType::RPC, &seq, request).await?;
    let answer = link.answer(&seq).await?;
    // The type of nodes since 3.1.0, and the one before.
    let is_known = matches!(answer.kind, WsType::NODE_ANSWER | WsType::RPC);
    holds(is_known, "the type 0x0000 or 0x0102", shown(&answer))?;
    let json: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
    holds(json["id"] == 7, "JSON with the id 7", shown(&answer))?;
    passed()
}
