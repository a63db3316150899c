use tokio::net::TcpStream;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a proxy to a server that sends back what it gets.
async fn echo() -> (
    Proxy,
    watch::Sender<Option<SocketAddr>>,
    tokio::task::JoinHandle<()>,
) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = watch::Sender::new(Some(listener.local_addr().unwrap()));
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.into_split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    let proxy = Proxy::start(target.subscribe()).await.unwrap();
    (proxy, target, task)
}

/// Sends a byte and returns whether it came back.
async fn comes_back(stream: &mut TcpStream) -> bool {
    let mut byte = [7];
    if stream.write_all(&byte).await.is_err() {
        return false;
    }
    match timeout(PATIENCE, stream.read(&mut byte)).await {
        Ok(Ok(len)) => len == 1,
        Ok(Err(_)) => false,
        Err(_) => panic!("neither an answer nor an end"),
    }
}

async fn is_refused(proxy: &Proxy) -> bool {
    match TcpStream::connect(proxy.address()).await {
        Ok(mut stream) => !comes_back(&mut stream).await,
        Err(_) => true,
    }
}

#[tokio::test]
async fn a_cut_ends_connections_and_refuses_new_ones_until_repaired() {
    let (proxy, _target, echo) = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(comes_back(&mut stream).await);
    assert!(proxy.open_for().is_some());
    proxy.set(WireState::Cut);
    assert!(!comes_back(&mut stream).await);
    assert!(is_refused(&proxy).await);
    assert_eq!(proxy.open_for(), None);
    proxy.set(WireState::Open {
        delay: Duration::from_millis(1),
    });
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(comes_back(&mut stream).await);
    timeout(PATIENCE, proxy.stop()).await.unwrap();
    assert!(!comes_back(&mut stream).await);
    echo.abort();
}

#[tokio::test]
async fn a_held_wire_swallows_and_what_it_swallowed_never_comes() {
    let (proxy, _target, echo) = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(comes_back(&mut stream).await);
    proxy.set(WireState::Held);
    stream.write_all(&[1]).await.unwrap();
    let mut byte = [0];
    let silent = timeout(Duration::from_millis(200), stream.read(&mut byte)).await;
    assert!(silent.is_err(), "{silent:?}");
    // Later data does not arrive, either: half a conversation would be worse than none.
    proxy.set(WireState::GOOD);
    stream.write_all(&[2]).await.unwrap();
    let silent = timeout(Duration::from_millis(200), stream.read(&mut byte)).await;
    assert!(silent.is_err(), "{silent:?}");
    proxy.set(WireState::Cut);
    assert!(!comes_back(&mut stream).await);
    proxy.stop().await;
    echo.abort();
}

#[tokio::test]
async fn without_a_target_connections_are_reset() {
    let (proxy, target, echo) = echo().await;
    let address = target.send_replace(None);
    assert!(is_refused(&proxy).await);
    target.send_replace(address);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(comes_back(&mut stream).await);
    proxy.stop().await;
    echo.abort();
}
