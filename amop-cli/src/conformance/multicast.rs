//! 0x35: a message to all subscribers, which the publisher's node acknowledges.

use amop_proto::channel::{Frame, FrameType, result_code};

use super::{
    Check, Run,
    bench::{Bench, BenchRoute},
    link::{TestSession, seq},
    problem::{Checked, failed, passed},
};
use crate::show;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "multicast-nobody",
        section: "8",
        about: "the acknowledgement is 0 with the message's body, even without subscribers",
        run: Run::Node(|bench| Box::pin(nobody(bench))),
    },
    Check {
        name: "multicast-own-session",
        section: "7.6",
        about: "a publisher that has subscribed gets its own message",
        run: Run::Node(|bench| Box::pin(own_session(bench))),
    },
    Check {
        name: "multicast-local",
        section: "7.6",
        about: "a subscriber of the publisher's own node gets the message",
        run: Run::Node(|bench| Box::pin(local(bench))),
    },
    Check {
        name: "multicast-one",
        section: "8",
        about: "a subscriber gets the frame as sent, once",
        run: Run::Route(|route| Box::pin(subscribers(route, 1))),
    },
    Check {
        name: "multicast-many",
        section: "8",
        about: "every subscriber gets one copy",
        run: Run::Route(|route| Box::pin(subscribers(route, 4))),
    },
    Check {
        name: "multicast-large",
        section: "8",
        about: "1 MiB gets to every subscriber, and comes back with the acknowledgement",
        run: Run::Route(|route| Box::pin(large(route))),
    },
    Check {
        name: "multicast-answered",
        section: "7.4",
        about: "a subscriber may answer, as go-sdk does; the answer is dropped",
        run: Run::Route(|route| Box::pin(answered(route))),
    },
];

fn message(topic: &str, payload: &[u8]) -> Frame {
    Frame::amop(FrameType::MULTICAST, seq(), topic.as_bytes(), payload)
}

/// Returns the acknowledgement: type 0x31, result 0, everything else as in the message.
fn acknowledgement(message: &Frame) -> Frame {
    message.respond(result_code::SUCCESS, message.body.clone())
}

async fn publish(publisher: &mut TestSession, message: &Frame) -> Checked<()> {
    publisher.send(message).await?;
    publisher
        .expect("the acknowledgement", &acknowledgement(message))
        .await
}

async fn nobody(bench: &Bench) -> Checked {
    let mut publisher = bench.link().await?;
    publish(&mut publisher, &message(&bench.topic("nobody"), b"anyone?")).await?;
    publisher.silent().await?;
    passed()
}

async fn own_session(bench: &Bench) -> Checked {
    bench.node.require_local_delivery()?;
    let topic = bench.topic("own");
    let mut link = bench.link().await?;
    link.set_topics(&[&topic]).await?;
    bench.settle(&bench.node, &mut link).await?;
    let message = message(&topic, b"to all and me");
    link.send(&message).await?;
    // The copy and the acknowledgement may arrive in either order.
    let mut missing = vec![message.clone(), acknowledgement(&message)];
    while !missing.is_empty() {
        let got = link.receive("the message and its acknowledgement").await?;
        match missing.iter().position(|expected| *expected == got) {
            Some(found) => drop(missing.remove(found)),
            None => return failed(show::frame(&missing[0]), show::frame(&got)),
        }
    }
    passed()
}

/// The only check of local delivery that is not skipped for versions that are known to lack it.
async fn local(bench: &Bench) -> Checked {
    if !bench.node.delivers_locally() {
        return Ok(Some(
            "it does not, like FISCO nodes of its version (2.0 to 2.5, 2.8 to 2.11)".to_owned(),
        ));
    }
    let route = BenchRoute {
        bench,
        from: &bench.node,
        to: &bench.node,
    };
    let (mut publisher, mut subscriber, topic) = route.pair("local").await?;
    let message = message(&topic, b"neighbour");
    publish(&mut publisher, &message).await?;
    subscriber.expect("the message", &message).await?;
    passed()
}

async fn subscribers(route: &BenchRoute<'_>, count: usize) -> Checked {
    let topic = route.bench.topic("all");
    let mut subscribers = Vec::new();
    for _ in 0..count {
        subscribers.push(route.subscriber(&[&topic]).await?);
    }
    let mut publisher = route.publisher().await?;
    route.spread().await;
    let message = message(&topic, b"to all");
    publish(&mut publisher, &message).await?;
    for subscriber in &mut subscribers {
        subscriber.expect("the message", &message).await?;
    }
    for subscriber in &mut subscribers {
        subscriber.silent().await?;
    }
    publisher.silent().await?;
    passed()
}

async fn large(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("large").await?;
    let mut payload = vec![0; 1 << 20];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut payload);
    let message = message(&topic, &payload);
    publish(&mut publisher, &message).await?;
    subscriber.expect("the message", &message).await?;
    passed()
}

async fn answered(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("answered").await?;
    let message = message(&topic, b"to all");
    publish(&mut publisher, &message).await?;
    subscriber.expect("the message", &message).await?;
    let answer = Frame::amop(FrameType::RESPONSE, message.seq, topic.as_bytes(), b"heard");
    subscriber.send(&answer).await?;
    subscriber.silent().await?;
    publisher.silent().await?;
    passed()
}
