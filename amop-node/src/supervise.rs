//! Tasks that last as long as the node: a task that panics is reported and started again.

use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
    time::Duration,
};

use amop_proto::log::OneLine;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The delay before a task that panicked is started again; each further delay is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest delay.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A task that ran longer than this was good: its next panic counts as the first.
const GOOD: Duration = Duration::from_secs(60);

/// A bug in this program, with the message of the panic.
#[derive(Debug, thiserror::Error)]
#[error("a bug in this program, please report it: {0}")]
pub(crate) struct PanicReport(String);

impl PanicReport {
    pub(crate) fn of(panic: &(dyn Any + Send)) -> Self {
        Self(OneLine::new(panic_text(panic)).to_string())
    }
}

/// Returns the message of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message")
}

/// Returns the output of a future, or its panic.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, PanicReport> {
    let mut future = Box::pin(future);
    let result = poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(PanicReport::of(&*panic))),
        },
    )
    .await;
    // Dropping the future may panic, too.
    match catch_unwind(AssertUnwindSafe(|| drop(future))) {
        Ok(()) => result,
        Err(panic) => Err(PanicReport::of(&*panic)),
    }
}

/// Runs a task until it ends by itself. After a panic it is started again, unless the node stops.
pub(crate) async fn keep<F: Future<Output = ()>>(
    name: impl fmt::Display,
    stop: CancellationToken,
    mut task: impl FnMut() -> F,
) {
    let mut pause = PAUSE_MIN;
    loop {
        let started = Instant::now();
        let Err(fault) = caught(async { task().await }).await else {
            return;
        };
        if started.elapsed() > GOOD {
            pause = PAUSE_MIN;
        }
        let report = || {
            let seconds = pause.as_secs_f64();
            tracing::error!("{name} ended and starts again in {seconds} s: {fault}");
        };
        // The log may be what panics.
        let _ = catch_unwind(AssertUnwindSafe(report));
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
            () = stop.cancelled() => return,
        }
    }
}

/// Like [`keep`], for a task that never ends: it is dropped when the node stops.
pub(crate) async fn keep_until_stopped<F: Future<Output = ()>>(
    name: impl fmt::Display,
    stop: CancellationToken,
    task: impl FnMut() -> F,
) {
    let stopped = stop.clone();
    tokio::select! {
        () = keep(name, stop, task) => {}
        () = stopped.cancelled() => {}
    }
}

/// Runs a thread's function until it returns, and again after each panic.
pub(crate) fn keep_thread(name: &str, mut run: impl FnMut()) {
    while let Err(panic) = catch_unwind(AssertUnwindSafe(&mut run)) {
        let fault = PanicReport::of(&*panic);
        let report = || tracing::error!("{name} goes on after a panic: {fault}");
        let _ = catch_unwind(AssertUnwindSafe(report));
    }
}

#[cfg(test)]
mod tests;
