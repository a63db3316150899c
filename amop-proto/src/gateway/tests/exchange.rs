//! Two machines that are joined in memory, in all versions.

use super::*;

struct Pair {
    ends: [GatewayPeer<u32>; 2],
    now: Instant,
    /// The versions of all packets that were exchanged after the handshakes.
    versions: Vec<u16>,
}

impl Pair {
    fn new(maxima: [u16; 2]) -> Self {
        let now = Instant::now();
        let end = |own: u8, other: u8, max: u16, names: &[&'static str]| {
            let config = config(own).with(|config| config.max_version = max);
            GatewayPeer::new(config, node(other), &topics(names), now).unwrap()
        };
        let mut pair = Self {
            ends: [
                end(1, 2, maxima[0], &["one", "both"]),
                end(2, 1, maxima[1], &["both", "two"]),
            ],
            now,
            versions: Vec::new(),
        };
        pair.exchange();
        pair
    }

    /// Brings all packets to the other end, until there are none.
    fn exchange(&mut self) {
        loop {
            let mut idle = true;
            for (from, to) in [(0, 1), (1, 0)] {
                while let Some(packet) = self.ends[from].poll_packet(self.now) {
                    idle = false;
                    if packet.packet.kind != PacketType::HANDSHAKE {
                        self.versions.push(packet.packet.version);
                    }
                    let packet = over_the_wire(&packet);
                    self.ends[to].handle_packet(self.now, packet);
                }
            }
            if idle {
                return;
            }
        }
    }

    fn events(&mut self, end: usize) -> Vec<GatewayEvent<u32>> {
        std::iter::from_fn(|| self.ends[end].poll_event()).collect()
    }

    fn unicast(&mut self) -> Result<u32, GatewaySendError> {
        let deadline = self.now + PATIENCE;
        let sent = self.ends[0].unicast(self.now, id(2), BODY, deadline, 9);
        sent.map_err(|refused| refused.why)
    }

    /// Takes the unicast that arrived at the second end.
    fn arrived(&mut self) -> ReplyAddress {
        self.exchange();
        match self.events(1).pop() {
            Some(GatewayEvent::Unicast {
                source,
                reply,
                body,
            }) => {
                assert_eq!((source.id, source.claimed), (id(1), false));
                assert_eq!(body, BODY);
                reply
            }
            other => panic!("{other:?}"),
        }
    }

    fn outcome(&mut self) -> GatewayOutcome {
        self.exchange();
        match self.events(0).pop() {
            Some(GatewayEvent::Finished { token: 9, outcome }) => outcome,
            other => panic!("{other:?}"),
        }
    }
}

fn all_versions() -> impl Iterator<Item = ([u16; 2], u16)> {
    let pairs = (0..=3).flat_map(|a| (0..=3).map(move |b| [a, b]));
    pairs.map(|maxima| (maxima, maxima[0].min(maxima[1])))
}

#[test]
fn topics_are_known_after_the_first_exchange() {
    for (maxima, version) in all_versions() {
        let mut pair = Pair::new(maxima);
        for (end, other, names) in [(0, 2, ["both", "two"]), (1, 1, ["both", "one"])] {
            assert_eq!(pair.ends[end].version(), Some(version));
            let topics = names.map(Bytes::from).into_iter().collect();
            let source = GatewaySource {
                id: id(other),
                claimed: false,
            };
            let expected = GatewayEvent::NodeTopics { source, topics };
            assert!(pair.events(end).contains(&expected), "{maxima:?}");
            let nodes: Vec<_> = pair.ends[end].nodes().collect();
            assert_eq!(nodes.len(), 1);
            assert_eq!(nodes[0].topics[..], names.map(Bytes::from));
            assert_eq!(nodes[0].distance, Some(1));
            assert_eq!(pair.ends[end].counters(), GatewayCounters::default());
        }
        assert!(pair.versions.iter().all(|&used| used <= version));
    }
}

#[test]
fn a_change_of_the_topics_is_known_at_once_but_many_changes_are_sent_together() {
    let mut pair = Pair::new([3, 3]);
    let mut announced = topics(&["one", "both"]);
    pair.now += Duration::from_secs(1);
    let mut sent = 0;
    for name in ["a", "b", "c", "d"] {
        announced.replace([Bytes::from(name)]).unwrap();
        pair.ends[0].announce(pair.now, &announced);
        pair.ends[0].handle_timeout(pair.now);
        let before = pair.versions.len();
        pair.exchange();
        sent += usize::from(pair.versions.len() > before);
    }
    assert_eq!(sent, 1);
    let topics_seen = |pair: &Pair| pair.ends[1].nodes().next().unwrap().topics;
    assert_eq!(topics_seen(&pair)[..], ["a"]);
    pair.now += TOPIC_SEQ_AT_ONCE;
    assert!(pair.ends[0].next_timeout().unwrap() <= pair.now);
    pair.ends[0].handle_timeout(pair.now);
    pair.exchange();
    // The request that a change caused is answered, so the next one is asked for at once.
    assert_eq!(topics_seen(&pair)[..], ["d"]);
}

#[test]
fn unicasts_are_answered_in_all_versions_with_ids() {
    let reply = Bytes::from(vec![b'w'; 2000]);
    for (maxima, version) in all_versions() {
        let mut pair = Pair::new(maxima);
        if version == 0 {
            // A FISCO node could not answer (gateway-v3 section 7.3).
            assert_eq!(pair.unicast(), Err(GatewaySendError::NoAnswers));
            continue;
        }
        pair.unicast().unwrap();
        assert_eq!(pair.ends[0].in_flight(), 1);
        let to = pair.arrived();
        let now = pair.now;
        pair.ends[1].reply(now, &to, reply.clone()).unwrap();
        assert_eq!(pair.outcome(), GatewayOutcome::Answered(reply.clone()));

        pair.unicast().unwrap();
        let to = pair.arrived();
        let text = Bytes::from(status::NO_SUBSCRIBER_TEXT);
        pair.ends[1]
            .refuse(now, &to, status::NO_SUBSCRIBER, text.clone())
            .unwrap();
        let status = 3002;
        assert_eq!(pair.outcome(), GatewayOutcome::Refused { status, text });
        assert_eq!(pair.ends[0].in_flight(), 0);
    }
}

#[test]
fn a_unicast_without_a_source_is_answered_to_the_neighbour() {
    let mut tested = Tested::ready(0);
    let mut packet = message(2, 77, GatewayMessageKind::UNICAST, BODY);
    packet.version = 0;
    packet.route = PacketRoute::default();
    tested.peer.handle_packet(tested.now, packet);
    let Some(GatewayEvent::Unicast { source, reply, .. }) = tested.events().pop() else {
        panic!("no unicast");
    };
    assert_eq!((source.id, source.claimed), (id(2), false));
    tested
        .peer
        .reply(tested.now, &reply, Bytes::from_static(b"answer"))
        .unwrap();
    let sent = tested.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].seq, sent[0].version), (77, 0));
    assert_eq!(sent[0].kind, PacketType::REPLY);
    assert!(sent[0].is_response());
}

#[test]
fn multicasts_arrive_in_all_versions() {
    for (maxima, _) in all_versions() {
        let mut pair = Pair::new(maxima);
        let now = pair.now;
        pair.ends[1].multicast(now, id(1), BODY).unwrap();
        pair.exchange();
        let source = GatewaySource {
            id: id(2),
            claimed: false,
        };
        let body = BODY;
        let expected = GatewayEvent::Multicast { source, body };
        assert_eq!(pair.events(0).pop(), Some(expected));
        // Nobody answers.
        assert_eq!(pair.ends[1].in_flight(), 0);
    }
}

#[test]
fn connections_that_stay_idle_stay_open() {
    let mut pair = Pair::new([3, 3]);
    pair.events(0);
    for _ in 0..3000 {
        pair.now += Duration::from_millis(100);
        let now = pair.now;
        pair.ends.iter_mut().for_each(|end| end.handle_timeout(now));
        pair.exchange();
    }
    assert_eq!(pair.events(0), []);
    // Nothing is asked twice.
    let lists = pair.ends[0].counters();
    assert_eq!(lists, GatewayCounters::default());
}
