//! 0x32: the topics to which a session is subscribed.

use std::time::Duration;

use amop_proto::channel::{Frame, FrameType, result_code};
use bytes::Bytes;

use super::{
    Check, Run,
    bench::{Bench, BenchRoute},
    link::{TestSession, seq},
    problem::{Checked, failed, passed, same_frame},
};
use crate::show;

/// The time within which a message arrives, if it arrives at all.
const DELIVERY: Duration = Duration::from_secs(1);

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "topics-not-answered",
        section: "6.1",
        about: "setting topics has no answer",
        run: Run::Node(|bench| Box::pin(not_answered(bench))),
    },
    Check {
        name: "topics-replace",
        section: "6.1",
        about: "a new list replaces the old one",
        run: Run::Route(|route| Box::pin(replace(route))),
    },
    Check {
        name: "topics-clear",
        section: "6.1",
        about: "an empty list ends all subscriptions",
        run: Run::Route(|route| Box::pin(clear(route))),
    },
    Check {
        name: "topics-twice",
        section: "6.1",
        about: "a topic that is set twice, or twice in one list, counts once",
        run: Run::Route(|route| Box::pin(twice(route))),
    },
    Check {
        name: "topics-no-array",
        section: "6.1",
        about: "null is the empty list; an object or a body that is not JSON changes nothing",
        run: Run::Route(|route| Box::pin(no_array(route))),
    },
    Check {
        name: "topics-block-notify",
        section: "6.2",
        about: "asking for block notifications subscribes to nothing else",
        run: Run::Route(|route| Box::pin(block_notify(route))),
    },
];

async fn not_answered(bench: &Bench) -> Checked {
    let mut link = bench.link().await?;
    link.set_topics(&[&bench.topic("unanswered")]).await?;
    link.silent().await?;
    passed()
}

/// Publishes a multicast. Unlike a unicast, it needs no answer and starts no timer.
async fn publish(publisher: &mut TestSession, topic: &str) -> Checked<Frame> {
    let message = Frame::amop(FrameType::MULTICAST, seq(), topic.as_bytes(), b"anyone?");
    publisher.send(&message).await?;
    let acknowledgement = message.respond(result_code::SUCCESS, message.body.clone());
    publisher
        .expect("the acknowledgement", &acknowledgement)
        .await?;
    Ok(message)
}

async fn must_reach(
    publisher: &mut TestSession,
    subscriber: &mut TestSession,
    topic: &str,
) -> Checked<()> {
    let message = publish(publisher, topic).await?;
    subscriber.expect("the message", &message).await
}

/// Checks that the answer is 100: a unicast gets this answer if and only if no node announces the
/// topic.
async fn nobody_has(publisher: &mut TestSession, topic: &str) -> Checked<()> {
    let message = Frame::amop(FrameType::UNICAST, seq(), topic.as_bytes(), b"anyone?");
    publisher.send(&message).await?;
    let nobody = message.respond(result_code::NO_SUBSCRIBER, Bytes::new());
    publisher
        .expect("the answer without subscribers", &nobody)
        .await
}

async fn replace(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, old) = route.pair("old").await?;
    must_reach(&mut publisher, &mut subscriber, &old).await?;
    let new = route.bench.topic("new");
    route.change(&mut subscriber, &[&new]).await?;
    route.spread().await;
    must_reach(&mut publisher, &mut subscriber, &new).await?;
    nobody_has(&mut publisher, &old).await?;
    subscriber.silent().await?;
    passed()
}

async fn clear(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("clear").await?;
    must_reach(&mut publisher, &mut subscriber, &topic).await?;
    route.change(&mut subscriber, &[]).await?;
    route.spread().await;
    nobody_has(&mut publisher, &topic).await?;
    subscriber.silent().await?;
    passed()
}

async fn twice(route: &BenchRoute<'_>) -> Checked {
    let topic = route.bench.topic("twice");
    let mut subscriber = route.subscriber(&[&topic, &topic]).await?;
    route.change(&mut subscriber, &[&topic, &topic]).await?;
    let mut publisher = route.publisher().await?;
    route.spread().await;
    must_reach(&mut publisher, &mut subscriber, &topic).await?;
    subscriber.silent().await?;
    // A topic that was set twice is gone after one removal.
    route.change(&mut subscriber, &[]).await?;
    route.spread().await;
    nobody_has(&mut publisher, &topic).await?;
    passed()
}

async fn no_array(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("no-array").await?;
    for body in [r#"{"a":"b"}"#, "[\"x\",]", "not json", r#"[["x"]]"#] {
        let frame = Frame::new(FrameType::SET_TOPICS, seq(), body);
        subscriber.send(&frame).await?;
        subscriber.silent().await?;
    }
    must_reach(&mut publisher, &mut subscriber, &topic).await?;
    subscriber
        .send(&Frame::new(FrameType::SET_TOPICS, seq(), "null"))
        .await?;
    subscriber.silent().await?;
    route.spread().await;
    nobody_has(&mut publisher, &topic).await?;
    passed()
}

/// Uses a group that no chain has, so that no program that waits for blocks is disturbed.
async fn block_notify(route: &BenchRoute<'_>) -> Checked {
    let blocks = format!("_block_notify_{}", route.bench.group());
    let (mut publisher, mut subscriber, topic) = route.pair("blocks").await?;
    route.change(&mut subscriber, &[&blocks]).await?;
    route.spread().await;
    nobody_has(&mut publisher, &topic).await?;
    let message = publish(&mut publisher, &blocks).await?;
    match subscriber.receive_within(DELIVERY).await? {
        None => passed(),
        Some(got) => {
            same_frame("the message", &got, &message)?;
            if route.is_overlay() {
                return failed("no message on a block topic", show::frame(&got));
            }
            let remark = "the node delivers AMOP messages on block topics, as FISCO nodes do";
            Ok(Some(remark.to_owned()))
        }
    }
}
