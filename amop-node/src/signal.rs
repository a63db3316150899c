//! The user's wishes to end a program, or to let it read its lists again.

use std::io;

/// Waits for Ctrl-C or, on Unix, SIGTERM. Signals count from the call on, not from the first poll.
///
/// # Errors
///
/// What the operating system says if it cannot be asked for them.
pub fn stop() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(windows)]
    {
        let mut ctrl_c = tokio::signal::windows::ctrl_c()?;
        Ok(async move {
            ctrl_c.recv().await;
        })
    }
}

/// Hang-ups (SIGHUP), which tell a program to read its lists again. There are none on Windows.
#[derive(Debug)]
pub struct Hangups {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

/// Counts hang-ups from now on, instead of letting the first one end the program.
///
/// # Errors
///
/// What the operating system says if it cannot be asked for them.
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
    /// Waits for the next one. Several that came since the last count as one. None is lost if the
    /// future is dropped.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}
