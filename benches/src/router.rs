//! Node machines: messages, changes and idle time, depending on how much the nodes know.
//!
//! Publisher and subscriber are at different nodes unless the name says otherwise.

use amop_proto::channel::{FrameType, encode_topics, frame_topic};

use super::{
    Case, Operation,
    net::{Net, Sdk},
};

pub(crate) static CASES: &[Case] = &[
    // Messages.
    Case::new("router.unicast.one-node", 500, || {
        unicast(Setting::ONE_NODE)
    }),
    Case::new("router.unicast.two-nodes", 500, || unicast(Setting::BASE)),
    Case::new("router.multicast.one-node/1", 500, || multicast(1, 1)),
    Case::new("router.multicast.one-node/10", 200, || multicast(1, 10)),
    Case::new("router.multicast.one-node/100", 50, || multicast(1, 100)),
    Case::new("router.multicast.two-nodes/1", 500, || multicast(2, 1)),
    Case::new("router.multicast.two-nodes/100", 50, || multicast(2, 100)),
    // A unicast in a network with more of something that it does not need.
    Case::new("router.unicast.topics/1000", 500, || {
        unicast(Setting::topics(1000))
    }),
    Case::new("router.unicast.topics/100000", 500, || {
        unicast(Setting::topics(100_000))
    }),
    Case::new("router.unicast.sessions/1000", 500, || {
        unicast(Setting::sessions(1000))
    }),
    Case::new("router.unicast.sessions/10000", 500, || {
        unicast(Setting::sessions(10_000))
    }),
    Case::new("router.unicast.nodes-behind/100", 500, || {
        unicast(Setting::nodes_behind(100))
    }),
    Case::new("router.unicast.nodes-behind/1000", 500, || {
        unicast(Setting::nodes_behind(1000))
    }),
    Case::new("router.unicast.neighbours/100", 500, || {
        unicast(Setting::neighbours(100))
    }),
    Case::new("router.unicast.neighbours/200", 500, || {
        unicast(Setting::neighbours(200))
    }),
    Case::new("router.unicast.neighbours/1000", 0, || {
        unicast(Setting::neighbours(1000))
    }),
    // One topic of one session is added or removed, and another node learns of it.
    Case::new("router.change", 100, || change(Setting::BASE)),
    // One less than a node may have, so that there is room for one more.
    Case::new("router.change.topics/99999", 100, || {
        change(Setting::topics(99_999))
    }),
    Case::new("router.change.sessions/10000", 100, || {
        change(Setting::sessions(10_000))
    }),
    Case::new("router.change.nodes-behind/1000", 100, || {
        change(Setting::nodes_behind(1000))
    }),
    // A second without any action of a session.
    Case::new("router.idle-second", 10, || idle(Setting::BASE)),
    Case::new("router.idle-second.topics/100000", 10, || {
        idle(Setting::topics(100_000))
    }),
    Case::new("router.idle-second.sessions/10000", 10, || {
        idle(Setting::sessions(10_000))
    }),
    Case::new("router.idle-second.nodes-behind/1000", 10, || {
        idle(Setting::nodes_behind(1000))
    }),
    Case::new("router.idle-second.neighbours/200", 10, || {
        idle(Setting::neighbours(200))
    }),
];

const TOPIC: &str = "price.tick";

/// The number of topics that one session of the settings holds.
const TOPICS_EACH: usize = 4000;

/// The state of the network before a message.
#[derive(Clone, Copy)]
struct Setting {
    nodes: usize,
    /// The number of topics at the subscriber's node, all of them known to the publisher's node.
    topics: usize,
    /// The number of sessions at the subscriber's node, all of them with the topic.
    sessions: usize,
    /// The number of nodes in the network, all others reached through the subscriber's node.
    behind: usize,
    /// The number of nodes in the network, all others neighbours of the publisher's node.
    neighbours: usize,
}

impl Setting {
    const BASE: Self = Self {
        nodes: 2,
        topics: 1,
        sessions: 1,
        behind: 2,
        neighbours: 2,
    };

    const ONE_NODE: Self = Self {
        nodes: 1,
        ..Self::BASE
    };

    fn topics(topics: usize) -> Self {
        Self {
            topics,
            ..Self::BASE
        }
    }

    fn sessions(sessions: usize) -> Self {
        Self {
            sessions,
            ..Self::BASE
        }
    }

    fn nodes_behind(behind: usize) -> Self {
        Self {
            behind,
            ..Self::BASE
        }
    }

    fn neighbours(neighbours: usize) -> Self {
        Self {
            neighbours,
            ..Self::BASE
        }
    }

    /// Builds the network. Returns it with its publisher and one of its subscribers.
    fn build(self) -> (Net, Sdk, Sdk) {
        let mut net = Net::new(self.nodes);
        let last = self.nodes - 1;
        let subscriber = net.sdk(last);
        net.subscribe(subscriber, &[TOPIC]);
        for _ in 1..self.sessions {
            let sdk = net.sdk(last);
            net.subscribe(sdk, &[TOPIC]);
        }
        let more: Vec<String> = (1..self.topics).map(|n| format!("topic{n}")).collect();
        for held in more.chunks(TOPICS_EACH) {
            let held: Vec<&str> = held.iter().map(String::as_str).collect();
            let sdk = net.sdk(last);
            net.subscribe(sdk, &held);
        }
        if self.behind > 2 {
            net.play(last, 2, 3..self.behind);
        }
        for n in 2..self.neighbours {
            net.play(0, n, n..n);
        }
        if self.nodes == 2 {
            net.connect(0, 1);
            net.work_off();
            assert_eq!(net.reachable(0), self.behind.max(self.neighbours) - 1);
            assert_eq!(net.known_topics(0, 1), self.topics);
        }
        let publisher = net.sdk(0);
        (net, publisher, subscriber)
    }
}

/// Returns a case: a unicast of 256 bytes and its answer.
fn unicast(setting: Setting) -> Operation {
    let (mut net, publisher, _) = setting.build();
    let body = frame_topic(TOPIC.as_bytes(), &[7; 256]);
    Box::new(move || {
        let answered = net.answered;
        net.send(publisher, FrameType::UNICAST, body.clone());
        assert_eq!(net.answered, answered + 1);
    })
}

/// Returns a case: a multicast of 256 bytes and its acknowledgement.
fn multicast(nodes: usize, sessions: usize) -> Operation {
    let setting = Setting {
        nodes,
        ..Setting::sessions(sessions)
    };
    let (mut net, publisher, _) = setting.build();
    let body = frame_topic(TOPIC.as_bytes(), &[7; 256]);
    Box::new(move || {
        let (answered, delivered) = (net.answered, net.delivered);
        net.send(publisher, FrameType::MULTICAST, body.clone());
        assert_eq!(net.answered, answered + 1);
        assert_eq!(net.delivered, delivered + sessions as u64);
    })
}

/// Returns a case: a session adds one topic, or removes it again.
fn change(setting: Setting) -> Operation {
    let (mut net, _, subscriber) = setting.build();
    let mut bodies = [encode_topics([TOPIC, "one.more"]), encode_topics([TOPIC])];
    Box::new(move || {
        net.between_statements();
        let crossed = net.crossed;
        net.send(subscriber, FrameType::SET_TOPICS, bodies[0].clone());
        // The change and its acknowledgement, on every link.
        assert!(net.crossed > crossed);
        bodies.swap(0, 1);
    })
}

/// Returns a case: a second passes.
fn idle(setting: Setting) -> Operation {
    let (mut net, ..) = setting.build();
    Box::new(move || {
        let crossed = net.crossed;
        net.idle_second();
        // Every second, overlay nodes send each other signs of life.
        assert!(net.crossed > crossed);
    })
}
