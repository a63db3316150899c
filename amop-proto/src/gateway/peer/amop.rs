//! The messages of AMOP that arrive (gateway-v3 section 7).

use std::time::Instant;

use bytes::Bytes;

use super::{GatewayPeer, nodes::Sighting};
use crate::{
    gateway::{
        event::{GatewayEvent, GatewayNotice, ReplyAddress},
        id::{GatewayAddress, GatewayId},
        message::{GatewayMessage, GatewayMessageKind},
        topics::{GatewayTopicList, GatewayTopicListError},
    },
    p2p::parse_topic_seq,
};

impl<T> GatewayPeer<T> {
    pub(super) fn take_message(
        &mut self,
        now: Instant,
        from: GatewayAddress,
        seq: u32,
        message: GatewayMessage,
    ) {
        let body = message.data;
        let source = self.nodes.source(from.id());
        match message.kind {
            GatewayMessageKind::TOPIC_SEQ => self.take_topic_seq(now, &from, &body),
            GatewayMessageKind::REQUEST_TOPICS => self.put_topics(now, &from),
            GatewayMessageKind::TOPICS => self.take_topics(now, from.id(), &body),
            GatewayMessageKind::UNICAST => {
                let reply = ReplyAddress { seq, to: from };
                self.events.push_back(GatewayEvent::Unicast {
                    source,
                    reply,
                    body,
                });
            }
            GatewayMessageKind::MULTICAST => self
                .events
                .push_back(GatewayEvent::Multicast { source, body }),
            _ => self.counters.ignored += 1,
        }
    }

    /// Asks a node for its topics if its number is another one than before (gateway-v3 section
    /// 7.1).
    fn take_topic_seq(&mut self, now: Instant, from: &GatewayAddress, text: &Bytes) {
        let Ok(number) = parse_topic_seq(text) else {
            self.counters.malformed += 1;
            return;
        };
        match self.nodes.hear(now, from, &self.config.limits) {
            Sighting::Known => {}
            Sighting::NoRoom => {
                self.counters.nodes_refused += 1;
                return;
            }
            Sighting::News => {
                self.notice_node(from.id(), None);
                self.put_topic_seq(now, from);
            }
        }
        if self.texts.allows(now) && self.nodes.must_ask(now, from.id(), number) {
            self.put_message(now, from, GatewayMessageKind::REQUEST_TOPICS, Bytes::new());
        }
    }

    /// Sends the list of topics to the source of a request, not to the neighbour: nodes further away
    /// ask, too.
    fn put_topics(&mut self, now: Instant, to: &GatewayAddress) {
        let (id, seq) = (to.id(), self.topics.seq());
        if !self.nodes.may_list(now, id, seq) {
            self.counters.requests_refused += 1;
            return;
        }
        let list = self.topics.text().clone();
        if self.put_message(now, to, GatewayMessageKind::TOPICS, list) {
            self.nodes.note_listed(now, id, seq);
        }
    }

    fn take_topics(&mut self, now: Instant, id: GatewayId, text: &Bytes) {
        if !self.texts.allows(now) {
            self.counters.over_rate += 1;
            return;
        }
        if !self.nodes.answer(now, id) {
            self.counters.unsolicited += 1;
            return;
        }
        self.texts.spend(now, text.len());
        let limits = self.config.limits;
        let list = GatewayTopicList::parse(text, limits.list_bytes, limits.node_topics);
        match list.and_then(|list| self.nodes.replace_topics(id, list, &limits)) {
            Ok(Some(topics)) => {
                let source = self.nodes.source(id);
                self.events
                    .push_back(GatewayEvent::NodeTopics { source, topics });
            }
            Ok(None) => {}
            Err(error) => self.refuse_topics(id, error),
        }
    }

    fn refuse_topics(&mut self, id: GatewayId, error: GatewayTopicListError) {
        self.counters.lists_refused += 1;
        let had_topics = self.nodes.clear_topics(id, &error);
        self.notice(GatewayNotice::TopicsRefused { id, source: error });
        if had_topics {
            let source = self.nodes.source(id);
            let topics = [].into();
            self.events
                .push_back(GatewayEvent::NodeTopics { source, topics });
        }
    }
}
