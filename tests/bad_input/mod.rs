//! Everything that can be wrong at the other end of a connection. Each case ends in a clear typed
//! error, or a closed session with a line in the log. Meanwhile a pair of bystanders on the same
//! nodes keeps exchanging messages.

mod certificates;
mod frames;
mod modes;
mod names;
mod peers;
mod roles;
mod strangers;
mod transport;
