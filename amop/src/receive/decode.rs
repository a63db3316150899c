//! Decoding what a subscription brings.

use std::sync::Arc;

use amop_proto::{
    channel::{PrivateName, result_code},
    log::with_causes,
};

use super::{
    delivery::Delivery, incoming::Incoming, responder::Responder, subscriptions::Subscriptions,
};
use crate::{Codec, DecodeError, Topic, report::Warnings};

/// The messages that a subscription could not decode.
#[derive(Debug, Clone, Default)]
pub struct DecodeErrors {
    count: u64,
    last: Option<DecodeError>,
}

impl DecodeErrors {
    /// Returns how many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the error of the last one.
    pub fn last(&self) -> Option<&DecodeError> {
        self.last.as_ref()
    }

    /// Counts one, and logs it within the log's limits.
    pub(crate) fn add(&mut self, error: DecodeError, log: &Warnings) {
        self.count += 1;
        log.warn(self.count, with_causes(&error));
        self.last = Some(error);
    }
}

/// Decodes a message, or tells its publisher that it cannot be decoded.
pub(super) fn decode<T: Topic>(
    incoming: Incoming,
    subscriptions: &Arc<Subscriptions>,
) -> Result<Delivery<T>, DecodeError> {
    let (mut responder, payload) = Responder::of(incoming, subscriptions);
    responder.set_needs_reply(T::REQUEST);
    let len = payload.len();
    match T::Codec::decode(payload) {
        Ok(message) => Ok(Delivery::new(message, responder)),
        Err(source) => {
            subscriptions.counters().undecodable.one();
            let error = DecodeError {
                topic: PrivateName::shown(responder.topic()).to_owned(),
                seq: responder.seq(),
                kind: responder.kind(),
                len,
                source: Arc::new(source),
            };
            // This fails for a multicast, which has no answer, and if the connection is lost, which
            // needs none.
            let _ = responder.answer(result_code::DECODE, b"");
            Err(error)
        }
    }
}
