//! 0x0110: the topics of a session.

use amop_proto::ws::WsType;

use super::{
    super::problem::{Checked, passed},
    V3Bench, V3Check,
};

pub(super) const CHECKS: &[V3Check] = &[
    V3Check {
        name: "topics-unanswered",
        section: "10.1",
        about: "a list of topics is not answered",
        run: |bench| Box::pin(unanswered(bench)),
    },
    V3Check {
        name: "topics-malformed",
        section: "15",
        about: "a list that is not JSON is ignored, and the topics stay",
        run: |bench| Box::pin(malformed(bench)),
    },
    V3Check {
        name: "topics-longer-list",
        section: "10.1",
        about: "a later list with more topics is in force as a whole",
        run: |bench| Box::pin(longer(bench)),
    },
];

async fn unanswered(bench: &V3Bench) -> Checked {
    let mut link = bench.session().await?;
    let list = serde_json::json!({ "topics": [bench.topic("list")] }).to_string();
    link.send(WsType::SET_TOPICS, &bench.seq(), list).await?;
    bench.quiet(&mut link).await?;
    passed()
}

async fn malformed(bench: &V3Bench) -> Checked {
    let topic = bench.topic("kept");
    let mut subscriber = bench.subscriber(&[&topic]).await?;
    subscriber
        .send(WsType::SET_TOPICS, &bench.seq(), "{\"topics\":[")
        .await?;
    bench.quiet(&mut subscriber).await?;
    let mut publisher = bench.session().await?;
    bench
        .multicast([&mut publisher, &mut subscriber], &topic)
        .await?;
    passed()
}

async fn longer(bench: &V3Bench) -> Checked {
    let [first, second] = ["first", "second"].map(|name| bench.topic(name));
    let mut subscriber = bench.subscriber(&[&first]).await?;
    bench.subscribe(&mut subscriber, &[&first, &second]).await?;
    let mut publisher = bench.session().await?;
    for topic in [&first, &second] {
        bench
            .multicast([&mut publisher, &mut subscriber], topic)
            .await?;
    }
    passed()
}
