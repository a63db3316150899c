//! The node machine as its connections see it: SDK ends, peer links and time are in the hands of the
//! tests. Each file has one theme. They are one program, so that they are linked once.
#![forbid(unsafe_code)]

mod answers;
mod backlog;
mod barrier;
mod bounds;
mod changes;
mod copies;
mod cuts;
mod duplicates;
mod failover;
mod failures;
mod hostile;
mod lapses;
mod limits;
mod long;
mod memory;
mod mesh;
mod multicast;
mod packets;
mod peers;
mod private;
mod private_work;
mod quiet;
mod sessions;
mod shares;
mod storm;
mod support;
mod text;
mod transcripts;
mod transit;
mod unicast;
