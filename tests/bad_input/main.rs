//! Everything that can be wrong on the other end of a connection: each ends in a clear typed error
//! or a closed session with a line in the log, while a pair of bystanders on the same nodes goes on
//! exchanging messages.
#![forbid(unsafe_code)]

mod certificates;
mod frames;
mod modes;
mod names;
mod peers;
mod roles;
mod strangers;
mod transport;
