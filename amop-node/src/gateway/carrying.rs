//! Carries the machine's frames to the bridge, in the tasks that write to the connections: a task in
//! between would cost each message another wake-up.

use std::{collections::VecDeque, time::Duration};

use amop_proto::node::{PeerId, Piece};

use super::room::{Carrying, ConnectionSignals, GatewayRoom};
use crate::{
    link::{P2p, Wire, Written},
    outbox::WriteBatch,
};

/// How long the machine's frames wait while a connection has much to write. Then the connection
/// loses messages.
const PATIENCE: Duration = Duration::from_secs(1);

impl GatewayRoom {
    /// Gives the bridge the machine's frames, unless a connection has much to write: then they wait,
    /// so that publishers are slowed down before messages are lost.
    pub(super) async fn carry(&self) {
        // One task at a time, so that the frames keep their order.
        let mut carrying = self.carrying.lock().await;
        self.tell_machine(&mut carrying).await;
        while self.has_room() && self.carry_some(&mut carrying) {
            self.tell_machine(&mut carrying).await;
        }
    }

    /// Gives the bridge all frames that wait, before the end of the node.
    pub(super) async fn carry_rest(&self) {
        let mut carrying = self.carrying.lock().await;
        self.tell_machine(&mut carrying).await;
        while self.carry_some(&mut carrying) {
            self.tell_machine(&mut carrying).await;
        }
    }

    /// Waits until there may be something to write to a connection: the bridge has packets for it, or
    /// the machine has frames.
    pub(super) async fn wait_to_write(&self, signals: &ConnectionSignals) {
        let Some(machine) = self.machine_signals() else {
            return signals.write.notified().await;
        };
        tokio::select! {
            () = signals.write.notified() => {}
            () = machine.write.notified() => {}
        }
    }

    /// Lets the machine's frames wait no longer for connections that have had much to write for long.
    /// A connection that stays behind delays the others at most once in a minute.
    pub(super) async fn give_up_waiting(&self) {
        let since = self.waits_since();
        if since.is_some_and(|since| since.elapsed() >= PATIENCE) {
            let ((), frames) = self.with(|bridge, now| bridge.note_behind(now));
            self.hand_on(frames).await;
        }
    }

    /// Gives the bridge the frames that wait. Returns whether there were any.
    fn carry_some(&self, carrying: &mut Carrying) -> bool {
        let Some((peer, mut frames)) = self.take_frames(std::mem::take(&mut carrying.spare)) else {
            return false;
        };
        let mut written = Written::<P2p>::new(&self.core, peer);
        let messages: Vec<_> = frames
            .drain(..)
            .map(|piece| {
                written.count(P2p::len(&piece));
                piece.message.joined()
            })
            .collect();
        carrying.spare = frames;
        let ((), answers) = self.with(|bridge, now| {
            for message in messages {
                bridge.handle_frame(now, message);
            }
        });
        carrying.answers = Some(answers);
        written.report();
        true
    }

    fn take_frames(&self, spare: VecDeque<Piece>) -> Option<(PeerId, VecDeque<Piece>)> {
        let peer = self.machine_peer()?;
        let mut state = self.core.lock();
        let WriteBatch { frames, .. } = state.peers.get_mut(&peer)?.take(spare)?;
        Some((peer, frames))
    }

    /// Gives the machine what the bridge has answered. Nothing leaves `carrying` before it has arrived,
    /// because this task may be dropped at any wait.
    async fn tell_machine(&self, carrying: &mut Carrying) {
        let Carrying {
            answers, events, ..
        } = carrying;
        if let Some((peer, frames)) = answers.as_ref().and_then(|answers| answers.frames.as_ref()) {
            let checked = self.checked(*peer, frames.clone()).await;
            events.extend(checked);
        }
        if let Some(answers) = answers {
            answers.frames = None;
        }
        if !events.is_empty() {
            self.give(std::iter::from_fn(|| events.pop_front())).await;
        }
        // Only now: the end of the machine's peer must not overtake its last frames.
        if let Some(answers) = answers.take() {
            self.lose(answers);
        }
    }
}
