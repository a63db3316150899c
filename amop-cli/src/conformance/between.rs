//! Two nodes: how topics spread between them. The other themes check messages across two nodes.

use std::time::Duration;

use amop_proto::channel::{Frame, FrameType, result_code};
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::{
    Check, Run,
    bench::{BenchRoute, TOPIC_SYNC},
    link::{TestSession, seq},
    problem::{Checked, failed, passed},
};
use crate::show;

/// The pause between two questions whether the publisher's node knows the topic.
const ASK: Duration = Duration::from_millis(200);

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "topic-spreads",
        section: "6.3",
        about: "a new topic is known at once between overlay nodes, otherwise within 6 s",
        run: Run::Between(|route| Box::pin(spreads(route))),
    },
    Check {
        name: "topic-withdrawn",
        section: "6.3",
        about: "the same for the end of a subscription",
        run: Run::Between(|route| Box::pin(withdrawn(route))),
    },
    Check {
        name: "topic-of-lost-session",
        section: "6.1",
        about: "the end of a session ends its subscriptions on other nodes, too",
        run: Run::Between(|route| Box::pin(of_lost_session(route))),
    },
];

/// Asks the publisher's node whether the topic has a subscriber: the answer 100 means no. A
/// subscriber that gets the question replies to it.
async fn known(
    publisher: &mut TestSession,
    subscriber: &mut TestSession,
    topic: &str,
) -> Checked<bool> {
    let question = Frame::amop(FrameType::UNICAST, seq(), topic.as_bytes(), b"known?");
    publisher.send(&question).await?;
    let nobody = question.respond(result_code::NO_SUBSCRIBER, Bytes::new());
    let asked = tokio::select! {
        answer = publisher.receive("an answer") => {
            let answer = answer?;
            if answer == nobody {
                return Ok(false);
            }
            return failed("100, or the subscriber is asked", show::frame(&answer));
        }
        asked = subscriber.receive("the question") => asked?,
    };
    let reply = asked.respond(result_code::SUCCESS, asked.body.clone());
    subscriber.send(&reply).await?;
    publisher.expect("the reply", &reply).await?;
    Ok(true)
}

async fn spreads(route: &BenchRoute<'_>) -> Checked {
    let topic = route.bench.topic("spreads");
    let mut publisher = route.publisher().await?;
    let mut subscriber = route.subscriber(&[&topic]).await?;
    let since = Instant::now();
    loop {
        if known(&mut publisher, &mut subscriber, &topic).await? {
            let took = since.elapsed().as_secs_f64();
            return Ok((!route.is_overlay()).then(|| format!("after {took:.1} s")));
        }
        if route.is_overlay() {
            return failed("known at once", "answer 100");
        }
        if since.elapsed() > TOPIC_SYNC {
            return failed("known within 6 s", "still answer 100");
        }
        sleep(ASK).await;
    }
}

/// Asks until the topic has no subscriber any more. The node of the lost subscriber answers 104
/// while the publisher's node does not know yet.
async fn gone(route: &BenchRoute<'_>, publisher: &mut TestSession, topic: &str) -> Checked {
    let since = Instant::now();
    loop {
        let question = Frame::amop(FrameType::UNICAST, seq(), topic.as_bytes(), b"gone?");
        publisher.send(&question).await?;
        let answer = publisher.receive("an answer").await?;
        if answer == question.respond(result_code::NO_SUBSCRIBER, Bytes::new()) {
            let took = since.elapsed().as_secs_f64();
            return Ok((!route.is_overlay()).then(|| format!("after {took:.1} s")));
        }
        if answer != question.respond(result_code::NO_SESSION, question.body.clone()) {
            return failed("100, or 104 before", show::frame(&answer));
        }
        if since.elapsed() > TOPIC_SYNC {
            return failed("100 within 6 s", "still answer 104");
        }
        sleep(ASK).await;
    }
}

async fn withdrawn(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("withdrawn").await?;
    if !known(&mut publisher, &mut subscriber, &topic).await? {
        return failed("known after 6 s", "answer 100");
    }
    route.change(&mut subscriber, &[]).await?;
    if route.is_overlay() {
        // The heartbeat that followed the change was answered, so it is known at once.
        let question = Frame::amop(FrameType::UNICAST, seq(), topic.as_bytes(), b"gone?");
        publisher.send(&question).await?;
        let nobody = question.respond(result_code::NO_SUBSCRIBER, Bytes::new());
        publisher.expect("the answer", &nobody).await?;
        return passed();
    }
    gone(route, &mut publisher, &topic).await
}

async fn of_lost_session(route: &BenchRoute<'_>) -> Checked {
    let (mut publisher, mut subscriber, topic) = route.pair("lost").await?;
    if !known(&mut publisher, &mut subscriber, &topic).await? {
        return failed("known after 6 s", "answer 100");
    }
    drop(subscriber);
    gone(route, &mut publisher, &topic).await
}
