//! The translator of a session, with a log and counters.

use std::{io, mem::discriminant, net::SocketAddr, sync::Arc, time::Instant};

use amop_proto::{
    channel::Frame,
    log::with_causes,
    node::SessionId,
    ws::{
        WsMessage, WsMessageError, WsTransmit,
        bridge::{Bridge, SdkBridge, SdkNotice},
    },
};
use amop_ws::WsViolation;
use rand::{TryRng, rngs::SysRng};

use crate::{
    context::NodeContext,
    core::Core,
    journal::{Cause, LineKind},
};

/// The translator of a session. What it notices is logged.
#[derive(Debug)]
pub(super) struct JournalledBridge {
    inner: SdkBridge,
    core: Arc<Core>,
    id: SessionId,
    address: SocketAddr,
}

impl JournalledBridge {
    pub(super) fn new(
        context: &NodeContext,
        id: SessionId,
        address: SocketAddr,
    ) -> Result<Self, String> {
        let mut seed = [0; 32];
        SysRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| format!("the operating system gives no random numbers: {error}"))?;
        Ok(Self {
            inner: SdkBridge::new(context.sessions_v3.clone(), seed, Instant::now()),
            core: context.core.clone(),
            id,
            address,
        })
    }

    fn log(&mut self) {
        while let Some(notice) = self.inner.poll_notice() {
            let kind = LineKind::V3Notice(discriminant(&notice));
            let cause = Cause::Session(self.id.0);
            let (id, address) = (self.id.0, self.address);
            let shown = with_causes(&notice);
            let text = format!("3.x session {id} from {address}: {shown}");
            let journal = &self.core.journal;
            match notice {
                SdkNotice::NoCounterpart(_) => journal.debug(kind, cause, text),
                // Usual for SDKs in Go.
                SdkNotice::NotAnswered { .. } => journal.info(kind, cause, text),
                _ => journal.warn(kind, cause, text),
            }
        }
    }
}

impl Bridge for JournalledBridge {
    fn handle_message(&mut self, now: Instant, message: WsMessage) {
        self.inner.handle_message(now, message);
        self.log();
    }

    fn handle_message_error(&mut self, error: WsMessageError) {
        self.core.refusals.bad_frame();
        self.inner.handle_message_error(error);
        self.log();
    }

    fn note_activity(&mut self, at: Instant) {
        self.inner.note_activity(at);
    }

    fn handle_pong(&mut self, now: Instant) {
        self.inner.handle_pong(now);
    }

    fn holds_pongs(&self) -> bool {
        self.inner.holds_pongs()
    }

    fn handle_frame(&mut self, now: Instant, frame: Frame) {
        self.inner.handle_frame(now, frame);
        self.log();
    }

    fn handle_eof(&mut self) {
        self.inner.handle_eof();
        self.log();
    }

    fn handle_io_error(&mut self, error: &io::Error) {
        let violation = error.get_ref().and_then(|error| error.downcast_ref());
        match violation {
            Some(WsViolation::NoRoom { held }) => self.core.refusals.no_room(*held),
            Some(WsViolation::TooSlow { .. }) => self.core.refusals.slow_frame(),
            Some(_) => self.core.refusals.bad_frame(),
            None => {}
        }
        self.inner.handle_io_error(error);
        self.log();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
        self.log();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.inner.next_timeout()
    }

    fn poll_transmit(&mut self) -> Option<WsTransmit> {
        self.inner.poll_transmit()
    }

    fn poll_frame(&mut self) -> Option<Frame> {
        let frame = self.inner.poll_frame();
        self.log();
        frame
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn take_failure(&mut self) -> Option<io::Error> {
        self.inner.take_failure()
    }
}
