//! Attacks by a member with a node certificate on other nodes: a node that connects to each of them
//! and lies.

mod fisco;
mod liar;
mod messages;
mod questions;
mod records;
mod relay;

use std::{io, time::Duration};

pub use self::relay::relay;

use self::liar::{Kind, Liar};
use super::{Attack, Field, Tally, Target};

/// Topics on which innocent members exchange messages.
const TOPICS: [&[u8]; 3] = [b"bystanders", b"numbered", b"innocents"];

/// The lies of an overlay node, repeated without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Records that it cannot sign. Counts the packets.
    Forge,
    /// Its own records from the far future. Counts the records.
    Future,
    /// Old records of members and of itself. Counts the rounds.
    Replay,
    /// Records of nodes that no node admits. Counts the records.
    Vouch,
    /// Nodes without certificates, and FISCO nodes, with subscribers to all topics; messages for
    /// them are refused at once. Counts the packets.
    Invent,
    /// Nodes with certificates of its own agency that do not exist. Counts the records.
    Populate,
    /// As many nodes and topics as it can sign. Counts the records.
    Fill,
    /// Messages that may cross any number of links, to existing and non-existing nodes. Counts the
    /// messages.
    Circles,
    /// Multicasts and unicasts in the names of others, with the ids that those use. Counts the
    /// messages.
    Origins,
    /// Answers to messages that it was never sent. Counts the answers.
    Answers,
    /// Messages of this many bytes with invalid seals. Counts the messages.
    Seals(usize),
    /// Fragments of messages that never end. Counts the messages.
    Fragments,
    /// Fragments that are out of place. Counts them.
    BadFragments,
    /// Questions without end. Counts the rounds.
    Ask,
    /// Signs of life without end. Counts the rounds.
    Chatter,
    /// Links to all nodes that only it states. Counts the times it was admitted.
    Between,
    /// It acknowledges nothing. Counts the times it was admitted.
    Mute,
}

/// The lies of a FISCO node, repeated without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FiscoLie {
    /// Odd numbers of topic lists. Counts them.
    Numbers,
    /// Constantly changing lists of this many topics. Counts them.
    Lists(usize),
    /// Questions for all topics. Counts them.
    Ask,
    /// Invalid messages and answers. Counts the rounds.
    Messages,
}

/// Joins each of the nodes as a node that lies, and joins again whenever it is disconnected.
pub fn liars(field: &Field, lie: Lie) -> Attack {
    begin(field, Kind::Overlay, move |liar, field, tally| {
        Box::pin(tell(liar, lie, field, tally))
    })
}

/// The same as a FISCO node.
pub fn fisco_liars(field: &Field, lie: FiscoLie) -> Attack {
    begin(field, Kind::Fisco, move |liar, _, tally| {
        Box::pin(async move {
            match lie {
                FiscoLie::Numbers => liar.number_oddly(tally).await,
                FiscoLie::Lists(topics) => liar.change_lists(topics, tally).await,
                FiscoLie::Ask => liar.ask_for_topics(tally).await,
                FiscoLie::Messages => liar.pretend(tally).await,
            }
        })
    })
}

type Telling<'a> = std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>>;

fn begin(
    field: &Field,
    kind: Kind,
    lie: impl for<'a> Fn(&'a mut Liar, &'a Field, &'a Tally) -> Telling<'a>
    + Copy
    + Send
    + Sync
    + 'static,
) -> Attack {
    let mut attack = Attack::new();
    for target in &field.targets {
        let (field, target): (Field, Target) = (field.clone(), target.clone());
        attack.persist(move |tally| {
            let (field, target) = (field.clone(), target.clone());
            async move {
                let mut liar = Liar::join(&target, &field.node, kind).await?;
                // Meanwhile it learns the state of the network.
                liar.listen(Duration::from_millis(50)).await?;
                let told = lie(&mut liar, &field, &tally).await;
                tally.saw(liar.seen);
                told
            }
        });
    }
    attack
}

async fn tell(liar: &mut Liar, lie: Lie, field: &Field, tally: &Tally) -> io::Result<()> {
    let members = &field.members;
    match lie {
        Lie::Forge => liar.forge(field, tally).await,
        Lie::Future => liar.come_from_the_future(tally).await,
        Lie::Replay => liar.replay(tally).await,
        Lie::Vouch => liar.vouch(field, tally).await,
        Lie::Invent => liar.invent(field, tally).await,
        Lie::Populate => liar.populate(field, tally).await,
        Lie::Fill => liar.fill(field, tally).await,
        Lie::Circles => liar.send_in_circles(members, tally).await,
        Lie::Origins => liar.forge_origins(members, tally).await,
        Lie::Answers => liar.answer_unasked(members, tally).await,
        Lie::Seals(len) => liar.seal_wrongly(members, len, tally).await,
        Lie::Fragments => liar.begin_fragments(tally).await,
        Lie::BadFragments => liar.break_fragments(tally).await,
        Lie::Ask => liar.ask(members, tally).await,
        Lie::Chatter => liar.chatter(tally).await,
        Lie::Between => liar.stand_between(members, tally).await,
        Lie::Mute => liar.say_nothing(tally).await,
    }
}
