//! Tests of the node machine through its connections: the tests control SDK ends, peer links and
//! time. Each file has one subject. All files are one program, so that it is linked only once.

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
mod gateway;
mod hostile;
mod lapses;
mod limits;
mod link_shares;
mod lists;
mod long;
mod memory;
mod mesh;
mod multicast;
mod packets;
mod pauses;
mod peers;
mod private;
mod private_work;
mod quiet;
mod restating;
mod sessions;
mod shares;
mod storm;
mod support;
mod text;
mod transcripts;
mod transit;
mod unicast;
