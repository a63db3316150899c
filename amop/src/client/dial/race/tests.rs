use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::Generation;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn way(generation: Generation, patience: Option<Duration>) -> DialWay {
    DialWay {
        generation,
        patience,
    }
}

/// Returns an address whose queue of connections is full, so that it does not answer.
async fn silent() -> (SocketAddr, Vec<TcpStream>, tokio::net::TcpListener) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(at("127.0.0.1:0")).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    let patience = Duration::from_millis(300);
    while let Ok(stream) = timeout(patience, TcpStream::connect(address)).await {
        held.push(stream.unwrap());
    }
    (address, held, listener)
}

/// Returns which address wins if only `good` completes the handshake, or the error if none
/// does.
async fn race(addresses: Vec<SocketAddr>, good: SocketAddr) -> Result<SocketAddr, String> {
    let endpoint = "node.example.org:1".parse::<HostPort>().unwrap();
    let mut race = Race::new(&endpoint, way(Generation::V2, None), addresses);
    let won = race.run(async |stream| {
        let address = stream.peer_addr().unwrap();
        if address == good {
            return Ok(());
        }
        Err(ConnectError::NotANode {
            endpoint: address.to_string(),
            source: amop_proto::channel::FrameError::TooShort { len: 0 },
        })
    });
    let won = timeout(Duration::from_secs(60), won).await.unwrap();
    let won = won.map(|(address, ())| address);
    won.map_err(|error| error.map_or_else(String::new, |error| error.to_string()))
}

#[tokio::test]
async fn an_address_that_does_not_do_takes_no_other_one_s_place() {
    let (silent, _held, _listener) = silent().await;
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    // Something else listens there.
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wrong = other.local_addr().unwrap();
    for addresses in [
        vec![silent, good],
        vec![closed, silent, good],
        vec![silent, closed, good],
        vec![wrong, good],
        vec![silent, wrong, closed, good],
        vec![good, silent],
    ] {
        assert_eq!(race(addresses, good).await.unwrap(), good);
    }
    let error = race(vec![closed], good).await.unwrap_err();
    assert!(error.contains(&closed.to_string()), "{error}");
    for addresses in [vec![closed, wrong], vec![wrong, closed]] {
        let error = race(addresses, good).await.unwrap_err();
        assert!(
            error.contains("does not speak the channel protocol"),
            "{error}"
        );
    }
    assert_eq!(race(Vec::new(), good).await.unwrap_err(), "");
}

/// An address that accepts the connection but never answers must not block the others forever.
#[tokio::test]
async fn an_address_that_says_nothing_is_not_waited_for() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let addresses = vec![mute.local_addr().unwrap(), good];
    let endpoint = "node.example.org:1".parse::<HostPort>().unwrap();
    let mut race = Race::new(&endpoint, way(Generation::V2, None), addresses);
    let won = race.run(async |stream| {
        let address = stream.peer_addr().unwrap();
        if address != good {
            std::future::pending::<()>().await;
        }
        Ok(())
    });
    let won = timeout(Duration::from_secs(60), won).await.unwrap();
    assert_eq!(won.ok(), Some((good, ())));
}

/// A node of 2.x that is taken for one of 3.x, and whose name has another address that does not answer:
/// there must be time left to speak 2.x to it.
#[tokio::test]
async fn an_address_that_suggests_another_generation_ends_the_race() {
    let (silent, _held, _listener) = silent().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let old = listener.local_addr().unwrap();
    let refused = async |_: TcpStream| {
        Err::<(), _>(ConnectError::Upgrade {
            endpoint: "node.example.org:1".to_owned(),
            source: amop_ws::UpgradeError::Closed,
        })
    };
    let endpoint = "node.example.org:1".parse::<HostPort>().unwrap();
    let soon = Some(Duration::from_millis(200));
    for addresses in [vec![silent, old], vec![old, silent]] {
        let mut race = Race::new(&endpoint, way(Generation::V3, soon), addresses);
        let won = timeout(Duration::from_secs(60), race.run(refused)).await;
        let error = won.unwrap().unwrap_err().unwrap();
        assert!(error.suggests_another_than(Generation::V3), "{error:?}");
    }
    // And at the end of the time for everything, its answer says more than that time.
    let text = old.to_string();
    let budget = Budget::new(text.as_str().into(), Duration::from_millis(500));
    let endpoint = text.parse::<HostPort>().unwrap();
    let order = AddressOrder::default();
    let connected = connect(
        &endpoint,
        &order,
        (way(Generation::V3, None), &budget),
        refused,
    );
    let error = connected.await.unwrap_err();
    assert!(matches!(error, ConnectError::Upgrade { .. }), "{error:?}");
}
