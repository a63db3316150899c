//! Sending: publishing messages, alone or many at a time, over one connection or several.

mod api;
mod copies;
mod in_flight;
mod message;
mod outcome;
mod pins;
mod pipeline;
mod publish;
mod publisher;
mod raw;
mod reply;
mod tries;

pub(crate) use in_flight::InFlightCounter;
pub(crate) use message::{AttemptFailure, OutgoingMessage, PipelinedMessage};
pub(crate) use pins::Pins;
pub(crate) use pipeline::{Again, Confirmed, Pipeline, Pipelined};
pub(crate) use publish::ReceivedAnswer;
pub use publisher::Publisher;
pub use raw::RawPublisher;
pub use reply::Reply;
