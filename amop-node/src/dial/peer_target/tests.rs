use amop_tls::pki::{Authority, Leaf};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// Returns an address whose accept queue is full: connecting to it gets no answer.
async fn silent() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    let patience = Duration::from_millis(300);
    while let Ok(stream) = timeout(patience, TcpStream::connect(address)).await {
        held.push(stream.unwrap());
    }
    (address, held, listener)
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.extend(acceptor.accept(stream).await);
    }
}

#[tokio::test]
async fn the_first_address_of_a_name_is_not_the_only_one() {
    let agency = Authority::new_ec("chain")
        .unwrap()
        .agency("agency")
        .unwrap();
    let issued = agency.issue(Leaf::Node, "node0").unwrap();
    let (cert, key) = (issued.cert_pem.as_bytes(), issued.key_pem.as_bytes());
    let identity = Identity::from_pem(cert, key, agency.root_pem().as_bytes()).unwrap();
    let (listener, good) = listen().await;
    let acceptor = TlsAcceptor::from(identity.peer_server_config(None).unwrap());
    let serving = tokio::spawn(serve(listener, acceptor));
    // One address accepts connections and closes them.
    let (other, wrong) = listen().await;
    let hanging_up = tokio::spawn(async move {
        while let Ok((stream, _)) = other.accept().await {
            drop(stream);
        }
    });
    let (silent, _held, _listener) = silent().await;
    let closed = listen().await.1;

    let stop = CancellationToken::new();
    let (ports, thread) = Ports::start(stop.clone()).unwrap();
    let tls = identity.peer_client_config(None).unwrap();
    let (own_listener, own) = listen().await;
    let own_acceptor = TlsAcceptor::from(identity.peer_server_config(None).unwrap());
    let own_serving = tokio::spawn(serve(own_listener, own_acceptor));
    let run = async |addresses: Vec<SocketAddr>| {
        let recognise = move |address, _: &TlsStream<Tcp>| match address == own {
            true => Err(DialError::Itself),
            false => Ok(address),
        };
        let racing = first_usable(ports.clone(), addresses, (tls.clone(), Mode::Ec), recognise);
        let won = timeout(LONG, ports.run(racing)).await.unwrap().unwrap();
        won.map(|(address, _)| address)
    };
    for addresses in [
        vec![silent, good],
        vec![closed, good],
        vec![wrong, good],
        vec![silent, wrong, closed, good],
        vec![good, silent],
        // A name that all nodes share is also this node's.
        vec![own, good],
        vec![own, wrong, silent, good],
    ] {
        assert_eq!(run(addresses).await.unwrap(), good);
    }
    let error = run(vec![own]).await.unwrap_err();
    assert!(matches!(error, DialError::Itself), "{error}");
    // The others may come back.
    for addresses in [
        vec![own, closed],
        vec![closed, own],
        vec![closed, own, closed],
    ] {
        let error = run(addresses).await.unwrap_err();
        assert!(matches!(error, DialError::Connect(_)), "{error}");
    }
    // The error of the address that accepted the connection is the most helpful.
    for addresses in [vec![closed, wrong], vec![wrong, closed]] {
        let error = run(addresses).await.unwrap_err();
        assert!(matches!(error, DialError::Tls(_)), "{error}");
    }
    let error = run(vec![closed]).await.unwrap_err();
    assert!(matches!(error, DialError::Connect(_)), "{error}");
    let error = run(Vec::new()).await.unwrap_err();
    assert!(matches!(error, DialError::NoAddress), "{error}");
    serving.abort();
    own_serving.abort();
    hanging_up.abort();
    stop.cancel();
    thread.join().await;
}
