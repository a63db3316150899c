//! Why a message was not delivered.

mod kind;
#[cfg(test)]
mod tests;
mod text;

use std::{error::Error, fmt};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
};

pub use kind::PublishErrorKind;

/// Why a message was not delivered, or why it is not known whether it was.
///
/// Decide by the [`kind`](Self::kind), or by the answers to two questions:
///
/// ```no_run
/// # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use amop::PublishErrorKind;
///
/// #[amop::topic("orders")]
/// struct Order {
///     number: u64,
/// }
///
/// let order = Order { number: 7 };
/// match order.publish_unicast(&client).await {
///     Ok(()) => println!("a subscriber has the order"),
///     Err(error) if error.may_have_been_delivered() => {
///         println!("ask the subscribers of {} whether they have it", error.topic())
///     }
///     Err(error) if error.is_retryable() => println!("nothing was sent; try again later"),
///     Err(error) => match error.kind() {
///         PublishErrorKind::TooLarge { max, .. } => println!("split it: the limit is {max} bytes"),
///         _ => return Err(error.into()),
///     },
/// }
/// # Ok(())
/// # }
/// ```
///
/// Its text names the topic, the node and the [`seq`](Self::seq), and says what to do. The cause is
/// its [`source`](Error::source), and not part of the text: [`with_causes`](crate::with_causes)
/// shows both.
pub struct PublishError(Box<Details>);

struct Details {
    kind: PublishErrorKind,
    topic: String,
    endpoint: Option<String>,
    seq: Option<Seq>,
    /// Whether an earlier attempt, or a copy, may have been delivered.
    attempted: bool,
}

impl PublishError {
    pub(crate) fn new(kind: PublishErrorKind, topic: &TopicName) -> Self {
        Self::of_name(kind, PrivateName::shown(topic))
    }

    /// As [`new`](Self::new), with the name that the program gave.
    pub(crate) fn of_name(kind: PublishErrorKind, topic: &str) -> Self {
        Self(Box::new(Details {
            kind,
            topic: topic.to_owned(),
            endpoint: None,
            seq: None,
            attempted: false,
        }))
    }

    pub(crate) fn at(mut self, endpoint: &str) -> Self {
        self.0.endpoint = Some(endpoint.to_owned());
        self
    }

    pub(crate) fn with_seq(mut self, seq: Option<Seq>) -> Self {
        self.0.seq = seq;
        self
    }

    pub(crate) fn with_kind(mut self, kind: PublishErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Records whether an earlier attempt, or a copy, may have been delivered.
    pub(crate) fn after_attempt(mut self, attempted: bool) -> Self {
        self.0.attempted |= attempted && !self.0.kind.may_have_been_delivered();
        self
    }

    /// Returns what went wrong.
    pub fn kind(&self) -> &PublishErrorKind {
        &self.0.kind
    }

    /// Returns what went wrong, and gives up the rest.
    pub fn into_kind(self) -> PublishErrorKind {
        self.0.kind
    }

    /// Returns the topic that the message was published to.
    pub fn topic(&self) -> &str {
        &self.0.topic
    }

    /// Returns the node that the error is about, as `host:port`; `None` if it is about none, for
    /// example because nothing was sent.
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// Returns the message's seq, which logs of nodes and subscribers show, too; `None` if nothing
    /// was sent.
    pub fn seq(&self) -> Option<Seq> {
        self.0.seq
    }

    /// Returns whether sending the same message again later may succeed although nothing is changed.
    /// [`PublishErrorKind`] lists the errors for which it is `true`.
    ///
    /// If the message [may have been delivered](Self::may_have_been_delivered), sending it again can
    /// have it processed twice.
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// Returns whether a subscriber may have the message. `false` is a promise: nothing was sent.
    /// [`PublishErrorKind`] lists the errors for which it is `true`.
    ///
    /// It is also `true` if an earlier attempt at sending the same message may have been delivered.
    pub fn may_have_been_delivered(&self) -> bool {
        self.0.attempted || self.0.kind.may_have_been_delivered()
    }
}

impl fmt::Debug for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishError")
            .field("kind", &self.0.kind)
            .field("topic", &self.0.topic)
            .field("endpoint", &self.0.endpoint)
            .field("seq", &self.0.seq)
            .field("attempted", &self.0.attempted)
            .finish()
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint().unwrap_or("the node");
        text::write(f, self.kind(), self.topic(), endpoint)?;
        if self.0.attempted {
            f.write_str("; an earlier attempt at sending it may have delivered it")?;
        }
        match self.0.seq {
            Some(seq) => write!(f, " (seq {seq})"),
            None => Ok(()),
        }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.kind.source()
    }
}

/// Messages that a [`Publisher`](crate::Publisher) accepted and that no node took.
#[derive(Debug, thiserror::Error)]
#[error(
    "{failed} of the messages published to {topic:?} failed; the cause is that of the first one"
)]
#[non_exhaustive]
pub struct FlushError {
    /// The topic.
    pub topic: String,
    /// The number of messages that failed since the last flush.
    pub failed: usize,
    /// The error of the first message that failed.
    #[source]
    pub first: PublishError,
}
