//! 0x30 and 0x31: a message to one subscriber, and its reply.

use std::time::Duration;

use amop_proto::{
    MAX_TOPIC_LEN,
    channel::{Frame, FrameType, Seq, result_code},
};
use bytes::Bytes;
use rand::Rng;
use tokio::time::Instant;

use super::{
    Check, Run,
    bench::{Bench, BenchRoute},
    link::{TestSession, seq},
    problem::{Checked, failed, passed, same_frame},
};

/// The time that a subscriber has to answer (channel-v2 section 7.2).
const ANSWER: Duration = Duration::from_secs(5);

/// The tolerance for clocks and wake-ups.
const SLACK: Duration = Duration::from_millis(500);

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "unicast-nobody",
        section: "7.3",
        about: "without a subscriber the answer is 100 with an empty body",
        run: Run::Node(|bench| Box::pin(nobody(bench))),
    },
    Check {
        name: "unicast-own-session",
        section: "7.6",
        about: "a publisher that is the only subscriber gets its own message",
        run: Run::Node(|bench| Box::pin(own_session(bench))),
    },
    Check {
        name: "unicast-reply",
        section: "7.2",
        about: "the subscriber gets the frame as sent, the publisher its reply",
        run: Run::Route(|route| Box::pin(reply(route))),
    },
    Check {
        name: "unicast-reply-verbatim",
        section: "7.2",
        about: "result and body of a reply come back as they are, even without a topic",
        run: Run::Route(|route| Box::pin(reply_verbatim(route))),
    },
    Check {
        name: "unicast-reply-of-any-type",
        section: "4",
        about: "a frame with the seq of a waiting message is its reply, whatever its type",
        run: Run::Route(|route| Box::pin(reply_of_any_type(route))),
    },
    Check {
        name: "unicast-request-result",
        section: "7.2",
        about: "the result field of the request reaches the subscriber",
        run: Run::Route(|route| Box::pin(request_result(route))),
    },
    Check {
        name: "unicast-binary-seq",
        section: "3.3",
        about: "a seq may be any 32 bytes",
        run: Run::Route(|route| Box::pin(binary_seq(route))),
    },
    Check {
        name: "unicast-empty-payload",
        section: "7.1",
        about: "message and reply may be empty",
        run: Run::Route(|route| Box::pin(empty_payload(route))),
    },
    Check {
        name: "unicast-large",
        section: "3.2",
        about: "1 MiB of any bytes gets there, and back",
        run: Run::Route(|route| Box::pin(large(route))),
    },
    Check {
        name: "unicast-topic-lengths",
        section: "7.1",
        about: "topics of 1 and of 254 bytes and of other alphabets work",
        run: Run::Route(|route| Box::pin(topic_lengths(route))),
    },
    Check {
        name: "unicast-one-of-many",
        section: "7.2",
        about: "of several subscribers exactly one gets the message",
        run: Run::Route(|route| Box::pin(one_of_many(route))),
    },
    Check {
        name: "unicast-unanswered",
        section: "7.3",
        about: "without a reply the answer is 104 with the request's body after 5 s",
        run: Run::Route(|route| Box::pin(unanswered(route))),
    },
    Check {
        name: "unicast-next-subscriber",
        section: "7.2",
        about: "when a subscriber leaves without a reply, the next one is asked",
        run: Run::Route(|route| Box::pin(next_subscriber(route))),
    },
    Check {
        name: "unicast-subscriber-gone",
        section: "7.3",
        about: "when the only subscriber leaves, 104 comes at once",
        run: Run::Route(|route| Box::pin(subscriber_gone(route))),
    },
];

fn message(topic: &str, payload: &[u8]) -> Frame {
    Frame::amop(FrameType::UNICAST, seq(), topic.as_bytes(), payload)
}

/// Returns the usual reply: type 0x31, the same topic, a payload.
fn reply_to(message: &Frame, topic: &str, payload: &[u8]) -> Frame {
    Frame::amop(FrameType::RESPONSE, message.seq, topic.as_bytes(), payload)
}

/// Sends a message and its reply. The subscriber must get the message, and the publisher the reply,
/// byte for byte.
async fn exchange(
    publisher: &mut TestSession,
    subscriber: &mut TestSession,
    message: &Frame,
    reply: &Frame,
) -> Checked<()> {
    publisher.send(message).await?;
    subscriber.expect("the message", message).await?;
    subscriber.send(reply).await?;
    publisher.expect("the reply", reply).await
}

async fn nobody(bench: &Bench) -> Checked {
    let topic = bench.topic("nobody");
    let mut publisher = bench.link().await?;
    let message = message(&topic, b"anyone?");
    publisher.send(&message).await?;
    let expected = message.respond(result_code::NO_SUBSCRIBER, Bytes::new());
    publisher.expect("the answer", &expected).await?;
    passed()
}

async fn own_session(bench: &Bench) -> Checked {
    bench.node.require_local_delivery()?;
    let topic = bench.topic("own");
    let mut link = bench.link().await?;
    link.set_topics(&[&topic]).await?;
    bench.settle(&bench.node, &mut link).await?;
    let message = message(&topic, b"to myself");
    link.send(&message).await?;
    link.expect("the message", &message).await?;
    let reply = reply_to(&message, &topic, b"thanks");
    link.send(&reply).await?;
    link.expect("the reply", &reply).await?;
    passed()
}

async fn reply(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("reply").await?;
    for (text, answer) in [("first", "one"), ("second", "two")] {
        let message = message(&topic, text.as_bytes());
        let reply = reply_to(&message, &topic, answer.as_bytes());
        exchange(&mut publisher, &mut subscriber, &message, &reply).await?;
    }
    publisher.silent().await?;
    subscriber.silent().await?;
    passed()
}

async fn reply_verbatim(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("verbatim").await?;
    for (result, body) in [(7, &b"raw"[..]), (-1, b""), (i32::MAX, b"\0\xff")] {
        let message = message(&topic, b"x");
        let reply = message.respond(result, Bytes::from_static(body));
        exchange(&mut publisher, &mut subscriber, &message, &reply).await?;
    }
    passed()
}

async fn reply_of_any_type(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("any-type").await?;
    for kind in [FrameType::UNICAST, FrameType::HEARTBEAT] {
        let message = message(&topic, b"x");
        let reply = Frame {
            kind,
            ..reply_to(&message, &topic, b"odd")
        };
        exchange(&mut publisher, &mut subscriber, &message, &reply).await?;
    }
    passed()
}

async fn request_result(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("result").await?;
    let mut message = message(&topic, b"x");
    message.result = -42;
    let reply = reply_to(&message, &topic, b"ok");
    exchange(&mut publisher, &mut subscriber, &message, &reply).await?;
    passed()
}

async fn binary_seq(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("seq").await?;
    let mut message = message(&topic, b"x");
    let mut bytes = [0; Seq::LEN];
    rand::rng().fill_bytes(&mut bytes);
    // A seq with these two bytes in any case.
    (bytes[0], bytes[1]) = (0, 0xff);
    message.seq = Seq(bytes);
    let reply = reply_to(&message, &topic, b"ok");
    exchange(&mut publisher, &mut subscriber, &message, &reply).await?;
    passed()
}

async fn empty_payload(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("empty").await?;
    let message = message(&topic, b"");
    let reply = reply_to(&message, &topic, b"");
    exchange(&mut publisher, &mut subscriber, &message, &reply).await?;
    passed()
}

async fn large(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("large").await?;
    let mut payload = vec![0; 1 << 20];
    rand::rng().fill_bytes(&mut payload);
    let message = message(&topic, &payload);
    payload.reverse();
    let reply = reply_to(&message, &topic, &payload);
    exchange(&mut publisher, &mut subscriber, &message, &reply).await?;
    passed()
}

async fn topic_lengths(route: &BenchRoute<'_>) -> Checked {
    let bench = route.bench;
    // A topic of one byte cannot be unique to this run. No other program uses this one.
    let shortest = "\u{7f}".to_owned();
    let mut longest = bench.topic("longest");
    longest.extend(std::iter::repeat_n('t', MAX_TOPIC_LEN - longest.len()));
    let chinese = format!("{}话题", bench.topic("chinese"));
    let topics = [shortest, longest, chinese];
    let mut subscriber = route
        .subscriber(&topics.each_ref().map(String::as_str))
        .await?;
    let mut publisher = route.publisher().await?;
    route.spread().await;
    for topic in topics {
        let message = message(&topic, b"payload");
        let reply = reply_to(&message, &topic, b"ok");
        exchange(&mut publisher, &mut subscriber, &message, &reply).await?;
    }
    passed()
}

/// Waits until one of several sessions gets a message, and returns which.
async fn who_gets(links: &mut [TestSession], message: &Frame) -> Checked<usize> {
    let mut waited = Duration::ZERO;
    /// The time to wait for each session in turn.
    const TURN: Duration = Duration::from_millis(20);
    while waited < super::link::PATIENCE {
        for (index, link) in links.iter_mut().enumerate() {
            if let Some(got) = link.receive_within(TURN).await? {
                same_frame("the message", &got, message)?;
                return Ok(index);
            }
        }
        waited += TURN;
    }
    failed("one subscriber gets the message", "none does")
}

async fn one_of_many(route: &BenchRoute<'_>) -> Checked {
    const SUBSCRIBERS: usize = 3;
    let topic = route.bench.topic("many");
    let mut subscribers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        subscribers.push(route.subscriber(&[&topic]).await?);
    }
    let mut publisher = route.publisher().await?;
    route.spread().await;
    let message = message(&topic, b"who?");
    publisher.send(&message).await?;
    let chosen = who_gets(&mut subscribers, &message).await?;
    let reply = reply_to(&message, &topic, b"me");
    subscribers[chosen].send(&reply).await?;
    publisher.expect("the reply", &reply).await?;
    // The reply has arrived, so no other subscriber will be asked.
    for subscriber in &mut subscribers {
        subscriber.silent().await?;
    }
    passed()
}

async fn unanswered(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("unanswered").await?;
    let message = message(&topic, b"silence");
    let sent = Instant::now();
    publisher.send(&message).await?;
    subscriber.expect("the message", &message).await?;
    let refused = message.respond(result_code::NO_SESSION, message.body.clone());
    publisher.expect("the answer", &refused).await?;
    let took = sent.elapsed();
    if took < ANSWER - SLACK {
        return failed(
            "104 after 5 s",
            format!("104 after {:.1} s", took.as_secs_f64()),
        );
    }
    // This reply is too late.
    subscriber
        .send(&reply_to(&message, &topic, b"late"))
        .await?;
    subscriber.silent().await?;
    publisher.silent().await?;
    passed()
}

async fn next_subscriber(route: &BenchRoute<'_>) -> Checked {
    let topic = route.bench.topic("next");
    let mut subscribers = vec![
        route.subscriber(&[&topic]).await?,
        route.subscriber(&[&topic]).await?,
    ];
    let mut publisher = route.publisher().await?;
    route.spread().await;
    let message = message(&topic, b"who?");
    publisher.send(&message).await?;
    let chosen = who_gets(&mut subscribers, &message).await?;
    drop(subscribers.remove(chosen));
    let mut next = subscribers.remove(0);
    next.expect("the message, for the next subscriber", &message)
        .await?;
    let reply = reply_to(&message, &topic, b"me instead");
    next.send(&reply).await?;
    publisher.expect("the reply", &reply).await?;
    passed()
}

async fn subscriber_gone(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("gone").await?;
    let message = message(&topic, b"still there?");
    let sent = Instant::now();
    publisher.send(&message).await?;
    subscriber.expect("the message", &message).await?;
    drop(subscriber);
    let refused = message.respond(result_code::NO_SESSION, message.body.clone());
    publisher.expect("the answer", &refused).await?;
    let took = sent.elapsed();
    if took >= ANSWER {
        return failed(
            "104 before the subscriber's 5 s have passed",
            format!("104 after {:.1} s", took.as_secs_f64()),
        );
    }
    passed()
}
