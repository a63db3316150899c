//! What the messages of a 3.x session may cost the node before they are frames of 2.x.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use amop_proto::{
    node::SessionIdentity,
    ws::{MAX_TOPIC_LIST, WsMessage, WsType},
};
use amop_ws::WsBudget;
use tokio::time::{Sleep, sleep};

use crate::{
    apart::{Apart, SHORT},
    context::NodeContext,
    effort::{Effort, WorkDone},
    gate::WorkPermit,
    intake::{IntakeRoom, IntakeShare},
    pace::Pace,
    turns::Party,
};

/// Messages up to this length need no room of their own, like short frames of 2.x.
const SMALL: usize = 4 * 1024;

/// The bytes of text that each text costs in addition: its answer, and the log.
const ANSWER: usize = 512;

/// The work for messages that are not texts is accounted for in groups of this many.
const GROUP: usize = 64;

/// The budget of one session. Its frames are accounted for again where they are read, as those of 2.x.
///
/// Memory is charged to the budget of the node for incomplete frames, in steps of a power of two: the
/// whole length of a message is known only to WebSocket. Texts have the rate of those of 2.x, and long
/// ones are read while no other connection's are.
pub(super) struct SessionBudget {
    share: IntakeShare,
    room: Option<IntakeRoom>,
    party: Party,
    pace: Pace,
    effort: Effort,
    apart: Apart,
    pause: Option<Pin<Box<Sleep>>>,
    turn: Option<Pin<Box<dyn Future<Output = WorkPermit> + Send>>>,
    permit: Option<WorkPermit>,
    /// The length of the text that is being handled.
    text: usize,
    /// Messages that are not accounted for yet.
    steps: usize,
}

impl SessionBudget {
    /// Creates the budget of a session with this number.
    pub(super) fn new(context: &NodeContext, one: u64, identity: SessionIdentity) -> Self {
        let share = context.intake.share_of_sdk(identity);
        let party = share.party(one);
        let rate = context.machine_limits.session_text;
        Self {
            share,
            room: None,
            party,
            pace: context.paces.of_one(party.key, rate),
            effort: context.efforts.session(identity),
            apart: context.core.apart.clone(),
            pause: None,
            turn: None,
            permit: None,
            text: 0,
            steps: 0,
        }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }

    /// Waits for the turn of a long text.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (apart, party) = (&self.apart, self.party);
        let turn = self.turn.get_or_insert_with(|| Box::pin(apart.turn(party)));
        self.permit = Some(ready!(turn.as_mut().poll(cx)));
        self.turn = None;
        Poll::Ready(())
    }

    /// Accounts for what was done, and decides how long nothing is read for it.
    fn account(&mut self) {
        let (text, steps) = (self.text, self.steps);
        (self.text, self.steps) = (0, 0);
        let now = Instant::now();
        self.pace.spend(|| now, text);
        let debt = self.pace.next(now);
        let debt = debt.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let bytes = 0;
        let pause = debt.max(self.effort.spend(WorkDone { bytes, text, steps }));
        if !pause.is_zero() {
            self.pause = Some(Box::pin(sleep(pause)));
        }
    }
}

/// Returns how many bytes of a message are read as text, roughly; 0 if it is not a text.
fn text_of(message: &WsMessage) -> usize {
    match message.kind {
        WsType::UNICAST | WsType::MULTICAST | WsType::RESPONSE => 0,
        // Longer texts are not read.
        _ => message.payload.len().min(MAX_TOPIC_LIST) + ANSWER,
    }
}

impl WsBudget for SessionBudget {
    fn hold(&mut self, len: usize) -> bool {
        if len <= SMALL {
            self.room = None;
            return true;
        }
        let wanted = len.checked_next_power_of_two().unwrap_or(len);
        match &mut self.room {
            Some(room) if wanted <= room.len() => true,
            Some(room) => room.grow(wanted),
            None => {
                self.room = self.share.admit(wanted);
                self.room.is_some()
            }
        }
    }

    fn poll_admit(&mut self, cx: &mut Context<'_>, message: Option<&WsMessage>) -> Poll<()> {
        ready!(self.poll_pause(cx));
        let text = message.map_or(0, text_of);
        if text > SHORT {
            ready!(self.poll_turn(cx));
        }
        self.text = text;
        Poll::Ready(())
    }

    fn handled(&mut self) {
        self.steps += 1;
        if let Some(mut permit) = self.permit.take() {
            permit.costs(self.text);
        }
        if self.text > 0 || self.steps >= GROUP {
            self.account();
        }
    }
}
