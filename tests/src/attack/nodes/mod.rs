//! What a member with a node's certificate can do to other nodes: a node that speaks to each of them and
//! lies.

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

/// Topics on which members who are no part of this exchange messages.
const TOPICS: [&[u8]; 3] = [b"bystanders", b"numbered", b"innocents"];

/// What a lying overlay node does, over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Records that it cannot sign. Counts the packets.
    Forge,
    /// Records of its own from the far future. Counts the records.
    Future,
    /// Records of members and of itself as they were. Counts the rounds.
    Replay,
    /// Records of nodes that nobody lets in. Counts the records.
    Vouch,
    /// Nodes without certificates, and FISCO nodes, with subscribers of everybody's topics; what comes for
    /// them is refused at once. Counts the packets.
    Invent,
    /// Nodes with certificates of its own agency that do not exist. Counts the records.
    Populate,
    /// As many nodes and topics as it can sign. Counts the records.
    Fill,
    /// Messages that may cross any number of links, for nodes there are and nodes there are not. Counts
    /// the messages.
    Circles,
    /// Multicasts and unicasts in the names of others, with the ids that those use. Counts the messages.
    Origins,
    /// Answers to what it was never asked. Counts the answers.
    Answers,
    /// Messages of so many bytes with seals that are none. Counts the messages.
    Seals(usize),
    /// Fragments of messages that never end. Counts the messages.
    Fragments,
    /// Fragments that are out of place. Counts them.
    BadFragments,
    /// Questions without end. Counts the rounds.
    Ask,
    /// Signs of life without end. Counts the rounds.
    Chatter,
    /// Links to everybody that only it states. Counts the times it was let in.
    Between,
    /// It acknowledges nothing. Counts the times it was let in.
    Mute,
}

/// What a FISCO node does, over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FiscoLie {
    /// Odd numbers of topic lists. Counts them.
    Numbers,
    /// Ever changing lists of so many topics. Counts them.
    Lists(usize),
    /// Questions for all topics. Counts them.
    Ask,
    /// Messages and answers that are none. Counts the rounds.
    Messages,
}

/// A node that joins each of the nodes and lies, and joins again whenever it is thrown out.
pub fn liars(field: &Field, lie: Lie) -> Attack {
    begin(field, Kind::Overlay, move |liar, field, tally| {
        Box::pin(tell(liar, lie, field, tally))
    })
}

/// The same by a FISCO node.
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
                // It is told what there is.
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
