//! Verdicts of publishers on subscribers that other nodes have for a private topic.

use bytes::Bytes;

use super::{
    Topics,
    routes::{PUSH_ROUTE, VERIFY_ROUTE, routes},
    verifications::Verification,
};
use crate::{
    channel::Verdict,
    node::{
        NodeNotice, SessionId,
        mesh::Mesh,
        router::{ends::Remote, outbound::Outbound},
    },
    p2p::mesh::RoutingKey,
};

/// The number of routes of a node's topic that are remembered as refused. Further ones are asked
/// about again in turn.
const MAX_REFUSED: usize = 64;

impl Topics {
    /// Handles a publisher's verdict, 0x38; `None` if it could not be read.
    pub(in crate::node::router) fn judge(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        session: SessionId,
        verdict: Option<Verdict>,
    ) {
        let Some(Verdict { topic, node, good }) = verdict else {
            return out.notice(NodeNotice::BadVerdict {
                session,
                what: "is malformed",
            });
        };
        // Otherwise any SDK of this node could open a private topic.
        let push_topic = [PUSH_ROUTE, &topic].concat();
        let entitled = out
            .links
            .sessions
            .get(&session)
            .is_some_and(|link| link.topics.contains_key(&push_topic[..]));
        if !entitled {
            return out.notice(NodeNotice::BadVerdict {
                session,
                what: "is from a session that does not publish that topic",
            });
        }
        let key = RoutingKey::from(&node);
        let remote = out
            .links
            .peer_with(key)
            .map(Remote::Fisco)
            .filter(|&remote| {
                self.verifications
                    .states
                    .contains_key(&(topic.clone(), remote))
            })
            .unwrap_or(Remote::Node(key));
        let Some(state) = self.verifications.states.get_mut(&(topic.clone(), remote)) else {
            return out.notice(NodeNotice::BadVerdict {
                session,
                what: "is about a node without that topic",
            });
        };
        // Only the first good verdict counts (channel-v2 section 9.2).
        if state.good {
            return;
        }
        // An unrequested verdict is from a time before the node came, or invented.
        let Some(asked) = state.asked.as_mut().filter(|asked| asked.open) else {
            return out.notice(NodeNotice::BadVerdict {
                session,
                what: "was not asked for",
            });
        };
        if !asked.judges.contains(&session) {
            return out.notice(NodeNotice::BadVerdict {
                session,
                what: "is from a session that was not asked",
            });
        }
        if good {
            *state = Verification {
                count: state.count,
                good,
                ..Verification::default()
            };
            let count = state.count;
            self.set_candidate(remote, &topic, count);
        } else {
            asked.open = false;
            let route = asked.route.clone();
            self.refuse(out, mesh, (topic, remote), route);
        }
        out.notice(NodeNotice::Verdict {
            session,
            node,
            good,
        });
    }

    /// Records that the subscriber behind a route holds no granted key. The node is asked about
    /// another one at the next due time: a node with many routes must not keep publishers busy.
    fn refuse(&mut self, out: &Outbound, mesh: &Mesh, key: (Bytes, Remote), route: Bytes) {
        let Some(mut state) = self.verifications.states.remove(&key) else {
            return;
        };
        let (topic, remote) = &key;
        let prefix = [VERIFY_ROUTE, topic].concat();
        let held = |route: &Bytes| {
            let mut routes = routes(&out.links, mesh, *remote, &prefix, route.clone());
            routes.next().as_ref() == Some(route)
        };
        state.refused.insert(route);
        state.refused.retain(held);
        if state.refused.len() > MAX_REFUSED {
            state.refused.pop_first();
        }
        self.verifications.states.insert(key, state);
    }
}
