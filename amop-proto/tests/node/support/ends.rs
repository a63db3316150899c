//! The other ends of a node's connections: SDKs and peers.

use std::{collections::VecDeque, mem::take, time::Duration};

use amop_proto::{
    channel::{Frame, FrameDecoder, FrameType, encode_topics},
    node::{
        NodeEvent, NodeNotice, PeerCloseReason, PeerId, PeerIdentity, SessionCloseReason,
        SessionId, SessionIdentity,
    },
    p2p::{
        NodeId, PeerFrame,
        mesh::{self, SharedSecret},
        packet,
    },
};
use bytes::BytesMut;

use super::{
    extension,
    frames::{
        change, hello, known, records, reply, seq, state, taken, topic_list, topic_seq, with_header,
    },
    net::{Link, Net, PeerEnd, Sdk, SdkEnd, node_id, number},
};

impl Net {
    // Sessions.

    pub(crate) fn sdk(&mut self, node: usize) -> Sdk {
        let id = SessionId(self.id());
        self.nodes[node].sessions.insert(id, SdkEnd::default());
        self.open_session(node, id, SessionIdentity::default());
        Sdk { node, id }
    }

    fn open_session(&mut self, node: usize, session: SessionId, identity: SessionIdentity) {
        self.event(node, NodeEvent::SessionOpened { session, identity });
    }

    /// Returns an SDK with its own certificate, of this agency and with this key.
    pub(crate) fn sdk_of(&mut self, node: usize, agency: u8, key: u8) -> Sdk {
        let id = SessionId(self.id());
        self.nodes[node].sessions.insert(id, SdkEnd::default());
        let identity = SessionIdentity {
            key: [key; 32],
            agency: [agency; 32],
        };
        self.open_session(node, id, identity);
        Sdk { node, id }
    }

    /// Returns an SDK that has subscribed to topics.
    pub(crate) fn subscriber(&mut self, node: usize, topics: &[&str]) -> Sdk {
        let sdk = self.sdk(node);
        self.subscribe(sdk, topics);
        sdk
    }

    pub(crate) fn subscribe(&mut self, sdk: Sdk, topics: &[&str]) {
        let body = encode_topics(topics.iter().copied());
        self.send(sdk, Frame::new(FrameType::SET_TOPICS, seq(0), body));
        // There are more topics than change at once.
        while topics.len() > 200 && self.nodes[sdk.node].machine.router().is_changing_topics() {
            self.advance(Duration::from_millis(1));
        }
    }

    pub(crate) fn send(&mut self, sdk: Sdk, frame: Frame) {
        let mut wire = BytesMut::from(&frame.to_bytes()[..]);
        let frame = FrameDecoder::default().decode(&mut wire).unwrap().unwrap();
        let event = match NodeEvent::session_frame(sdk.id, frame) {
            NodeEvent::SessionFrame(id, input)
                if self.nodes[sdk.node].machine.router().has_distant() =>
            {
                NodeEvent::SessionFrame(id, input.digested())
            }
            event => event,
        };
        self.event(sdk.node, event);
    }

    /// Sends a type and a body, with a seq that no other frame has.
    pub(crate) fn send_body(&mut self, sdk: Sdk, kind: FrameType, body: &[u8]) {
        let seq = seq(1 << 40 | self.id());
        self.send(sdk, Frame::new(kind, seq, body.to_vec()));
    }

    pub(crate) fn end(&mut self, sdk: Sdk) -> &mut SdkEnd {
        self.nodes[sdk.node].sessions.get_mut(&sdk.id).unwrap()
    }

    pub(crate) fn inbox(&mut self, sdk: Sdk) -> Vec<Frame> {
        take(&mut self.end(sdk).inbox).into()
    }

    /// Returns the only frame that a session has received.
    pub(crate) fn only(&mut self, sdk: Sdk) -> Frame {
        let mut frames = self.inbox(sdk);
        assert_eq!(frames.len(), 1, "{sdk:?}: {frames:?}");
        frames.remove(0)
    }

    pub(crate) fn nothing(&mut self, sdk: Sdk) {
        assert_eq!(self.inbox(sdk), [], "{sdk:?}");
    }

    /// Lets the SDK read this many of the unwritten bytes.
    pub(crate) fn read(&mut self, sdk: Sdk, bytes: usize) {
        let end = self.end(sdk);
        let bytes = bytes.min(end.unwritten);
        end.unwritten -= bytes;
        self.event(sdk.node, NodeEvent::SessionWritten(sdk.id, bytes));
    }

    pub(crate) fn hang_up(&mut self, sdk: Sdk) {
        self.end(sdk).gone = true;
        self.event(sdk.node, NodeEvent::SessionClosed(sdk.id));
    }

    pub(crate) fn is_open(&self, sdk: Sdk) -> bool {
        !self.nodes[sdk.node].sessions[&sdk.id].gone
    }

    pub(crate) fn is_up(&self, link: Link) -> bool {
        let end = &self.nodes[link.node].peers[&link.id];
        end.opened && !end.gone
    }

    pub(crate) fn closed(&mut self, sdk: Sdk) -> Option<SessionCloseReason> {
        self.end(sdk).closed.clone()
    }

    // Peers.

    fn end_of_link(&mut self, node: usize, remote: NodeId, dialled: bool) -> Link {
        let id = PeerId(self.id());
        let end = PeerEnd {
            identity: PeerIdentity {
                node: remote,
                name: "peer".into(),
                agency: "agency".into(),
                authority: SharedSecret::agency_of(&remote),
                address: "127.0.0.1:1".into(),
                new_seqs: false,
            },
            dialled,
            other: None,
            inbox: VecDeque::new(),
            closed: None,
            stalled: false,
            unwritten: 0,
            unwritten_of: VecDeque::new(),
            received: BytesMut::new(),
            deaf: false,
            announced: 0,
            opened: false,
            gone: false,
        };
        self.nodes[node].peers.insert(id, end);
        Link { node, id }
    }

    /// Lets `a` dial `b`; the ends must still finish TLS.
    pub(crate) fn dial(&mut self, a: usize, b: usize) -> (Link, Link) {
        let dialler = self.end_of_link(a, node_id(b), true);
        let listener = self.end_of_link(b, node_id(a), false);
        self.link(dialler).other = Some(listener);
        self.link(listener).other = Some(dialler);
        (dialler, listener)
    }

    pub(crate) fn open(&mut self, link: Link) {
        let end = self.link(link);
        if end.gone {
            return;
        }
        end.opened = true;
        let (identity, dialled) = (end.identity.clone(), end.dialled);
        let peer = link.id;
        let opened = NodeEvent::PeerOpened {
            peer,
            identity,
            dialled,
        };
        self.event(link.node, opened);
        self.arrived(link);
        self.settle();
    }

    pub(crate) fn connect(&mut self, a: usize, b: usize) -> (Link, Link) {
        let (dialler, listener) = self.dial(a, b);
        self.open(dialler);
        self.open(listener);
        (dialler, listener)
    }

    /// Returns a peer that the test plays. The node's greeting is left in its inbox.
    pub(crate) fn raw_peer(&mut self, node: usize, remote: NodeId, dialled: bool) -> Link {
        let link = self.end_of_link(node, remote, dialled);
        self.open(link);
        link
    }

    /// Does the same for a peer whose messages have seqs that its node made.
    pub(crate) fn raw_peer_with_new_seqs(&mut self, node: usize, remote: NodeId) -> Link {
        let link = self.end_of_link(node, remote, true);
        self.link(link).identity.new_seqs = true;
        self.open(link);
        link
    }

    /// Returns why a node closed the connection, if it did.
    pub(crate) fn peer_closed(&mut self, link: Link) -> Option<PeerCloseReason> {
        self.link(link).closed.clone()
    }

    /// Returns a peer that behaves like a FISCO node with these topics, after its greeting.
    pub(crate) fn fisco_peer(&mut self, node: usize, remote: usize, topics: &str) -> Link {
        let link = self.raw_peer(node, node_id(remote), false);
        self.peer_send(link, topic_seq("1"));
        let asked = self.peer_inbox(link);
        let request = asked.last().unwrap();
        assert_eq!(request.packet, packet::REQUEST_TOPICS);
        let list = topic_list(request.seq, &format!("1\t{topics}"));
        self.peer_send(link, list);
        assert!(self.peer_inbox(link).is_empty());
        link
    }

    /// Returns a peer that behaves like an overlay node with these subscribers and no other link,
    /// after its greeting. It has acknowledged the node's state.
    pub(crate) fn overlay_peer(
        &mut self,
        node: usize,
        remote: usize,
        topics: &[(&str, u32)],
    ) -> Link {
        let link = self.raw_peer(node, node_id(remote), false);
        self.peer_send(link, hello());
        self.peer_send(link, known(&[]));
        self.announce(link, topics);
        for frame in self.peer_inbox(link) {
            if frame.packet == mesh::packet::RECORDS {
                self.peer_send(link, taken(frame.seq));
            }
        }
        link
    }

    /// Lets an overlay peer announce its whole state: its subscribers, and this link.
    pub(crate) fn announce(&mut self, link: Link, topics: &[(&str, u32)]) {
        let version = self.id();
        let end = self.link(link);
        end.announced = version;
        let remote = number(&end.identity.node);
        let record = state(remote, version, &[link.node], topics);
        self.peer_send(link, records(0, &[record]));
    }

    /// Lets an overlay peer announce a change of its subscribers.
    pub(crate) fn announce_change(&mut self, link: Link, topics: &[(&str, u32)]) {
        let version = self.id();
        let end = self.link(link);
        let base = std::mem::replace(&mut end.announced, version);
        let remote = number(&end.identity.node);
        let record = change(remote, version, base, topics);
        self.peer_send(link, records(0, &[record]));
    }

    pub(crate) fn link(&mut self, link: Link) -> &mut PeerEnd {
        self.nodes[link.node].peers.get_mut(&link.id).unwrap()
    }

    pub(crate) fn peer_send(&mut self, link: Link, frame: PeerFrame) {
        let mut wire = BytesMut::new();
        self.codec.encode(&frame, &mut wire);
        self.link(link).received.extend_from_slice(&wire);
        self.arrived(link);
        self.settle();
    }

    pub(crate) fn peer_inbox(&mut self, link: Link) -> Vec<PeerFrame> {
        take(&mut self.link(link).inbox).into()
    }

    /// Answers the unicasts that were sent to an overlay node that the test plays, all with this
    /// result. Returns their number.
    pub(crate) fn answer_asked(&mut self, link: Link, result: i32) -> usize {
        let mut count = 0;
        for frame in self.peer_inbox(link) {
            if frame.packet != mesh::packet::UNICAST {
                continue;
            }
            let (asked, message) = with_header(&frame, mesh::packet::UNICAST);
            let header = mesh::UnicastHeader {
                source: asked.target,
                target: asked.source,
                id: asked.id,
            };
            let answer = Frame {
                result,
                ..reply(&message, "")
            };
            let body = header.encode(&answer);
            self.peer_send(link, extension(mesh::packet::ANSWER, 32, body));
            count += 1;
        }
        count
    }

    pub(crate) fn peer_only(&mut self, link: Link) -> PeerFrame {
        let mut frames = self.peer_inbox(link);
        assert_eq!(frames.len(), 1, "{link:?}: {frames:?}");
        frames.remove(0)
    }

    pub(crate) fn peer_read(&mut self, link: Link, bytes: usize) {
        let end = self.link(link);
        let mut bytes = bytes.min(end.unwritten);
        end.unwritten -= bytes;
        let mut written = Vec::new();
        while let Some((lane, queued)) = end.unwritten_of.front_mut() {
            let part = bytes.min(*queued);
            if part == 0 {
                break;
            }
            written.push(NodeEvent::PeerWritten(link.id, *lane, part));
            (bytes, *queued) = (bytes - part, *queued - part);
            if *queued == 0 {
                end.unwritten_of.pop_front();
            }
        }
        for event in written {
            self.event(link.node, event);
        }
    }

    /// Breaks the connection for both ends.
    pub(crate) fn cut(&mut self, link: Link) {
        let other = self.link(link).other;
        for link in [Some(link), other].into_iter().flatten() {
            if !std::mem::replace(&mut self.link(link).gone, true) {
                self.event(link.node, NodeEvent::PeerClosed(link.id));
            }
        }
    }

    /// Breaks the connection so that only this end notices it. Packets that the other end still
    /// sends are lost.
    pub(crate) fn cut_end(&mut self, link: Link) {
        if let Some(other) = self.link(link).other {
            self.link(other).deaf = true;
        }
        if !std::mem::replace(&mut self.link(link).gone, true) {
            self.event(link.node, NodeEvent::PeerClosed(link.id));
        }
    }

    /// Returns the two ends of the connection between two nodes.
    pub(crate) fn between(&mut self, a: usize, b: usize) -> [Link; 2] {
        let held = self.nodes[a].peers.iter();
        let mut open = held.filter(|(_, end)| end.opened && !end.gone);
        let (&id, end) = open
            .find(|(_, end)| end.identity.node == node_id(b))
            .unwrap();
        [Link { node: a, id }, end.other.unwrap()]
    }

    /// Breaks the connection between two nodes.
    pub(crate) fn cut_between(&mut self, a: usize, b: usize) {
        let [link, _] = self.between(a, b);
        self.cut(link);
    }

    /// Keeps the connection between two nodes open, but nothing sent on it arrives any more.
    pub(crate) fn swallow_between(&mut self, a: usize, b: usize) {
        for link in self.between(a, b) {
            self.link(link).deaf = true;
        }
    }

    /// Returns the connections of a node.
    pub(crate) fn links(&self, node: usize) -> Vec<PeerId> {
        let held = self.nodes[node].peers.iter();
        held.filter(|(_, end)| end.opened && !end.gone)
            .map(|(&id, _)| id)
            .collect()
    }
}

/// Returns a peer that has sent nothing yet; its inbox is empty.
pub(crate) fn silent(net: &mut Net, n: usize) -> Link {
    let peer = net.raw_peer(0, node_id(n), false);
    net.peer_inbox(peer);
    peer
}

/// Returns the topics of a peer that a node knows.
pub(crate) fn topics_of(net: &Net, peer: Link) -> Vec<String> {
    let node = &net.nodes[peer.node];
    let (router, id) = (node.machine.router(), node.peers[&peer.id].identity.node);
    let names = router.peer_topic_names(peer.id);
    names
        .chain(router.node_topic_names(&id))
        .map(|name| String::from_utf8(name.to_vec()).unwrap())
        .collect()
}

pub(crate) fn bad_messages(net: &mut Net) -> usize {
    let notices = net.notices(0).into_iter();
    notices
        .filter(|notice| matches!(notice, NodeNotice::BadPeerMessage { .. }))
        .count()
}
