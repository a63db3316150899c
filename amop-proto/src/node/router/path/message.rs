//! A message that comes in: to whom it goes depends on its topic.

use std::time::Instant;

use crate::{
    channel::{AmopBodyError, FrameType, result_code, topic_end},
    node::{
        Action, HashedFrame, NodeNotice, SessionCloseReason,
        router::{Router, ends::Origin},
    },
};

impl Router {
    pub(in crate::node::router) fn unicast_or_multicast(
        &mut self,
        now: Instant,
        origin: Origin,
        message: HashedFrame,
    ) {
        let frame = &message.frame;
        let foreign = !matches!(origin, Origin::Session(_));
        if foreign && frame.wire_len() > self.limits.frame {
            self.out.counters.over_frame_limit += 1;
            self.out.notice(NodeNotice::OverFrameLimit {
                len: frame.wire_len(),
            });
            if frame.kind == FrameType::UNICAST {
                self.answer_error(origin, frame, result_code::NO_SESSION);
            }
            return;
        }
        let topic = match (topic_end(&frame.body), origin) {
            (Ok(end), _) => Some(1..end),
            (Err(AmopBodyError::Empty), Origin::Session(session)) => {
                return self.out.notice(NodeNotice::EmptyAmopBody { session });
            }
            (Err(error @ AmopBodyError::ZeroLength), Origin::Session(session)) => {
                let reason = SessionCloseReason::Malformed(error);
                return self.out.close(Action::CloseSession { session, reason });
            }
            (Err(AmopBodyError::Empty | AmopBodyError::ZeroLength), Origin::Fisco(peer, _)) => {
                return self.out.bad_message(peer, "an AMOP body without a topic");
            }
            (Err(AmopBodyError::Empty | AmopBodyError::ZeroLength), Origin::Node(..)) => return,
            // A FISCO node reads past the end of the body and finds no subscriber (channel-v2
            // section 3.5); this node finds none either, without reading. The message goes to no
            // subscriber at all, not even to a peer that announces an empty topic: that peer may
            // read past the end.
            (Err(AmopBodyError::BeyondBody { .. }), _) => None,
        };
        if frame.kind == FrameType::MULTICAST {
            self.multicast(now, origin, message, topic);
        } else {
            self.unicast(now, origin, message, topic);
        }
    }
}
