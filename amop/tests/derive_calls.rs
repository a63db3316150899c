//! Tests which of the client's methods the functions of the macros call, and with which topic. A
//! client that records the calls is used instead of `amop::Client`.

use recorder::Client;

/// The parts of `amop` that the macros need, with another client.
mod recorder {
    pub(crate) use amop::{
        __private, Describe, DescribedTopic, PublishError, Refusal, Request, SubscribeError, Topic,
        codec,
    };
    use std::{marker::PhantomData, sync::Mutex};

    #[derive(Default)]
    pub(crate) struct Client(Mutex<Vec<String>>);

    #[derive(Debug)]
    pub(crate) struct Subscription<T>(PhantomData<T>);

    #[derive(Debug)]
    pub(crate) struct Deliveries<T>(PhantomData<T>);

    impl Client {
        /// Returns the calls since the last time.
        pub(crate) fn calls(&self) -> Vec<String> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }

        fn note<T: Topic>(&self, method: &str, topic: &str, message: Option<&T>) {
            use amop::Codec;
            let payload = message.map(|message| T::Codec::encode(message).unwrap());
            let line = match payload {
                Some(payload) => format!("{method} {topic} {}", String::from_utf8_lossy(&payload)),
                None => format!("{method} {topic}"),
            };
            self.0.lock().unwrap().push(line);
        }
    }

    macro_rules! subscribing {
        ($own:ident, $other:ident, $result:ident) => {
            impl Client {
                pub(crate) async fn $own<T: Topic>(&self) -> Result<$result<T>, SubscribeError> {
                    self.note::<T>(stringify!($own), T::TOPIC, None);
                    Ok($result(PhantomData))
                }

                pub(crate) async fn $other<T: Topic>(
                    &self,
                    topic: &str,
                ) -> Result<$result<T>, SubscribeError> {
                    self.note::<T>(stringify!($other), topic, None);
                    Ok($result(PhantomData))
                }
            }
        };
    }
    subscribing!(subscribe, subscribe_to, Subscription);
    subscribing!(deliveries, deliveries_to, Deliveries);

    /// A server that keeps its concurrency and its handler.
    pub(crate) struct Server<T: Request, F, O = <T as Request>::Reply>(
        pub(crate) usize,
        pub(crate) F,
        PhantomData<(T, O)>,
    );

    impl Client {
        pub(crate) async fn serve<T: Request, F: AsyncFn(T) -> T::Reply>(
            &self,
            concurrency: usize,
            handler: F,
        ) -> Result<Server<T, F>, SubscribeError> {
            self.note::<T>("serve", T::TOPIC, None);
            Ok(Server(concurrency, handler, PhantomData))
        }

        pub(crate) async fn try_serve<T: Request, F: AsyncFn(T) -> Result<T::Reply, Refusal>>(
            &self,
            concurrency: usize,
            handler: F,
        ) -> Result<Server<T, F, Result<T::Reply, Refusal>>, SubscribeError> {
            self.note::<T>("try_serve", T::TOPIC, None);
            Ok(Server(concurrency, handler, PhantomData))
        }
    }

    macro_rules! publishing {
        ($own:ident, $other:ident, $bound:ident, $result:ty, $value:expr) => {
            impl Client {
                pub(crate) fn $own<'a, T: $bound>(
                    &'a self,
                    message: &T,
                ) -> impl Future<Output = Result<$result, PublishError>> + Send + use<'a, T> {
                    self.note(stringify!($own), T::TOPIC, Some(message));
                    async { $value }
                }

                pub(crate) fn $other<'a, T: $bound>(
                    &'a self,
                    topic: &str,
                    message: &T,
                ) -> impl Future<Output = Result<$result, PublishError>> + Send + use<'a, T> {
                    self.note(stringify!($other), topic, Some(message));
                    async { $value }
                }
            }
        };
    }
    publishing!(publish_unicast, publish_unicast_to, Topic, (), Ok(()));
    publishing!(publish_multicast, publish_multicast_to, Topic, (), Ok(()));
    publishing!(request, request_to, Request, T::Reply, {
        use amop::Codec;
        Ok(T::ReplyCodec::decode("pong".into()).unwrap())
    });
}

#[amop::topic("own", reply = String, crate = "crate::derive_calls::recorder")]
struct Ping(String);

#[tokio::test]
async fn publishing() {
    let client = Client::default();
    let ping = Ping("ping".to_owned());

    ping.publish_unicast(&client).await.unwrap();
    assert_eq!(client.calls(), ["publish_unicast own ping"]);
    ping.publish_unicast_to(&client, "other").await.unwrap();
    assert_eq!(client.calls(), ["publish_unicast_to other ping"]);
    ping.publish_multicast(&client).await.unwrap();
    assert_eq!(client.calls(), ["publish_multicast own ping"]);
    ping.publish_multicast_to(&client, "other").await.unwrap();
    assert_eq!(client.calls(), ["publish_multicast_to other ping"]);
}

#[tokio::test]
async fn requests() {
    let client = Client::default();
    let ping = Ping("ping".to_owned());

    assert_eq!(ping.request(&client).await.unwrap(), "pong");
    assert_eq!(client.calls(), ["request own ping"]);
    assert_eq!(ping.request_to(&client, "other").await.unwrap(), "pong");
    assert_eq!(client.calls(), ["request_to other ping"]);
}

#[tokio::test]
async fn serving() {
    let client = Client::default();
    let ping = || Ping("ping".to_owned());

    let server = Ping::serve(&client, 3, async |ping| ping.0 + " pong")
        .await
        .unwrap();
    assert_eq!(
        (server.0, (server.1)(ping()).await),
        (3, "ping pong".to_owned())
    );
    assert_eq!(client.calls(), ["serve own"]);
    let server = Ping::try_serve(&client, 4, async |ping| Ok(ping.0))
        .await
        .unwrap();
    assert_eq!(
        (server.0, (server.1)(ping()).await.unwrap()),
        (4, "ping".to_owned())
    );
    assert_eq!(client.calls(), ["try_serve own"]);
}

#[tokio::test]
async fn subscribing() {
    let client = Client::default();

    let _: recorder::Subscription<Ping> = Ping::subscribe(&client).await.unwrap();
    assert_eq!(client.calls(), ["subscribe own"]);
    Ping::subscribe_to(&client, "other").await.unwrap();
    assert_eq!(client.calls(), ["subscribe_to other"]);
    let _: recorder::Deliveries<Ping> = Ping::deliveries(&client).await.unwrap();
    assert_eq!(client.calls(), ["deliveries own"]);
    Ping::deliveries_to(&client, "other").await.unwrap();
    assert_eq!(client.calls(), ["deliveries_to other"]);
}

/// A message with a cell in it is `Send` but not `Sync`; its futures can be spawned nevertheless.
#[amop::topic("cell", codec = "json", reply = u64)]
struct Counted {
    count: std::cell::Cell<u64>,
}

#[test]
fn futures_of_publishing_can_be_spawned() {
    fn spawnable<F: Future + Send>(_: fn(&Counted, &'static amop::Client) -> F) {}
    spawnable(|message, client| message.publish_unicast(client));
    spawnable(|message, client| message.publish_unicast_to(client, "other"));
    spawnable(|message, client| message.publish_multicast(client));
    spawnable(|message, client| message.publish_multicast_to(client, "other"));
    spawnable(|message, client| message.request(client));
    spawnable(|message, client| message.request_to(client, "other"));
    assert_eq!(Counted { count: 1.into() }.count.get(), 1);
}
