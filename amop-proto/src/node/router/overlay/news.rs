//! What the mesh reports, and what follows from it for messages.

use std::time::Instant;

use crate::node::{
    Action, NodeNotice, PeerCloseReason,
    mesh::MeshOutput,
    router::{Router, ends::Remote},
};

impl Router {
    /// Carries out the mesh's outputs.
    pub(in crate::node::router) fn settle_mesh(&mut self, now: Instant) {
        self.mesh.speak(now);
        while let Some(output) = self.mesh.poll_output() {
            self.mesh_output(now, output);
        }
    }

    fn mesh_output(&mut self, now: Instant, output: MeshOutput) {
        match output {
            MeshOutput::Send(peer, frame) => self.out.send_peer(&self.mesh, peer, frame),
            MeshOutput::Topic(node, topic, count) => {
                self.topics.border_changed = true;
                let most = self
                    .mesh
                    .may_claim(node, &topic, self.limits.max_claimed_subscribers);
                if count > most {
                    self.out.counters.claims_capped += 1;
                }
                let count = count.min(most);
                self.topics.set_remote(
                    &mut self.out,
                    &self.mesh,
                    now,
                    Remote::Node(node),
                    &topic,
                    count,
                );
            }
            MeshOutput::Lost(node) => {
                self.multicasts.node_absent(now, node);
                self.node_lost(now, node);
            }
            MeshOutput::Cut { shaken, changes } => {
                self.multicasts.links_changed(now);
                self.send_again(now, changes, |_, node| shaken.contains(&node));
            }
            MeshOutput::Moved(neighbour) => {
                let changes = self.mesh.changes();
                self.send_again(now, changes, |router, node| {
                    router.mesh.leads_through(node, neighbour)
                });
            }
            MeshOutput::TooManyTopics(peer) => {
                self.out.counters.peers_over_topics += 1;
                let max = self.limits.peer_topics;
                let reason = PeerCloseReason::TooManyTopics { max };
                self.out.close(Action::ClosePeer { peer, reason });
            }
            MeshOutput::Acknowledged => self.acknowledged = true,
            MeshOutput::Restate(restatement) => {
                self.out.push(Action::Restate(restatement));
            }
            MeshOutput::Stubs => self.topics.border_changed = true,
            MeshOutput::Bad(peer, what) => self.out.bad_message(peer, what),
            MeshOutput::Refused(peer, what) => {
                self.out.counters.records_refused += 1;
                self.out.note_misbehaviour(peer, what);
            }
            MeshOutput::Fault(peer, fault) => {
                self.out.counters.records_refused += 1;
                let reason = PeerCloseReason::BadRecords(fault);
                self.out.close(Action::ClosePeer { peer, reason });
            }
            MeshOutput::Disbelieved { peer, node, why } => {
                self.out.counters.records_refused += 1;
                let count = self.out.counters.records_refused;
                let teller = self.out.links.peers.get(&peer).and_then(|link| link.node);
                if let Some(teller) = teller
                    && (count <= 16 || count.is_power_of_two())
                {
                    self.out.notice(NodeNotice::Disbelieved {
                        peer,
                        teller,
                        node,
                        why,
                    });
                }
            }
            MeshOutput::OverBudget(peer) => {
                self.out.counters.over_budget += 1;
                self.out
                    .note_misbehaviour(peer, "records for which there is no room");
            }
            MeshOutput::Evicted(count) => self.out.counters.over_budget += count as u64,
            MeshOutput::TooOften(peer) => {
                self.out.counters.statements_late += 1;
                self.out
                    .note_misbehaviour(peer, "statements of a node that sends too many");
            }
            MeshOutput::Repeats(peer) => {
                self.out.counters.records_repeated += 1;
                self.out
                    .note_misbehaviour(peer, "known records, again and again");
            }
            MeshOutput::AsksTooMuch(peer) => self.out.refuse_question(peer),
        }
    }
}
