//! Pings and their answers.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_idle_connection_does_not_time_out_because_of_pongs() {
    let (mut stream, mut raw) = node(WsLimits::default());
    let pongs = async {
        for _ in 0..30 {
            raw.write_all(&masked(0x8a, b"")).await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        raw.write_all(&masked(0x82, &message(b"late")))
            .await
            .unwrap();
    };
    let (got, ()) = tokio::join!(async { next(&mut stream).await.unwrap() }, pongs);
    assert_eq!(got.unwrap(), b"late");
}

#[tokio::test(start_paused = true)]
async fn frames_that_a_pong_allows_are_read_at_once() {
    let (mut stream, mut raw) = node(WsLimits::default());
    stream.bridge_mut().when_ponged = Some(frame(b"read".to_vec()));
    // A ping is a sign of life and allows nothing.
    raw.write_all(&masked(0x89, b"")).await.unwrap();
    let got = tokio::time::timeout(Duration::from_secs(1), next(&mut stream)).await;
    assert!(got.is_err(), "{got:?}");
    raw.write_all(&masked(0x8a, b"")).await.unwrap();
    let got = tokio::time::timeout(Duration::from_secs(1), next(&mut stream)).await;
    assert_eq!(got.unwrap().unwrap().unwrap(), b"read");
}

#[tokio::test(start_paused = true)]
async fn pongs_wait_while_the_bridge_holds_them() {
    let (mut stream, mut raw) = node(WsLimits::default());
    stream.bridge_mut().holds_pongs = true;
    raw.write_all(&masked(0x89, b"one")).await.unwrap();
    raw.write_all(&masked(0x89, b"two")).await.unwrap();
    raw.write_all(&masked(0x82, &message(b"message")))
        .await
        .unwrap();
    // Messages do not wait.
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), b"message");
    let mut sent = [0; 10];
    let first = raw.read_exact(&mut sent);
    let first = tokio::time::timeout(Duration::from_secs(1), first).await;
    assert!(first.is_err(), "{first:?}");
    let mut answer = BytesMut::new();
    frame(b"".to_vec()).encode(&mut answer);
    stream.write_all(&answer).await.unwrap();
    stream.flush().await.unwrap();
    raw.read_exact(&mut sent).await.unwrap();
    assert_eq!(&sent, b"\x8a\x03one\x8a\x03two");
}

#[tokio::test(start_paused = true)]
async fn a_side_that_asks_for_pongs_and_gets_none_is_not_read_any_more() {
    for holds_pongs in [false, true] {
        let (mut stream, raw) = node(WsLimits::default());
        stream.bridge_mut().holds_pongs = holds_pongs;
        ask_for_pongs(stream, raw).await;
    }
}

/// Reads no pong.
async fn ask_for_pongs(mut stream: BridgeStream<DuplexStream, Plain>, mut raw: DuplexStream) {
    let mut sent = 0;
    let flood = async {
        let ping = masked(0x89, &[0; 125]);
        while let Ok(written) =
            tokio::time::timeout(Duration::from_secs(1), raw.write_all(&ping)).await
        {
            written.unwrap();
            sent += ping.len();
        }
    };
    tokio::select! {
        end = next(&mut stream) => panic!("{end:?}"),
        () = flood => {}
    }
    assert!(sent < 4 * 64 * 1024, "{sent}");
}
