//! 0x0111 to 0x0113: unicasts, their answers, and broadcasts.

use amop_proto::ws::{WsStatus, WsType};

use super::{
    super::problem::{Checked, holds, passed, same},
    V3Bench, V3Check,
    link::{is_type, shown},
};

pub(super) const CHECKS: &[V3Check] = &[
    V3Check {
        name: "unicast-reply",
        section: "10.3",
        about: "a unicast reaches the subscriber, and its reply the publisher",
        run: |bench| Box::pin(exchange(bench, "reply", 0, b"pong")),
    },
    V3Check {
        name: "unicast-status",
        section: "10.3",
        about: "a subscriber's own status reaches the publisher with its bytes",
        run: |bench| Box::pin(exchange(bench, "status", 1234, b"why")),
    },
    V3Check {
        name: "unicast-non-ascii",
        section: "10.2",
        about: "a topic that is not ASCII is found",
        run: |bench| {
            Box::pin(exchange(
                bench,
                "\u{4ed3}\u{5355}\u{1f980}\u{e9}",
                0,
                b"pong",
            ))
        },
    },
    V3Check {
        name: "unicast-long",
        section: "4",
        about: "1 MiB goes there and back",
        run: |bench| Box::pin(long(bench)),
    },
    V3Check {
        name: "unicast-empty",
        section: "10.2",
        about: "a message without data arrives as such",
        run: |bench| Box::pin(empty(bench)),
    },
    V3Check {
        name: "unicast-no-subscriber",
        section: "10.4",
        about: "a unicast that nobody subscribes to is answered 3001",
        run: |bench| Box::pin(nobody(bench)),
    },
    V3Check {
        name: "unicast-one-subscriber",
        section: "11",
        about: "one of two subscribers gets a unicast",
        run: |bench| Box::pin(one_of_two(bench)),
    },
    V3Check {
        name: "broadcast-all",
        section: "10.5",
        about: "every subscriber gets a broadcast, and the publisher no answer",
        run: |bench| Box::pin(broadcast(bench)),
    },
    V3Check {
        name: "broadcast-nobody",
        section: "10.5",
        about: "a broadcast that nobody subscribes to is not answered",
        run: |bench| Box::pin(broadcast_to_nobody(bench)),
    },
];

async fn exchange(bench: &V3Bench, name: &str, status: i16, reply: &[u8]) -> Checked {
    pass_on(bench, name, b"ping", (status, reply)).await
}

async fn pass_on(
    bench: &V3Bench,
    name: &str,
    data: &[u8],
    (status, reply): (i16, &[u8]),
) -> Checked {
    let topic = bench.topic(name);
    let mut subscriber = bench.subscriber(&[&topic]).await?;
    let mut publisher = bench.session().await?;
    let seq = bench.seq();
    let topic = topic.as_bytes();
    publisher
        .publish(WsType::UNICAST, &seq, topic, data)
        .await?;
    let message = subscriber.delivery(WsType::UNICAST, topic, data).await?;
    let is_fresh = message.seq.as_bytes() != seq.as_bytes();
    holds(is_fresh, "a seq of the node's own", shown(&message))?;
    subscriber.reply(&message, status, reply).await?;
    let answer = publisher.answer(&seq).await?;
    is_type(&answer, WsType::RESPONSE)?;
    same("the status", answer.status.0, status)?;
    holds(answer.payload == reply, "the reply's bytes", shown(&answer))?;
    passed()
}

async fn long(bench: &V3Bench) -> Checked {
    let data: Vec<u8> = (0..1 << 20).map(|n: u32| n as u8).collect();
    pass_on(bench, "long", &data, (0, &data)).await
}

async fn empty(bench: &V3Bench) -> Checked {
    pass_on(bench, "empty", b"", (0, b"")).await
}

async fn nobody(bench: &V3Bench) -> Checked {
    let mut publisher = bench.session().await?;
    let (seq, topic) = (bench.seq(), bench.topic("nobody"));
    publisher
        .publish(WsType::UNICAST, &seq, topic.as_bytes(), b"anyone?")
        .await?;
    let answer = publisher.answer(&seq).await?;
    same("the status", answer.status, WsStatus::NO_SUBSCRIBER)?;
    passed()
}

async fn one_of_two(bench: &V3Bench) -> Checked {
    let topic = bench.topic("two");
    let mut first = bench.subscriber(&[&topic]).await?;
    let mut second = bench.subscriber(&[&topic]).await?;
    let mut publisher = bench.session().await?;
    let seq = bench.seq();
    let topic = topic.as_bytes();
    publisher
        .publish(WsType::UNICAST, &seq, topic, b"one")
        .await?;
    let (got, other) = tokio::select! {
        got = first.delivery(WsType::UNICAST, topic, b"one") => ((got?, &mut first), &mut second),
        got = second.delivery(WsType::UNICAST, topic, b"one") => ((got?, &mut second), &mut first),
    };
    let (message, subscriber) = got;
    subscriber.reply(&message, 0, b"it was me").await?;
    publisher.answer(&seq).await?;
    bench.quiet(other).await?;
    passed()
}

async fn broadcast(bench: &V3Bench) -> Checked {
    let topic = bench.topic("all");
    let mut subscribers = [
        bench.subscriber(&[&topic]).await?,
        bench.subscriber(&[&topic]).await?,
    ];
    let mut publisher = bench.session().await?;
    let topic = topic.as_bytes();
    publisher
        .publish(WsType::MULTICAST, &bench.seq(), topic, b"news")
        .await?;
    for subscriber in &mut subscribers {
        subscriber
            .delivery(WsType::MULTICAST, topic, b"news")
            .await?;
    }
    bench.quiet(&mut publisher).await?;
    passed()
}

async fn broadcast_to_nobody(bench: &V3Bench) -> Checked {
    let mut publisher = bench.session().await?;
    let topic = bench.topic("nobody");
    publisher
        .publish(WsType::MULTICAST, &bench.seq(), topic.as_bytes(), b"news")
        .await?;
    bench.quiet(&mut publisher).await?;
    passed()
}
