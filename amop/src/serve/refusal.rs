//! What a handler returns if it does not reply.

use std::error::Error;

use amop_proto::{channel::result_code, log::with_causes};
use bytes::Bytes;

/// Why a handler of [`Client::try_serve`](crate::Client::try_serve) does not reply to a request, and
/// what the publisher is told.
///
/// [`Refusal::new`] is a refusal on purpose: the publisher gets
/// [`PublishErrorKind::Rejected`](crate::PublishErrorKind::Rejected) with the code and the payload, or another
/// variant if the code has one. Code 104 lets the node ask another subscriber.
///
/// Every error converts into a refusal, so that `?` works in handlers. It counts as a failure of this
/// program: the publisher gets [`PublishErrorKind::SubscriberFailed`](crate::PublishErrorKind::SubscriberFailed)
/// without the error's text, and the log of this program gets the error with its sources.
///
/// ```no_run
/// use amop::Refusal;
///
/// #[amop::topic("convert", reply = f64, reply_codec = "json")]
/// struct Convert {
///     fahrenheit: String,
/// }
///
/// /// The topic's own code for numbers that make no sense.
/// const IMPOSSIBLE: i32 = 1001;
///
/// # async fn run(client: amop::Client) -> Result<(), amop::SubscribeError> {
/// let server = Convert::try_serve(&client, 16, async |convert| {
///     let fahrenheit: f64 = convert.fahrenheit.parse()?;
///     if fahrenheit < -459.67 {
///         return Err(Refusal::new(IMPOSSIBLE).with_payload("below absolute zero"));
///     }
///     Ok((fahrenheit - 32.0) / 1.8)
/// })
/// .await?;
/// server.run().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a refusal does nothing until the handler returns it"]
pub struct Refusal {
    code: i32,
    payload: Bytes,
    /// The error behind it, with its sources.
    cause: Option<String>,
}

impl Refusal {
    /// Creates a refusal with this result code. Codes below 1000 are those of the protocol and of
    /// SDKs. Code 0 would mean success, so it is sent as 104.
    pub fn new(code: i32) -> Self {
        let code = match code {
            result_code::SUCCESS => result_code::NO_SESSION,
            code => code,
        };
        Self {
            code,
            payload: Bytes::new(),
            cause: None,
        }
    }

    /// Sets the payload that the publisher gets with the code.
    pub fn with_payload(mut self, payload: impl Into<Bytes>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Returns the result code.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// Returns the payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(super) fn into_parts(self) -> (i32, Bytes, Option<String>) {
        (self.code, self.payload, self.cause)
    }

    /// Returns the error that this refusal was made from, with its sources, as text.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

impl<E: Error + 'static> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self {
            cause: Some(with_causes(&error).to_string()),
            ..Self::new(result_code::FAILED)
        }
    }
}

#[cfg(test)]
mod tests;
