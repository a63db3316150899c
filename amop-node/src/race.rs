//! Connects to a host name that may have several addresses.

use std::{future::Future, net::SocketAddr};

use amop_proto::race::AddressRace;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// The result of one step for one of several addresses.
enum DialStep<S, T, E> {
    Connected(Result<S, E>),
    Shaken(Result<T, E>),
}

/// Returns the first connection that is established, handshake included, and its address. The
/// addresses are tried in parallel, as [`AddressRace`] says: `connect` makes a connection, and
/// `shake` does the handshake.
///
/// If all fail, returns the last one of the errors with the highest `rank`; `None` if there is no
/// address. An address whose task panics counts as one that failed.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use tokio::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let addresses = vec![([127, 0, 0, 1], 1).into(), listener.local_addr()?];
/// let shake = async |_, stream| Ok(stream);
/// let won = amop_node::race::connect(addresses, TcpStream::connect, shake, |_| 0).await;
/// assert_eq!(won.unwrap().0, listener.local_addr()?);
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// See above.
///
/// # Cancel safety
///
/// If the future is dropped, all connections are closed.
pub async fn connect<S, T, E, C, H>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> C,
    shake: impl Fn(SocketAddr, S) -> H,
    rank: impl Fn(&E) -> u8,
) -> Result<(SocketAddr, T), Option<E>>
where
    S: Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
    C: Future<Output = Result<S, E>> + Send + 'static,
    H: Future<Output = Result<T, E>> + Send + 'static,
{
    let mut addresses = AddressRace::new(addresses);
    let mut steps = JoinSet::new();
    let mut last: Option<E> = None;
    loop {
        while let Some(address) = addresses.poll(Instant::now().into_std()) {
            let connecting = connect(address);
            steps.spawn(async move { (address, DialStep::Connected(connecting.await)) });
        }
        let due = async {
            match addresses.next_timeout() {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let step = tokio::select! {
            step = steps.join_next() => step,
            () = due => continue,
        };
        let error = match step {
            Some(Ok((address, DialStep::Connected(Ok(stream))))) => {
                addresses.connected(Instant::now().into_std());
                let shaking = shake(address, stream);
                steps.spawn(async move { (address, DialStep::Shaken(shaking.await)) });
                continue;
            }
            Some(Ok((address, DialStep::Shaken(Ok(won))))) => return Ok((address, won)),
            Some(Ok((_, DialStep::Connected(Err(error)) | DialStep::Shaken(Err(error))))) => {
                Some(error)
            }
            Some(Err(_)) => None,
            None => return Err(last),
        };
        addresses.failed();
        if let Some(error) = error
            && last.as_ref().is_none_or(|last| rank(&error) >= rank(last))
        {
            last = Some(error);
        }
    }
}
