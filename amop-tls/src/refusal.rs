//! The refusals of the verifier on their way past rustls.
//!
//! An unknown issuer and a wrong date must be reported to rustls as its own errors, since these
//! decide the alert that the peer gets. They have no room for the subject of the certificate. So the
//! verifier leaves its refusal here, and the handshake that was polled takes it.

use std::{
    cell::RefCell,
    io,
    pin::pin,
    task::{Poll, ready},
};

use crate::error::VerifyError;

thread_local! {
    /// The refusal of the handshake that this thread is polling.
    static REFUSAL: RefCell<Option<VerifyError>> = const { RefCell::new(None) };
}

/// Leaves a refusal for the handshake that is being polled.
pub(crate) fn leave(error: &VerifyError) {
    REFUSAL.replace(Some(error.clone()));
}

/// Completes a handshake and returns the verifier's refusal with its result. A handshake fails in
/// the same poll in which the verifier refuses, so no other handshake can get its refusal.
pub(crate) async fn watch<T>(
    handshake: impl Future<Output = io::Result<T>>,
) -> (io::Result<T>, Option<VerifyError>) {
    let mut handshake = pin!(handshake);
    std::future::poll_fn(|cx| {
        REFUSAL.take();
        let result = ready!(handshake.as_mut().poll(cx));
        Poll::Ready((result, REFUSAL.take()))
    })
    .await
}
