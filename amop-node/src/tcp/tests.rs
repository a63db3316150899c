use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

#[tokio::test]
async fn before_the_handshake_is_over_no_more_comes_than_it_takes() {
    let (mut near, far) = duplex(1 << 20);
    let mut tcp = Tcp::over(far);
    tcp.allowance = Some(HANDSHAKE);
    near.write_all(&vec![1; HANDSHAKE + 1]).await.unwrap();
    let mut got = vec![0; HANDSHAKE];
    tcp.read_exact(&mut got[..HANDSHAKE - 1]).await.unwrap();
    let error = tcp.read_exact(&mut got[..2]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(tcp.buffer.capacity(), 0);
}

#[tokio::test]
async fn everything_comes_in_order_whatever_is_asked_for_and_nothing_is_kept_when_little_comes() {
    let (mut near, far) = duplex(1 << 20);
    let mut tcp = Tcp::over(far);
    let sent: Vec<u8> = (0..300_000).map(|n| (n % 251) as u8).collect();
    near.write_all(&sent).await.unwrap();
    let mut got = vec![0; sent.len()];
    let mut at = 0;
    for asked in [1, 5000, 4096, 7, 100_000, 4096].into_iter().cycle() {
        if at == got.len() {
            break;
        }
        let end = got.len().min(at + asked);
        at += tcp.read(&mut got[at..end]).await.unwrap();
    }
    assert!(got == sent);
    assert_eq!(tcp.buffer.len(), READ_AHEAD);
    for _ in 0..2 {
        near.write_all(b"little").await.unwrap();
        let mut little = [0; 4096];
        let len = tcp.read(&mut little).await.unwrap();
        assert_eq!(&little[..len], b"little");
    }
    assert_eq!(tcp.buffer.capacity(), 0);
    drop(near);
    assert_eq!(tcp.read(&mut got).await.unwrap(), 0);
}

#[tokio::test]
async fn nothing_is_kept_while_a_connection_waits_after_much_has_come() {
    let (mut near, far) = duplex(1 << 20);
    let mut tcp = Tcp::over(far);
    near.write_all(&[1; 20_000]).await.unwrap();
    let mut got = vec![0; 20_000];
    tcp.read_exact(&mut got).await.unwrap();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut out = [0; 4096];
    for round in 2..6 {
        let mut read = ReadBuf::new(&mut out);
        assert!(
            Pin::new(&mut tcp)
                .poll_read(&mut cx, &mut read)
                .is_pending()
        );
        assert!(tcp.much);
        assert_eq!(tcp.buffer.capacity(), 0);
        near.write_all(&vec![round; 20_000]).await.unwrap();
        tcp.read_exact(&mut got).await.unwrap();
        assert!(got.iter().all(|&byte| byte == round));
    }
}
