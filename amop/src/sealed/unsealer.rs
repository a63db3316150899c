//! Opens the messages of a subscription, in their order, each once.

use std::{
    future::ready,
    io,
    pin::Pin,
    sync::Arc,
    task::{self, Context, Poll},
};

use amop_proto::{
    channel::{Seq, result_code},
    client::MessageKind,
    log::with_causes,
};
use amop_seal::{
    Mark, OpenError, OpenedMessage, ReplayRefusal, ReplayStore, SealedKind, SealedReader,
};
use tokio::{runtime::Handle, task::JoinError};

use super::{clock::now, delivery::SealedReceipt};
use crate::{
    Event, RawSubscription,
    receive::Responder,
    report::{Losses, WarningInterval},
};

/// How many messages a subscription to a sealed topic has refused, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SealedRefusals {
    /// Messages that are not sealed, have another version, or were repeated as another kind
    /// (unicast, multicast).
    pub malformed: u64,
    /// Messages from publishers that were not named.
    pub unknown_publisher: u64,
    /// Messages sealed to other keys.
    pub not_recipient: u64,
    /// Messages that are forged, changed, or copied from another topic.
    pub bad_signature: u64,
    /// Messages with a valid signature that cannot be decrypted.
    pub unreadable: u64,
    /// Messages that were taken before.
    pub replayed: u64,
    /// Messages from before the subscription, or from before the time that it remembers.
    pub forgotten: u64,
    /// Messages that are too old.
    pub too_old: u64,
    /// Messages with a time in the future.
    pub clock_ahead: u64,
    /// Messages refused because the replay guard's store failed.
    pub not_saved: u64,
}

impl SealedRefusals {
    /// Returns the sum of all.
    pub fn total(&self) -> u64 {
        let Self {
            malformed,
            unknown_publisher,
            not_recipient,
            bad_signature,
            unreadable,
            replayed,
            forgotten,
            too_old,
            clock_ahead,
            not_saved,
        } = self;
        let forged = malformed + unknown_publisher + not_recipient + bad_signature + unreadable;
        forged + replayed + forgotten + too_old + clock_ahead + not_saved
    }

    fn count(&mut self, error: &OpenError) {
        *match error {
            OpenError::UnknownPublisher { .. } => &mut self.unknown_publisher,
            OpenError::NotRecipient => &mut self.not_recipient,
            OpenError::BadSignature { .. } => &mut self.bad_signature,
            OpenError::Unreadable { .. } => &mut self.unreadable,
            OpenError::Refused(ReplayRefusal::Replayed) => &mut self.replayed,
            OpenError::Refused(ReplayRefusal::Forgotten) => &mut self.forgotten,
            OpenError::Refused(ReplayRefusal::TooOld { .. }) => &mut self.too_old,
            OpenError::Refused(ReplayRefusal::ClockAhead { .. }) => &mut self.clock_ahead,
            OpenError::Refused(_) => &mut self.not_saved,
            _ => &mut self.malformed,
        } += 1;
    }
}

/// A message that is opened and taken, with the responder to answer it.
pub(super) struct Unsealed {
    pub(super) opened: OpenedMessage,
    pub(super) responder: SealedReceipt,
}

/// A message that was refused.
pub(super) struct RefusedMessage {
    pub(super) seq: Seq,
    pub(super) kind: MessageKind,
    pub(super) error: OpenError,
}

/// The details of a refused message, for the log and the event.
#[derive(Debug, Clone)]
struct Told {
    seq: Seq,
    error: OpenError,
}

type Store = Box<dyn ReplayStore>;

pub(super) struct Unsealer {
    raw: RawSubscription,
    reader: SealedReader,
    /// `None` while it saves, or if there is no store.
    store: Option<Store>,
    saving: Option<Saving>,
    /// Whether something was saved that must be replaced at the end.
    running: bool,
    refusals: SealedRefusals,
    losses: Arc<Losses<Told>>,
    unsaved: WarningInterval,
}

/// The task that saves. It returns the store and the result.
type Task = Pin<Box<dyn Future<Output = Result<(Store, io::Result<()>), JoinError>> + Send>>;

/// A message that waits until its mark is saved.
struct Saving {
    task: Task,
    mark: Mark,
    opened: OpenedMessage,
    responder: Responder,
}

impl Unsealer {
    pub(super) fn new(raw: RawSubscription, reader: SealedReader, store: Option<Store>) -> Self {
        let losses = losses_of(&raw);
        Self {
            raw,
            reader,
            store,
            saving: None,
            running: false,
            refusals: SealedRefusals::default(),
            losses,
            unsaved: WarningInterval::default(),
        }
    }

    pub(super) fn raw(&self) -> &RawSubscription {
        &self.raw
    }

    pub(super) fn raw_mut(&mut self) -> &mut RawSubscription {
        &mut self.raw
    }

    pub(super) fn refusals(&self) -> SealedRefusals {
        self.refusals
    }

    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Unsealed, RefusedMessage>>> {
        if self.saving.is_none() {
            let Some(incoming) = task::ready!(self.raw.poll_incoming(cx)) else {
                return Poll::Ready(None);
            };
            let (responder, payload) = Responder::of(incoming, self.raw.subscriptions());
            let came = match responder.kind() {
                MessageKind::Unicast => SealedKind::Unicast,
                MessageKind::Multicast => SealedKind::Multicast,
            };
            let now = now();
            match self.reader.open(&payload, came, now) {
                Err(error) => return Poll::Ready(Some(Err(self.refuse(responder, error)))),
                Ok(opened) if self.reader.needs_mark(&opened) => {
                    if let Err((responder, error)) = self.save(opened, responder, now) {
                        return Poll::Ready(Some(Err(self.refuse(responder, error))));
                    }
                }
                Ok(opened) => return Poll::Ready(Some(self.accept(opened, responder))),
            }
        }
        self.poll_saved(cx).map(Some)
    }

    /// Starts to save the mark that a message needs.
    fn save(
        &mut self,
        opened: OpenedMessage,
        responder: Responder,
        now: u64,
    ) -> Result<(), (Responder, OpenError)> {
        let Some(mut store) = self.store.take() else {
            // The task that had the store panicked.
            return Err((responder, ReplayRefusal::NotSaved.into()));
        };
        self.running = true;
        let mark = self.reader.next_mark(&opened, now);
        let state = mark.state().to_vec();
        let save = move || {
            let saved = store.save(&state);
            (store, saved)
        };
        let task: Task = match Handle::try_current() {
            // Saving may take long, so it must not block other tasks of this thread.
            Ok(runtime) => Box::pin(runtime.spawn_blocking(save)),
            // Outside of a runtime no other task uses this thread.
            Err(_) => Box::pin(ready(Ok(save()))),
        };
        self.saving = Some(Saving {
            task,
            mark,
            opened,
            responder,
        });
        Ok(())
    }

    fn poll_saved(&mut self, cx: &mut Context<'_>) -> Poll<Result<Unsealed, RefusedMessage>> {
        let Some(saving) = &mut self.saving else {
            return Poll::Pending;
        };
        let saved = match task::ready!(saving.task.as_mut().poll(cx)) {
            Ok((store, saved)) => {
                self.store = Some(store);
                saved
            }
            Err(error) => Err(io::Error::other(error)),
        };
        let Some(Saving {
            mark,
            opened,
            responder,
            ..
        }) = self.saving.take()
        else {
            return Poll::Pending;
        };
        if let Err(error) = saved {
            if self.unsaved.is_over() {
                let error = with_causes(&error);
                tracing::error!(
                    topic = %responder.topic(),
                    "the replay guard of a sealed topic cannot be saved, so messages are refused: \
                     {error}"
                );
            }
            return Poll::Ready(Err(self.refuse(responder, ReplayRefusal::NotSaved.into())));
        }
        self.reader.saved(&mark);
        Poll::Ready(self.accept(opened, responder))
    }

    fn accept(
        &mut self,
        opened: OpenedMessage,
        responder: Responder,
    ) -> Result<Unsealed, RefusedMessage> {
        if let Err(error) = self.reader.accept(&opened, now()) {
            return Err(self.refuse(responder, error));
        }
        let Some(key) = self.reader.key_of(&opened) else {
            return Err(self.refuse(responder, OpenError::NotRecipient));
        };
        let (publisher, time) = (opened.sender, opened.time);
        let responder = SealedReceipt::new(responder, key.clone(), publisher, opened.digest, time);
        Ok(Unsealed { opened, responder })
    }

    fn refuse(&mut self, responder: Responder, error: OpenError) -> RefusedMessage {
        self.refusals.count(&error);
        let (seq, kind) = (responder.seq(), responder.kind());
        self.losses.count(Told { seq, error });
        // This fails for a multicast, which has no answer, and if the connection is lost, which
        // needs none.
        let _ = responder.answer(answer(&error), b"");
        RefusedMessage { seq, kind, error }
    }
}

/// Returns what reports the messages that a subscription refuses.
fn losses_of(raw: &RawSubscription) -> Arc<Losses<Told>> {
    let (topic, shown) = (raw.topic().to_owned(), raw.topic().to_owned());
    let subscriptions = Arc::clone(raw.subscriptions());
    let later = Arc::clone(subscriptions.later());
    let event = move |refused, told: Told| {
        subscriptions.report(Event::SealedRefused {
            topic: shown.clone(),
            refused,
            last: told.error,
        });
    };
    let line = move |total, Told { seq, error }: Told| {
        let error = with_causes(&error);
        tracing::warn!(
            topic,
            %seq,
            total,
            "a message to a sealed topic is refused: {error}"
        );
    };
    Losses::new(&later, event, line)
}

/// Returns the result for the publisher of a refused unicast: it says whether another subscriber
/// may take the message. A message that was taken before must not be taken by another subscriber.
fn answer(error: &OpenError) -> i32 {
    match error {
        OpenError::Refused(ReplayRefusal::Replayed) => result_code::DECODE,
        OpenError::UnknownPublisher { .. } | OpenError::NotRecipient | OpenError::Refused(_) => {
            result_code::NO_SESSION
        }
        _ => result_code::DECODE,
    }
}

impl Drop for Unsealer {
    fn drop(&mut self) {
        self.losses.finish();
        if let Some(saving) = self.saving.take() {
            // The message was not delivered: its node tries another subscriber.
            let _ = saving.responder.answer(result_code::NO_SESSION, b"");
        }
        let Some(store) = self.store.as_mut().filter(|_| self.running) else {
            return;
        };
        // No message is taken after this.
        if let Err(error) = store.save(&self.reader.window().closed_state()) {
            let topic = self.raw.topic();
            let error = with_causes(&error);
            tracing::warn!(
                topic,
                "the replay guard of a sealed topic could not be saved when its subscription \
                 ended; the next subscription refuses messages stamped up to 2 s after the last \
                 message: {error}"
            );
        }
    }
}
