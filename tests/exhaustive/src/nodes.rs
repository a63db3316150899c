//! The nodes: they get events, and their actions are carried out.

use std::{collections::VecDeque, sync::Arc};

use amop_proto::node::{Action, NodeEvent, NodeNotice, PeerCloseReason, PeerId};

use crate::{host::Host, state::State};

impl State {
    /// Feeds an event to a node and carries out its actions.
    pub(crate) fn tell(&mut self, host: usize, event: NodeEvent) {
        let now = self.instant();
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let node = &mut Arc::make_mut(&mut self.hosts[host]).node;
            node.handle(now, event);
            let actions: Vec<Action> = std::iter::from_fn(|| node.poll_action()).collect();
            Arc::make_mut(&mut self.hosts[host]).digest = 0;
            for action in actions {
                self.act(host, action, &mut events);
            }
        }
    }

    fn act(&mut self, host: usize, action: Action, events: &mut VecDeque<NodeEvent>) {
        match action {
            Action::SendPeer {
                peer,
                lane,
                message,
            } => {
                events.push_back(NodeEvent::PeerWritten(peer, lane, message.wire_len()));
                let frame = message.joined();
                self.write(host, peer, frame);
            }
            Action::SendSession { session, frame } => {
                events.push_back(NodeEvent::SessionWritten(session, frame.wire_len()));
                self.reach_sdk(session, &frame);
            }
            Action::ClosePeer { peer, reason } => {
                self.check_blame(host, peer, &reason);
                self.closed(host, peer);
            }
            Action::CloseSession { session, reason } => {
                self.fail(format!("node {host} closes session {session:?}: {reason}"));
            }
            Action::Answer { session, question } => {
                let reply = self.hosts[host].node.answer(&question);
                events.push_back(NodeEvent::SessionReply(session, reply));
            }
            Action::Restate(restatement) => events.push_back(restatement.carry_out()),
            Action::Notice(NodeNotice::BadPeerMessage { peer, what, .. })
                if self.are_honest(host, peer) =>
            {
                self.fail(format!(
                    "node {host} finds {what} in what an honest node sent"
                ));
            }
            Action::PauseSession { .. }
            | Action::ResumeSession { .. }
            | Action::CoalesceSession { .. }
            | Action::FragmentPeer { .. }
            | Action::Notice(_) => {}
        }
    }

    /// Returns whether both ends of a connection are honest.
    fn are_honest(&self, host: usize, peer: PeerId) -> bool {
        let held = |link: &&crate::links::Link| link.conns.iter().any(|conn| conn.id == peer.0);
        let mut links = self.links.iter().filter(held);
        !self.is_liar(host) && !links.any(|link| link.ends.iter().any(|&end| self.is_liar(end)))
    }

    /// Checks that no honest node takes another honest node for a forger.
    fn check_blame(&mut self, host: usize, peer: PeerId, reason: &PeerCloseReason) {
        if let PeerCloseReason::BadRecords(fault) = reason
            && self.are_honest(host, peer)
        {
            self.fail(format!("node {host} blames an honest node for {fault}"));
        }
    }

    /// Starts a node again.
    pub(crate) fn restart(&mut self, host: usize) {
        self.hosts[host] = Arc::new(Host::new(host, &self.scenario, self.now));
    }
}
