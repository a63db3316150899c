//! What SDKs do in a storm.

use std::collections::BTreeSet;

use crate::support::{Net, multicast, reply, unicast};
use amop_proto::channel::{FrameType, result_code};

use super::Storm;

impl Storm {
    pub(super) fn sdk_comes(&mut self) {
        if self.sdks.len() < 10 {
            let node = self.below(2);
            let sdk = self.net.sdk(node);
            self.sdks.push(sdk);
        }
    }

    pub(super) fn subscribe(&mut self) {
        let Some(sdk) = self.open_sdk() else { return };
        let count = self.below(7);
        let topics: BTreeSet<&str> = (0..count).map(|_| self.topic()).collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        self.net.subscribe(sdk, &topics);
    }

    /// Publishes a unicast or a multicast, sometimes with a seq that is in use, or a strange body.
    pub(super) fn publish(&mut self) {
        let Some(sdk) = self.open_sdk() else { return };
        let n = self.fresh();
        let topic = self.topic();
        let payload = "x".repeat(self.below(400));
        let mut frame = match self.one_in(4) {
            true => multicast(n, topic, &payload),
            false => unicast(n, topic, &payload),
        };
        if self.one_in(8) && !self.recent.is_empty() {
            let at = self.below(self.recent.len());
            frame.seq = self.recent[at];
        }
        if self.one_in(20) {
            frame.body = self.bytes(20).into();
        }
        if self.one_in(20)
            && let Some(last) = &self.last
        {
            frame = last.clone();
        }
        self.last = Some(frame.clone());
        self.recent.push(frame.seq);
        if self.recent.len() > 8 {
            self.recent.remove(0);
        }
        let router = self.net.nodes[sdk.node].machine.router();
        let is_answer = router.is_asked(sdk.id, &frame.seq);
        if is_answer {
            // The receiver must be able to distinguish it from a push.
            frame.kind = FrameType::RESPONSE;
        }
        let is_message = !is_answer && frame.body.first().is_some_and(|&len| len > 0);
        let key = (sdk, frame.seq);
        let repeated = |net: &Net| net.nodes[sdk.node].machine.router().counters().repeated;
        let before = repeated(&self.net);
        self.net.send(sdk, frame);
        // A message that is already in flight is answered once.
        if is_message && repeated(&self.net) == before {
            self.due.entry(key).or_default().0 += 1;
        }
    }

    pub(super) fn answer(&mut self) {
        if self.pushes.is_empty() {
            return;
        }
        let at = self.below(self.pushes.len());
        let (sdk, push) = self.pushes.swap_remove(at);
        if !self.net.is_open(sdk) {
            return;
        }
        let mut answer = reply(&push, "answer");
        match self.below(8) {
            0 => answer.result = result_code::NO_SESSION,
            1 => answer.kind = FrameType(0x77),
            2 => answer.kind = FrameType::BLOCK_NOTIFY,
            3 => answer.body = self.bytes(30).into(),
            _ => answer.result = self.below(5) as i32,
        }
        self.net.send(sdk, answer);
    }

    pub(super) fn sdk_talks_nonsense(&mut self) {
        let Some(sdk) = self.open_sdk() else { return };
        let kinds = [
            0x12, 0x13, 0x14, 0x15, 0x16, 0x31, 0x32, 0x37, 0x38, 0x1000, 0x1001, 0xabcd,
        ];
        let kind = FrameType(kinds[self.below(kinds.len())]);
        let body: Vec<u8> = match self.below(5) {
            0 => self.bytes(60),
            1 => br#"{"minimumSupport":1,"maximumSupport":3}"#.to_vec(),
            2 => br#"{"minimumSupport":7,"maximumSupport":9}"#.to_vec(),
            3 => br#"{"jsonrpc":"2.0","id":1,"method":"getPeers","params":[1]}"#.to_vec(),
            _ => br#"["a",{}]"#.to_vec(),
        };
        self.net.send_body(sdk, kind, &body);
    }

    pub(super) fn sdk_reads_or_not(&mut self) {
        let Some(sdk) = self.open_sdk() else { return };
        let stalls = self.one_in(3);
        self.net.end(sdk).stalled = stalls;
        let bytes = if stalls { 300 } else { usize::MAX };
        self.net.read(sdk, bytes);
    }
}
