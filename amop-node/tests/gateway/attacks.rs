//! 3.x nodes that lie, flood or send garbage to a node, which has an honest neighbour, too.

use std::time::Duration;

use amop::PublishErrorKind;
use amop_node::{GatewayBridgeCounters, ListenLimits, Node};
use amop_proto::gateway::{
    AnnouncedTopics, GatewayAddress, GatewayCodec, GatewayConfig, GatewayPeer, PacketSeqs,
};
use amop_testkit::{RawLink, log, until, within};
use amop_tls::{ClientOptions, Identity, rsa_public_key};
use bytes::{Bytes, BytesMut};

use super::chain::{
    ask, builder, certificate, client, echo, gateway, joined, node, start, subscribe,
};

fn address_of(identity: &Identity) -> GatewayAddress {
    GatewayAddress::of_key(&rsa_public_key(&identity.chain()[0]).unwrap()).unwrap()
}

/// A 3.x node that sends what a test says.
struct Attacker {
    link: RawLink,
    peer: GatewayPeer<()>,
    codec: GatewayCodec,
}

impl Attacker {
    /// Connects to a node's gateway, with these topics.
    async fn connect(victim: &Victim, own: &Identity, topics: &[Bytes]) -> Self {
        let link = victim.link(own).await;
        let address = victim.address.clone();
        let config = GatewayConfig::new(address_of(own), PacketSeqs::starting_at(2, [3; 32]));
        let mut announced = AnnouncedTopics::starting_at(1);
        announced.replace(topics.to_vec()).unwrap();
        let peer = GatewayPeer::new(config, address, &announced, std::time::Instant::now());
        let mut attacker = Self {
            link,
            peer: peer.unwrap(),
            codec: GatewayCodec::default(),
        };
        attacker.flush().await;
        attacker
    }

    async fn flush(&mut self) {
        let mut out = BytesMut::new();
        while let Some(packet) = self.peer.poll_packet(std::time::Instant::now()) {
            self.codec.encode(&packet, &mut out).unwrap();
        }
        self.link.write(&out).await.unwrap();
    }

    /// Does what a 3.x node does, until a condition holds.
    async fn behave_until(&mut self, what: &str, holds: impl Fn() -> bool) {
        within(what, async {
            let mut buffer = BytesMut::new();
            while !holds() {
                let read = tokio::time::timeout(Duration::from_millis(20), self.link.read());
                if let Ok(read) = read.await {
                    buffer.extend_from_slice(&read.unwrap().expect("the connection stays open"));
                }
                let now = std::time::Instant::now();
                while let Some(packet) = self.codec.decode(&mut buffer).unwrap() {
                    self.peer.handle_packet(now, packet);
                }
                while self.peer.poll_event().is_some() {}
                self.peer.handle_timeout(now);
                self.flush().await;
            }
        })
        .await;
    }
}

async fn ended(mut link: RawLink) {
    within("the end", async {
        while matches!(link.read().await, Ok(Some(_))) {}
    })
    .await;
}

/// A node with an honest neighbour, at which a subscriber of `honest` answers.
struct Victim {
    node: Node,
    address: GatewayAddress,
    client: amop::Client,
    neighbour: Node,
    _subscriber: amop::Client,
}

impl Victim {
    async fn start() -> Self {
        Self::start_with(ListenLimits::default()).await
    }

    async fn start_with(limits: ListenLimits) -> Self {
        let own = certificate();
        let address = address_of(&own);
        let node = builder().listen_limits(limits).gateway(gateway(own, &[]));
        let node = node.start().await.unwrap();
        let neighbour = super::chain::node(&[node.gateway_address().unwrap()]).await;
        let subscriber = client(&neighbour).await;
        echo(subscribe(&subscriber, "honest").await, "yes");
        let client = client(&node).await;
        let victim = Self {
            node,
            address,
            client,
            neighbour,
            _subscriber: subscriber,
        };
        victim.is_well().await;
        victim
    }

    /// Checks that messages reach the honest neighbour.
    async fn is_well(&self) {
        assert_eq!(ask(&self.client, "honest", "?").await, "yes");
    }

    /// Connects to the gateway.
    async fn link(&self, own: &Identity) -> RawLink {
        let config = own
            .dialling(&own.verifier_of_nodes(ClientOptions::default()))
            .unwrap();
        let address = self.node.gateway_address().unwrap().to_string();
        let link = within("TLS", RawLink::connect(&address, config)).await;
        link.unwrap()
    }

    fn counters(&self) -> GatewayBridgeCounters {
        self.node.gateway_counters().unwrap()
    }

    async fn shutdown(self) {
        self.node.shutdown().await;
        self.neighbour.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_only_its_connection() {
    let victim = Victim::start().await;
    let own = certificate();
    let before = victim.node.stats().bad_frames;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\0\0\0\x01",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x0e\0\x63\0\x01\0\0\0\0\0\0",
    ] {
        let mut link = victim.link(&own).await;
        link.write(garbage).await.unwrap();
        ended(link).await;
    }
    until("the counter", || {
        victim.node.stats().bad_frames == before + 4
    })
    .await;
    log()
        .wait_for(&[
            "gateway connection with 3.x node",
            "bytes that are not packets",
        ])
        .await;
    joined(&victim.node, 1).await;
    victim.is_well().await;
    assert_eq!(log().while_held(), Vec::<String>::new());
    victim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_packet_without_its_size_ends_its_connection() {
    let victim = Victim::start().await;
    let mut link = victim.link(&certificate()).await;
    // AMOP, version 2, compressed; the frame of zstd says that it has no size.
    let mut packet = b"\0\0\0\x1e\0\x02\0\x07\0\0\0\x05\0\x10\0\x0a\0\0\0\0".to_vec();
    packet.extend_from_slice(b"\x28\xb5\x2f\xfd\0\x58\x01\0\0\0");
    link.write(&packet).await.unwrap();
    ended(link).await;
    victim.is_well().await;
    victim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unicasts_end_when_this_side_closes_their_connection() {
    let limits = ListenLimits::default().with(|limits| limits.frame_time = Duration::from_secs(1));
    let victim = Victim::start_with(limits).await;
    let topics = [Bytes::from_static(b"silent")];
    let mut attacker = Attacker::connect(&victim, &certificate(), &topics).await;
    let before = victim.counters().unicasts_sent;
    let client = victim.client.clone();
    let asking = tokio::spawn(async move {
        let topic = "silent".parse().unwrap();
        loop {
            match client.publish_unicast_raw(&topic, "?".into()).await {
                Err(error) if matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                result => return result,
            }
        }
    });
    let sent = || victim.counters().unicasts_sent > before;
    attacker.behave_until("the unicast", sent).await;
    // The rest of the packet never comes.
    let start = std::time::Instant::now();
    attacker.link.write(b"\0\0\x01\0").await.unwrap();
    let answer = within("the result", asking).await.unwrap();
    assert!(answer.is_err());
    // Without a result from the bridge, the machine would wait for 30 s.
    assert!(start.elapsed() < Duration::from_secs(25));
    victim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_chain_is_refused() {
    let a = node(&[]).await;
    let other = amop_tls::pki::RsaAuthority::new("other").unwrap();
    let issued = other.issue().unwrap();
    let own = amop_testkit::identity_of(&issued.cert_pem, &issued.key_pem, other.cert_pem());
    let b = start(gateway(own, &[a.gateway_address().unwrap()])).await;
    log()
        .wait_for(&["3.x node", "the TLS handshake failed"])
        .await;
    assert_eq!(a.gateway_peers(), []);
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_topics_is_counted_and_bounded() {
    let victim = Victim::start().await;
    let flood: Vec<Bytes> = (0..9_000).map(|n| format!("flood {n}").into()).collect();
    let mut topics = flood.clone();
    topics.push(vec![b'x'; 300].into());
    let own = certificate();
    let mut attacker = Attacker::connect(&victim, &own, &topics).await;
    let left_out = || victim.counters().topics_left_out == 1;
    attacker.behave_until("the topics", left_out).await;
    victim.is_well().await;
    // Too many at once: the whole list is refused.
    let more: Vec<Bytes> = (0..20_000).map(|n| format!("more {n}").into()).collect();
    let mut announced = AnnouncedTopics::starting_at(77);
    announced.replace(more).unwrap();
    attacker
        .peer
        .announce(std::time::Instant::now(), &announced);
    let refused = || victim.counters().connections.lists_refused > 0;
    attacker.behave_until("the refusal", refused).await;
    log()
        .wait_for(&["gateway connection", "more than 10000 topics"])
        .await;
    victim.is_well().await;
    victim.shutdown().await;
}

/// Its queue fills, then the others wait for it a short time, once. It loses what has no room.
#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_reads_nothing_holds_up_the_others_only_briefly() {
    const MESSAGES: usize = 100;
    let victim = Victim::start().await;
    let topics = [Bytes::from_static(b"long")];
    let mut attacker = Attacker::connect(&victim, &certificate(), &topics).await;
    let before = victim.counters().multicasts_sent;
    let topic = "long".parse().unwrap();
    // It cannot be compressed.
    let random: Bytes = (0..1024 * 1024).map(|_| rand::random::<u8>()).collect();
    let publish = async |len| {
        let payload = random.slice(..len);
        let sent = victim.client.publish_multicast_raw(&topic, payload).await;
        sent.unwrap();
    };
    let probing = async {
        loop {
            publish(1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let sent = || victim.counters().multicasts_sent > before;
    tokio::select! {
        () = attacker.behave_until("the first multicast", sent) => {}
        () = probing => unreachable!(),
    }
    // From now on it reads nothing.
    within("the multicasts", async {
        for _ in 0..MESSAGES {
            publish(random.len()).await;
        }
    })
    .await;
    until("messages without room", || victim.counters().unsent > 0).await;
    victim.is_well().await;
    drop(attacker);
    joined(&victim.node, 1).await;
    victim.is_well().await;
    victim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_an_unreadable_body_is_not_given_and_the_node_lives() {
    let victim = Victim::start().await;
    let mut attacker = Attacker::connect(&victim, &certificate(), &[]).await;
    let payload = b"\0\0\0\x04\0\0\0\0\0\0\x00\xffx";
    let mut packet = Vec::new();
    let len = u32::try_from(14 + payload.len()).unwrap();
    packet.extend_from_slice(&len.to_be_bytes());
    packet.extend_from_slice(b"\0\0\0\x07\0\0\0\x05\0\0");
    packet.extend_from_slice(payload);
    attacker.link.write(&packet).await.unwrap();
    let malformed = || victim.counters().malformed == 1;
    attacker.behave_until("the counter", malformed).await;
    victim.is_well().await;
    victim.shutdown().await;
}
