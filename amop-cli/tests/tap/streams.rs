//! No byte is changed on its way through the tap.

use super::*;

/// Connects to the tap, and returns both ends of the path through it.
async fn through(
    network: &Network,
    tap: &Tap,
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
) -> (RawLink, TlsStream<TcpStream>) {
    let address = tap.address().to_string();
    let near = RawLink::connect(&address, network.sdk().client_config().unwrap());
    let far = async {
        let (tcp, _) = listener.accept().await.unwrap();
        acceptor.accept(tcp).await.unwrap()
    };
    let (near, far) = within("both ends", async { tokio::join!(near, far) }).await;
    (near.unwrap(), far)
}

/// Returns the content of the next TLS record.
async fn record(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let content = within("a record", stream.fill_buf())
        .await
        .unwrap()
        .to_vec();
    stream.consume(content.len());
    content
}

/// Split and joined frames arrive as they were sent, in both directions.
#[tokio::test(flavor = "multi_thread")]
async fn records_stay_as_they_are() {
    let network = network(1).await;
    let (listener, acceptor, address) = far_end(&network).await;
    let (tap, mut records) = tap(&network, &address).await;
    let (mut near, mut far) = through(&network, &tap, &listener, &acceptor).await;
    let mut joined = BytesMut::new();
    Frame::amop(FrameType::MULTICAST, seq(1), b"t", b"one").encode(&mut joined);
    Frame::amop(FrameType::MULTICAST, seq(2), b"t", &[9; 3000]).encode(&mut joined);
    let pieces = [&joined[..], &joined[..7], &joined[7..100], &joined[100..]];
    for piece in pieces {
        within("writing", near.write(piece)).await.unwrap();
    }
    for piece in pieces {
        assert_eq!(record(&mut far).await, piece);
    }
    for piece in pieces {
        far.write_all(piece).await.unwrap();
        far.flush().await.unwrap();
    }
    for piece in pieces {
        let got = within("reading", near.read()).await.unwrap();
        assert_eq!(got.as_deref(), Some(piece));
    }
    let mut lengths = Vec::new();
    for _ in 0..8 {
        let (direction, frame) = frame(&mut records, "multicast").await;
        lengths.push((
            direction,
            frame.payload_len,
            frame.payload.len() <= 64 + 254,
        ));
    }
    let of = |direction| [3, 3000, 3, 3000].map(|len| (direction, len, true));
    assert_eq!(
        lengths,
        [of(Direction::ToNode), of(Direction::ToSdk)].concat()
    );
    within("the end", tap.shutdown()).await;
    network.shutdown().await;
}

/// Bytes that are not frames are reported and passed on unchanged, up to the last byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_stream_passes_unchanged() {
    let network = network(1).await;
    let (listener, acceptor, address) = far_end(&network).await;
    let (tap, mut records) = tap(&network, &address).await;
    let (mut near, mut far) = through(&network, &tap, &listener, &acceptor).await;
    let mut sent = Frame::new(FrameType::HEARTBEAT, seq(1), "0")
        .to_bytes()
        .to_vec();
    // A length below that of a header, and then any bytes.
    sent.extend_from_slice(b"\0\0\0\x29\xff\0\x1b[2J anything");
    within("writing", near.write(&sent)).await.unwrap();
    // The other direction ends within a frame.
    far.write_all(&sent[..20]).await.unwrap();
    far.flush().await.unwrap();
    let mut got = vec![0; sent.len()];
    within("reading", far.read_exact(&mut got)).await.unwrap();
    assert_eq!(got, sent);
    let back = within("reading", near.read()).await.unwrap();
    assert_eq!(back.as_deref(), Some(&sent[..20]));
    far.shutdown().await.unwrap();
    assert_eq!(within("the end", near.read()).await.unwrap(), None);
    drop(near);

    let mut told = Vec::new();
    loop {
        let record = other(&mut records).await;
        let line = record.to_text(Style {
            hex: false,
            max: 64,
        });
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let ended = line.contains(" ended: ");
        told.push(line);
        if ended {
            break;
        }
    }
    let count = |part: &str| told.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("sdk->node frame length 41 is below"), 1, "{told:#?}");
    assert_eq!(
        count("sdk->node undecodable 4 bytes 00000029"),
        1,
        "{told:#?}"
    );
    assert_eq!(
        count("sdk->node undecodable 15 bytes ff001b5b324a20616e797468696e67"),
        1,
        "{told:#?}"
    );
    assert_eq!(
        count("node->sdk truncated, 23 bytes missing after"),
        1,
        "{told:#?}"
    );
    within("the end", tap.shutdown()).await;
    network.shutdown().await;
}
