//! Reads one connection: cuts bytes into frames, and gives long frames room and time.

mod channel;
mod frames;
mod incomplete;
mod part;
mod peer;
mod reading;
mod sizes;

use std::sync::Arc;

use amop_proto::node::NodeEvent;
use tokio::{
    io::AsyncRead,
    task::yield_now,
    time::{Instant, sleep, sleep_until},
};

pub(crate) use self::{
    channel::ChannelReading, incomplete::Patience, peer::PeerReading, reading::Reading,
};
use self::{
    frames::{ReadBatch, take_frames},
    incomplete::IncompleteFrame,
    part::{Buffer, read_more, read_part},
    reading::Prepared,
    sizes::{READ_LONG, READ_MAX, READ_MIN, READ_MUCH},
};
use crate::{
    apart::{Gone, SHORT},
    core::Core,
    effort::{WorkDone, Worker},
    intake::IntakeShare,
    link_end::LinkEnd,
    outbox::Signals,
    pace::Pace,
    questions::answer,
    turns::Party,
};

/// Reads until the connection ends.
pub(crate) async fn read<R: Reading, C: std::error::Error + 'static>(
    core: &Arc<Core>,
    mut reading: R,
    id: R::Id,
    signals: &Signals,
    (patience, share): (Patience, &IntakeShare),
    reader: &mut (impl AsyncRead + Unpin),
) -> LinkEnd<C> {
    let mut paused = signals.paused.subscribe();
    let mut buffer = Buffer::default();
    let mut room = READ_MIN;
    // A busy connection brings about as many events as at the last few reads.
    let mut expected = 0;
    let mut head: Option<IncompleteFrame> = None;
    let mut pace = reading.pace();
    let party = share.party(R::number(id));
    loop {
        // A connection that has had much text read is read from again when this is paid for.
        if let Some(at) = pace.next(Instant::now().into_std()) {
            let since = Instant::now();
            buffer.wait(head.as_ref());
            sleep_until(at.into()).await;
            if let Some(head) = &mut head {
                head.since += since.elapsed();
            }
        }
        if *paused.borrow_and_update() {
            let since = Instant::now();
            buffer.wait(head.as_ref());
            if paused.wait_for(|&paused| !paused).await.is_err() {
                return LinkEnd::Closed;
            }
            // This is not the fault of the other side, so the frame gets the time back.
            if let Some(head) = &mut head {
                head.since += since.elapsed();
            }
        }
        let most = match reading.is_much() {
            true => (READ_MIN, READ_MIN),
            false => (room, READ_LONG),
        };
        let part = read_part(reader, &mut buffer, &reading, head.as_ref(), most, patience);
        let mut len = match part.await {
            Ok(Ok(0)) => return LinkEnd::Closed,
            Ok(Ok(len)) => len,
            Ok(Err(error)) => return LinkEnd::of(error),
            Err(_) => {
                core.refusals.slow_frame();
                return LinkEnd::SlowFrame(patience);
            }
        };
        // The time that the node needs for what has arrived does not count against a frame either.
        let since = head.as_ref().map(|_| Instant::now());
        let mut worker = reading.turn(party).await;
        if let Some(worker) = &worker {
            let most = match worker.is_crowded() {
                true => READ_MUCH,
                false if head.as_ref().is_some_and(|head| head.room.is_some()) => READ_LONG,
                false => READ_MAX,
            };
            len += read_more(reader, &mut buffer, most.saturating_sub(len)).await;
        }
        // Busy connections get larger reads; idle ones give the memory back.
        room = (len * 2).clamp(READ_MIN, READ_MAX);
        let mut taken = ReadBatch::with_capacity(expected);
        let end = take_frames(
            core,
            &mut reading,
            id,
            &mut buffer.bytes,
            &mut head,
            share,
            &mut taken,
        );
        reading.look_through();
        expected = taken.events.len().max(expected / 2);
        if taken.events.is_empty() {
            taken.events.push(R::active(id));
        }
        if taken.takes_long() {
            worker = None;
        }
        let Ok(text) = read_texts((core, party), &mut pace, &mut taken).await else {
            return LinkEnd::Shutdown;
        };
        let mut work = WorkDone {
            bytes: len,
            text,
            steps: 0,
        };
        let mut left = Some(taken.events);
        while let Some(events) = left {
            let Ok(Prepared { ready, later }) = reading.prepare(events).await else {
                return LinkEnd::Shutdown;
            };
            left = later;
            let handled = handle(
                core,
                (&reading, party, worker.take()),
                &mut pace,
                ready,
                &mut work,
            );
            if handled.await.is_err() {
                return LinkEnd::Shutdown;
            }
        }
        drop(taken.rooms);
        let pause = reading.spend(work);
        if !pause.is_zero() {
            sleep(pause).await;
        }
        if let (Some(head), Some(since)) = (&mut head, since) {
            head.since += since.elapsed();
        }
        if len >= READ_MAX / 2 || reading.is_much() {
            // Lets the results of this much be written before more is read, instead of waiting for
            // the last part.
            yield_now().await;
        }
        if let Some(end) = end {
            return end;
        }
    }
}

/// Hands events to the machine in parts, so that others get their turn in between, and answers
/// questions.
async fn handle(
    core: &Arc<Core>,
    (reading, party, worker): (&impl Reading, Party, Option<Worker>),
    pace: &mut Pace,
    events: Vec<NodeEvent>,
    work: &mut WorkDone,
) -> Result<(), Gone> {
    let mut events = events.into_iter();
    let mut more = true;
    let mut worker = match worker {
        None => reading.turn(party).await,
        worker => worker,
    };
    while more {
        let part = core.handle_some(&mut events);
        let was_much = worker.take().is_some();
        more = part.more;
        work.steps += part.work;
        for (session, question) in part.questions {
            let written = answer(core, party, session, question).await?;
            pace.spend(Instant::now, written);
            work.text += written;
        }
        if more && was_much {
            worker = reading.turn(party).await;
        } else if more {
            yield_now().await;
        }
    }
    Ok(())
}

/// Turns the texts that arrived into events. Long texts are read on another thread. Returns their
/// total length.
async fn read_texts(
    (core, party): (&Core, Party),
    pace: &mut Pace,
    taken: &mut ReadBatch,
) -> Result<usize, Gone> {
    let mut read = 0;
    for (place, text, event) in taken.texts.drain(..) {
        read += text;
        pace.spend(Instant::now, text);
        taken.events[place] = if text > SHORT {
            core.apart.run(party, text, event).await?
        } else {
            event()
        };
    }
    Ok(read)
}
