//! The peers and topics that JSON-RPC answers list, copied piece by piece.

use bytes::Bytes;

use super::NodeMachine;
use crate::{
    channel::Frame,
    node::{
        PeerId, PeerIdentity, Question,
        rpc::{Needs, RpcPeer},
    },
};

/// The number of topics read in one piece: some 100 microseconds.
const PIECE: usize = 256;

/// The limit for listed topics, in bytes of JSON.
const MAX_LISTED: usize = 16 * 1024 * 1024;

/// The peers and topics of a node at the time of copying.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The connected nodes, in the order they connected.
    pub peers: Vec<RpcPeer>,
    /// The topics of this node's sessions.
    pub own_topics: Vec<String>,
}

/// A piece of a list of topics.
#[derive(Debug, Default)]
struct ListingPiece {
    topics: Vec<Bytes>,
    /// The last topic read, if there may be more.
    last: Option<Bytes>,
}

impl Listing {
    /// Copies the data that an answer needs. `lend` lends the node to the function it is given. It is
    /// called often, and each call takes little time, so that others can use the node in between. If
    /// there are very many topics, only the first 16 MiB are listed.
    pub fn copy(needs: Needs, mut lend: impl FnMut(&mut dyn FnMut(&NodeMachine))) -> Self {
        let mut listing = Self::default();
        let mut left = MAX_LISTED;
        if needs.own_topics {
            listing.own_topics = collect(&mut left, |after| {
                let mut piece = ListingPiece::default();
                lend(&mut |node| piece = node.own_piece(after));
                piece
            });
        }
        if !needs.peers {
            return listing;
        }
        let mut ids = Vec::new();
        lend(&mut |node| ids = node.peers.keys().copied().collect());
        for id in ids {
            let mut identity = None;
            lend(&mut |node| identity = node.peers.get(&id).map(|peer| peer.identity.clone()));
            let Some(identity) = identity else {
                continue;
            };
            let topics = match needs.peer_topics {
                true => collect(&mut left, |after| {
                    let mut piece = ListingPiece::default();
                    lend(&mut |node| piece = node.peer_piece(id, after));
                    piece
                }),
                false => Vec::new(),
            };
            listing.peers.push(info(identity, topics));
        }
        listing
    }
}

fn info(identity: PeerIdentity, topics: Vec<String>) -> RpcPeer {
    RpcPeer {
        agency: identity.agency,
        address: identity.address,
        name: identity.name,
        node_id: identity.node.to_string(),
        topics,
    }
}

fn collect(left: &mut usize, mut piece: impl FnMut(Option<&Bytes>) -> ListingPiece) -> Vec<String> {
    let mut topics = Vec::new();
    let mut after = None;
    loop {
        let next = piece(after.as_ref());
        for topic in next.topics {
            let topic = String::from_utf8_lossy(&topic).into_owned();
            let len = written(&topic);
            if len > *left {
                return topics;
            }
            *left -= len;
            topics.push(topic);
        }
        after = next.last;
        if after.is_none() {
            return topics;
        }
    }
}

/// Returns the largest length of a topic in JSON.
fn written(topic: &str) -> usize {
    let escaped = |byte: &u8| *byte < 0x20 || matches!(*byte, b'"' | b'\\');
    topic.len() + 3 + 5 * topic.bytes().filter(|byte| escaped(byte)).count()
}

impl NodeMachine {
    /// Returns the connected nodes as `getPeers` lists them.
    pub fn peer_infos(&self) -> Vec<RpcPeer> {
        let needs = Needs {
            peers: true,
            peer_topics: true,
            own_topics: false,
        };
        Listing::copy(needs, |piece| piece(self)).peers
    }

    /// Returns the topics that this node's sessions hold, as `getNodeInfo` lists them.
    pub fn own_topics(&self) -> Vec<String> {
        let needs = Needs {
            own_topics: true,
            ..Needs::default()
        };
        Listing::copy(needs, |piece| piece(self)).own_topics
    }

    /// Answers a request at once: for callers that do not share the node.
    pub fn answer(&self, question: &Question) -> Frame {
        let listing = Listing::copy(question.request.needs(), |piece| piece(self));
        let facts = &self.config.facts;
        let (peers, own_topics) = (&listing.peers, &listing.own_topics);
        question.reply(question.request.answer(facts, peers, own_topics))
    }

    fn own_piece(&self, after: Option<&Bytes>) -> ListingPiece {
        let topics: Vec<Bytes> = self
            .router
            .local_topics_after(after)
            .take(PIECE)
            .cloned()
            .collect();
        let last = topics.last().filter(|_| topics.len() == PIECE).cloned();
        ListingPiece { topics, last }
    }

    fn peer_piece(&self, peer: PeerId, after: Option<&Bytes>) -> ListingPiece {
        let Some(link) = self.peers.get(&peer) else {
            return ListingPiece::default();
        };
        let node = link.is_overlay().then_some(&link.identity.node);
        let seen: Vec<(Bytes, bool)> = self
            .router
            .topics_of_peer(peer, node, after)
            .take(PIECE)
            .collect();
        let last = seen.last().filter(|_| seen.len() == PIECE);
        let last = last.map(|(topic, _)| topic.clone());
        let shown = seen.into_iter().filter(|&(_, shown)| shown);
        let topics = shown.map(|(topic, _)| topic).collect();
        ListingPiece { topics, last }
    }
}
