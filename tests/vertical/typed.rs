//! Typed messages: every codec, unicast and multicast, requests and replies.
//!
//! No trait of `amop` is in scope: the generated functions are inherent.

use std::fmt::Debug;

use amop::{Client, PublishErrorKind};
use amop_testkit::{client, network, within};

#[amop::topic("hello")]
#[derive(Debug, Clone, PartialEq)]
struct Hello(String);

#[amop::topic("price")]
#[derive(Debug, Clone, PartialEq)]
struct Price {
    symbol: String,
    cents: u64,
}

#[amop::topic("trade", codec = "protobuf")]
#[derive(Clone, PartialEq, prost::Message)]
struct Trade {
    #[prost(string, tag = "1")]
    symbol: String,
    #[prost(uint64, tag = "2")]
    amount: u64,
}

#[amop::topic("blob", codec = "bytes")]
#[derive(Debug, Clone, PartialEq)]
struct Blob(Vec<u8>);

#[amop::topic("quote", reply = QuoteReply)]
#[derive(Debug, Clone, PartialEq)]
struct Quote {
    bond: String,
    price: u64,
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct QuoteReply {
    accepted: bool,
    at: u64,
}

/// Like [`Price`], but declared with a type that does not fit.
#[amop::topic("price", codec = "protobuf")]
#[derive(Clone, PartialEq, prost::Message)]
struct NoPrice {
    #[prost(string, tag = "1")]
    symbol: String,
}

fn hello() -> Hello {
    Hello("hello, FISCO BCOS, I am unique broadcast publisher! 0".to_owned())
}

fn price() -> Price {
    Price {
        symbol: "FISCO \"BCOS\" \u{1f980}".to_owned(),
        cents: u64::MAX,
    }
}

/// Sends a message and its reply, as unicast and as multicast.
macro_rules! travels {
    ($name:ident, $message:expr, $type:ty) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let network = network(2).await;
            let (near, far) = (client(&network, 0).await, client(&network, 1).await);
            for (publisher, subscriber) in [(&near, &far), (&far, &near)] {
                let message: $type = $message;
                let mut subscription = <$type>::subscribe(subscriber).await.unwrap();
                let (published, received) = within("a unicast", async {
                    tokio::join!(message.publish_unicast(publisher), subscription.next())
                })
                .await;
                published.unwrap();
                assert_eq!(received.as_ref(), Some(&message));

                message.publish_multicast(publisher).await.unwrap();
                let received = within("a multicast", subscription.next()).await;
                assert_eq!(received.as_ref(), Some(&message));
                subscription.unsubscribe().await.unwrap();
            }
            end(network, [near, far]).await;
        }
    };
}

travels!(text_travels, hello(), Hello);
travels!(json_travels, price(), Price);
travels!(
    protobuf_travels,
    Trade {
        symbol: "FISCO".to_owned(),
        amount: 7
    },
    Trade
);
travels!(bytes_travel, Blob((0..=255).collect()), Blob);

async fn end(network: amop_node::Network, clients: impl IntoIterator<Item = Client>) {
    for client in clients {
        client.close().await;
    }
    network.shutdown().await;
}

/// The wire carries only the payload, so that programs in other languages understand it.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_envelope() {
    let network = network(2).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 1).await);
    let topics = ["hello", "price", "trade", "blob"];
    let mut raw = Vec::new();
    for topic in topics {
        raw.push(
            subscriber
                .subscribe_raw(&topic.parse().unwrap())
                .await
                .unwrap(),
        );
    }
    let trade = Trade {
        symbol: "x".to_owned(),
        amount: 1,
    };
    let hello = hello();
    hello.publish_multicast(&publisher).await.unwrap();
    let price = Price {
        symbol: "x".to_owned(),
        cents: 1,
    };
    price.publish_multicast(&publisher).await.unwrap();
    trade.publish_multicast(&publisher).await.unwrap();
    Blob(vec![0, 255])
        .publish_multicast(&publisher)
        .await
        .unwrap();
    let expected: [&[u8]; 4] = [
        hello.0.as_bytes(),
        br#"{"symbol":"x","cents":1}"#,
        b"\x0a\x01x\x10\x01",
        b"\x00\xff",
    ];
    for ((subscription, expected), topic) in raw.iter_mut().zip(expected).zip(topics) {
        let delivery = within("a multicast", subscription.next()).await.unwrap();
        assert_eq!(delivery.topic(), topic);
        assert_eq!(&delivery[..], expected);
    }
    end(network, [publisher, subscriber]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_gets_the_reply_of_its_subscriber() {
    let network = network(2).await;
    let (asking, answering) = (client(&network, 0).await, client(&network, 1).await);
    let mut quotes = Quote::deliveries(&answering).await.unwrap();
    let desk = tokio::spawn(async move {
        while let Some(quote) = quotes.next().await {
            let quote = quote.unwrap();
            let reply = QuoteReply {
                accepted: quote.bond == "good",
                at: quote.price,
            };
            quote.reply(reply).unwrap();
        }
    });
    for (bond, at) in [("good", 1), ("bad", 2)] {
        let quote = Quote {
            bond: bond.to_owned(),
            price: at,
        };
        let reply = within("a reply", quote.request(&asking)).await.unwrap();
        let accepted = bond == "good";
        assert_eq!(reply, QuoteReply { accepted, at });
    }
    end(network, [asking, answering]).await;
    within("the subscription's end", desk).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_may_refuse() {
    let network = network(2).await;
    let (asking, answering) = (client(&network, 0).await, client(&network, 1).await);
    let mut quotes = Quote::deliveries(&answering).await.unwrap();
    let quote = Quote {
        bond: "b".to_owned(),
        price: 1,
    };
    let (result, ()) = within("a refusal", async {
        tokio::join!(quote.request(&asking), async {
            let asked = quotes.next().await.unwrap().unwrap();
            assert_eq!(*asked, quote);
            asked.refuse(4711).unwrap();
        })
    })
    .await;
    let error = result.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Rejected { code: 4711, .. })
            && error.topic() == "quote",
        "{error:?}"
    );
    end(network, [asking, answering]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_publisher_learns_that_a_message_was_not_understood() {
    let network = network(2).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 1).await);
    let mut subscription = NoPrice::deliveries(&subscriber).await.unwrap();
    let price = price();
    let (published, received) = within("an error on both sides", async {
        tokio::join!(price.publish_unicast(&publisher), subscription.next())
    })
    .await;
    let error = published.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Undecodable),
        "{error:?}"
    );
    let error = received.unwrap().unwrap_err();
    assert_eq!(error.topic(), "price");
    assert!(error.to_string().contains("protobuf"), "{error}");

    // The plain subscription skips messages that it cannot read, and counts them.
    let mut plain = NoPrice::subscribe(&subscriber).await.unwrap();
    subscription.unsubscribe().await.unwrap();
    price.publish_multicast(&publisher).await.unwrap();
    let good = NoPrice {
        symbol: "s".to_owned(),
    };
    good.publish_multicast(&publisher).await.unwrap();
    assert_eq!(within("the good one", plain.next()).await, Some(good));
    assert_eq!(plain.errors().count(), 1);
    end(network, [publisher, subscriber]).await;
}

/// The same type on topics whose names come from the command line.
#[tokio::test(flavor = "multi_thread")]
async fn topics_may_be_named_at_run_time() {
    let network = network(2).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 1).await);
    let longest = "t".repeat(amop::MAX_TOPIC_LEN);
    let chinese = "\u{4f60}\u{597d}";
    let widest = "\u{1f980}".repeat(63);
    for topic in [
        chinese,
        &longest,
        &widest,
        "with space",
        "\"quoted\\",
        "a/b?c=d",
    ] {
        let mut here = Hello::subscribe_to(&subscriber, topic).await.unwrap();
        assert_eq!(here.topic(), topic);
        let (published, received) = within(topic, async {
            let message = hello();
            tokio::join!(message.publish_unicast_to(&publisher, topic), here.next())
        })
        .await;
        published.unwrap();
        assert_eq!(received, Some(hello()));
        hello()
            .publish_multicast_to(&publisher, topic)
            .await
            .unwrap();
        assert_eq!(within(topic, here.next()).await, Some(hello()));
    }
    end(network, [publisher, subscriber]).await;
}

/// Makes errors of the macro's generics show up here and not in users' code.
fn assert_send<T: Send + Debug>(_: &T) {}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_go_into_tasks() {
    let network = network(1).await;
    let client = client(&network, 0).await;
    let subscription = Hello::subscribe(&client).await.unwrap();
    assert_send(&subscription);
    end(network, [client]).await;
}
