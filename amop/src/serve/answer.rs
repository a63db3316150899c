//! One request: the handler runs, and its result is sent.

use std::{any::Any, panic::AssertUnwindSafe};

use amop_proto::{
    channel::{PrivateName, result_code},
    client::MessageKind,
    log::{OneLine, with_causes},
};
use futures::FutureExt;
use tracing::Instrument;

use super::refusal::Refusal;
use crate::{Codec, CodecError, Delivery, ReplyError, Request, ServerStats, receive::Responder};

/// The end of a request, with the text of a warning if the program's owner should know of it.
#[derive(Debug)]
pub(super) struct Handled {
    kind: HandledKind,
    pub(super) warning: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandledKind {
    Replied,
    Refused,
    Failed,
    Panicked,
    Late,
    Unsent,
    Multicast,
}

impl Handled {
    fn new(kind: HandledKind, warning: Option<String>) -> Self {
        Self { kind, warning }
    }

    pub(super) fn count(&self, stats: &mut ServerStats) {
        *match self.kind {
            HandledKind::Replied => &mut stats.replied,
            HandledKind::Refused => &mut stats.refused,
            HandledKind::Failed => &mut stats.failed,
            HandledKind::Panicked => &mut stats.panicked,
            HandledKind::Late => &mut stats.late,
            HandledKind::Unsent => &mut stats.unsent,
            HandledKind::Multicast => &mut stats.multicasts,
        } += 1;
    }
}

/// The result of a handler.
enum Outcome {
    Reply(Result<bytes::Bytes, CodecError>),
    Refusal(Refusal),
}

/// Runs the handler of one request, and answers the request. A panic of the handler, or of a codec,
/// ends only this request.
pub(super) async fn handle<R, F, O>(
    handler: &F,
    delivery: Delivery<R>,
    into: fn(O) -> Result<R::Reply, Refusal>,
) -> Handled
where
    R: Request,
    F: AsyncFn(R) -> O,
{
    if delivery.kind() == MessageKind::Multicast {
        return Handled::new(HandledKind::Multicast, None);
    }
    let (message, responder) = delivery.split();
    let span = tracing::debug_span!(
        "serve",
        topic = %OneLine::new(PrivateName::shown(responder.topic())),
        seq = %responder.seq(),
    );
    // The handler is called inside, because it may panic before it returns a future.
    let work = async {
        match into(handler(message).await) {
            Ok(reply) => Outcome::Reply(R::ReplyCodec::encode(&reply)),
            Err(refusal) => Outcome::Refusal(refusal),
        }
    };
    let outcome = AssertUnwindSafe(work).catch_unwind().instrument(span).await;
    let about = (
        PrivateName::shown(responder.topic()).to_owned(),
        responder.seq().to_string(),
    );
    answer(responder, outcome, &about)
}

fn answer(
    responder: Responder,
    outcome: Result<Outcome, Box<dyn Any + Send>>,
    (topic, seq): &(String, String),
) -> Handled {
    let (kind, code, payload, text) = match outcome {
        Ok(Outcome::Reply(Ok(payload))) => {
            (HandledKind::Replied, result_code::SUCCESS, payload, None)
        }
        Ok(Outcome::Reply(Err(error))) => {
            let text = format!("cannot encode the reply: {}", with_causes(&error));
            let none = bytes::Bytes::new();
            (HandledKind::Unsent, result_code::NO_REPLY, none, Some(text))
        }
        Ok(Outcome::Refusal(refusal)) => {
            let (code, payload, cause) = refusal.into_parts();
            let kind = match &cause {
                Some(_) => HandledKind::Failed,
                None => HandledKind::Refused,
            };
            let text = cause.map(|cause| format!("the handler failed: {cause}"));
            (kind, code, payload, text)
        }
        Err(panic) => {
            let text = format!("the handler panicked: {}", panic_text(&*panic));
            let none = bytes::Bytes::new();
            (HandledKind::Panicked, result_code::FAILED, none, Some(text))
        }
    };
    let sent = responder.answer(code, &payload);
    let warn = |text: String| format!("{text}, topic={topic:?} seq={seq}");
    match sent {
        Ok(()) => Handled::new(kind, text.map(warn)),
        // The errors name the topic.
        Err(error @ ReplyError::Late { .. }) => late_or(kind, HandledKind::Late, &error, text, seq),
        Err(error) => late_or(kind, HandledKind::Unsent, &error, text, seq),
    }
}

/// Returns the end of a request whose answer did not arrive. If the handler failed, this counts.
fn late_or(
    kind: HandledKind,
    instead: HandledKind,
    error: &ReplyError,
    text: Option<String>,
    seq: &str,
) -> Handled {
    let kind = match kind {
        HandledKind::Replied | HandledKind::Refused => instead,
        failed => failed,
    };
    let before = text.map(|text| format!("{text}; ")).unwrap_or_default();
    let error = with_causes(error);
    Handled::new(kind, Some(format!("{before}{error}, seq={seq}")))
}

/// Returns the message of a panic.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message")
}
