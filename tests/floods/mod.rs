//! Floods: connections that never finish TLS, unknown clients on all places, slow bytes, a million
//! topics, subscribers that do not read. Meanwhile a pair of bystanders exchanges messages, and
//! everything that is refused is counted. The limits are those of `docs/operations.md`, which the
//! tests read.

mod connections;
mod document;
mod readers;
mod shares;
mod strangers;
mod texts;
mod topics;
mod v3;
