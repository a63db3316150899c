//! The traffic of a run: publishers of numbered messages, subscribers that answer, and their books.

mod ledger;
mod messages;
mod publishers;
mod subscribers;
mod topics;
mod traffic;

pub(crate) use self::{
    ledger::Ledger, publishers::publish, subscribers::Subscribers, topics::probe_topic,
    traffic::Traffic,
};
