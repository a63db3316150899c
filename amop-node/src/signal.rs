//! Signals by which the user ends a program, or makes it read its lists again.

use std::io;

/// Waits for Ctrl-C or, on Unix, SIGTERM. Signals are caught from this call on, not from the first
/// poll.
///
/// # Errors
///
/// The error of the operating system if the signals cannot be caught.
///
/// # Cancel safety
///
/// No signal is lost if the future is polled late; dropping it ignores the signals that it caught.
pub fn stop() -> io::Result<impl Future<Output = ()>> {
    let mut signals = StopSignals::new()?;
    Ok(async move { signals.next().await })
}

/// Ctrl-C and SIGTERM.
#[derive(Debug)]
pub(crate) struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    ctrl_c: tokio::signal::windows::CtrlC,
}

impl StopSignals {
    pub(crate) fn new() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            })
        }
        #[cfg(windows)]
        {
            let ctrl_c = tokio::signal::windows::ctrl_c()?;
            Ok(Self { ctrl_c })
        }
    }

    /// Waits for the next signal. Several that arrived since the last one count as one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(windows)]
        self.ctrl_c.recv().await;
    }
}

/// Hang-up signals (SIGHUP), which tell a program to read its lists again. There are none on
/// Windows.
#[derive(Debug)]
#[must_use = "signals that are not waited for have no effect"]
pub struct Hangups {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

/// Catches hang-up signals from now on, so that they do not end the program.
///
/// # Errors
///
/// The error of the operating system if the signals cannot be caught.
pub fn hangups() -> io::Result<Hangups> {
    Ok(Hangups {
        #[cfg(unix)]
        signal: {
            use tokio::signal::unix::{SignalKind, signal};
            signal(SignalKind::hangup())?
        },
    })
}

impl Hangups {
    /// Waits for the next signal. Several that arrived since the last one count as one.
    ///
    /// # Cancel safety
    ///
    /// No signal is lost if the future is dropped.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}
