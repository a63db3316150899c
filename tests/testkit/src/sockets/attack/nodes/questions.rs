//! Questions without end, and silence.

use std::io;

use amop_proto::p2p::{
    NodeId,
    mesh::{RoutingKey, encode_hello, encode_keys, encode_known, packet},
};

use super::{super::Tally, liar::Liar};

impl Liar {
    /// Asks for all records, again and again, and for many records that do not exist.
    pub(super) async fn ask(&mut self, members: &[NodeId], tally: &Tally) -> io::Result<()> {
        let keys: Vec<RoutingKey> = members.iter().map(RoutingKey::from).collect();
        let all = keys.iter().cycle().take(1000).copied();
        let all = encode_keys(all);
        let none = encode_keys((0..20_000).map(RoutingKey));
        let old = encode_known(keys.iter().map(|&key| (key, 1)));
        let long = encode_known((0..20_000).map(|n| (RoutingKey(n), n)));
        for _ in 0..100 {
            self.say(packet::ASK, 0, all.clone()).await?;
            self.say(packet::ASK, 0, none.clone()).await?;
            self.say(packet::KNOWN, 0, old.clone()).await?;
            self.say(packet::KNOWN, 0, long.clone()).await?;
            tally.done();
        }
        Ok(())
    }

    /// Reads, and sends something now and then so that it does not count as dead; acknowledges
    /// nothing.
    pub(super) async fn say_nothing(&mut self, tally: &Tally) -> io::Result<()> {
        tally.done();
        self.deaf = true;
        self.stay().await
    }

    /// Sends signs of life, acknowledgements of nothing and packets of later versions.
    pub(super) async fn chatter(&mut self, tally: &Tally) -> io::Result<()> {
        for seq in 0..500 {
            self.say(packet::HELLO, seq, encode_hello()).await?;
            self.say(packet::TAKEN, u32::MAX - seq, encode_hello())
                .await?;
            self.say(packet::TAKEN, seq, encode_hello()).await?;
            self.say(999, seq, encode_hello()).await?;
            tally.done();
        }
        Ok(())
    }
}
