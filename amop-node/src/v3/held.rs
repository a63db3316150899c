//! The memory of WebSocket messages that have arrived in part.

use amop_ws::HeldBytes;

use crate::intake::{IntakeRoom, IntakeShare};

/// Messages up to this length need no room of their own, like short frames of 2.x.
const SHORT: usize = 4 * 1024;

/// Charges the bytes of incomplete messages to the budget of the node, in steps of a power of two:
/// their whole length is known only to WebSocket.
#[derive(Debug)]
pub(super) struct HeldIntake {
    share: IntakeShare,
    room: Option<IntakeRoom>,
}

impl HeldIntake {
    pub(super) fn new(share: IntakeShare) -> Self {
        Self { share, room: None }
    }
}

impl HeldBytes for HeldIntake {
    fn hold(&mut self, len: usize) -> bool {
        if len <= SHORT {
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
}
