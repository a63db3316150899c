use std::{collections::BTreeSet, sync::Arc};

use amop_proto::{
    node::{Limits, MachineConfig, NodeMachine, PeerId, PeerIdentity, Timeouts, rpc::NodeFacts},
    p2p::NodeId,
};
use amop_tls::{
    PeerFilter, PeerOptions, PublicKey,
    pki::{Agency, Authority, Leaf},
};

use super::*;
use crate::statements::NodeSigner;

fn identity(agency: &Agency) -> Identity {
    let issued = agency.issue(Leaf::Node, "node").unwrap();
    Identity::from_pem(
        issued.cert_pem.as_bytes(),
        issued.key_pem.as_bytes(),
        agency.root_pem().as_bytes(),
    )
    .unwrap()
}

fn core(own: &Identity) -> Core {
    let facts = NodeFacts {
        fisco_version: "2.11.1".into(),
        chain_id: "1".into(),
        node_id: String::new(),
        name: "node".into(),
        agency: "agency".into(),
        address: String::new(),
        groups: Vec::new(),
    };
    let machine = NodeMachine::new(MachineConfig {
        node: NodeId(own.public_key().unwrap().0),
        signer: Arc::new(NodeSigner(own.clone())),
        facts: facts.clone(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        stubs: BTreeSet::new(),
        epoch: 1,
        seed: [0; 32],
    });
    Core::new(machine, facts)
}

/// Returns lists that admit no SDK and no node.
fn nobody(own: &Identity) -> Loaded {
    let filter: Arc<dyn PeerFilter> = Arc::new(|_: &PublicKey| false);
    Loaded {
        p2p: own.clone(),
        channel: own.clone(),
        peers: Some(filter),
        sdks: None,
    }
}

/// Lists may arrive before a node whose handshake is complete is registered, or after that: in
/// both cases it is closed.
#[test]
fn no_list_falls_between_a_handshake_and_the_entry() {
    let agency = Authority::new_ec("chain").unwrap().agency("a").unwrap();
    let (own, other) = (identity(&agency), identity(&agency));
    for lists_come_first in [true, false] {
        let rules = || own.verifier_of_peers(PeerOptions::default()).unwrap();
        let access = Access::new(own.clone(), own.clone(), rules(), rules());
        let core = core(&own);
        let admitted = admit(&access.peers, Some(other.chain()), Side::Client).unwrap();
        let peer = PeerId(7);
        let identity = PeerIdentity {
            node: NodeId(other.public_key().unwrap().0),
            name: "other".into(),
            agency: "a".into(),
            authority: [0; 32],
            address: String::new(),
            new_seqs: false,
        };
        core.handle([NodeEvent::PeerOpened {
            peer,
            identity,
            dialled: false,
        }]);
        let peers = || core.lock().machine.peers().count();
        let enter = || access.enter(&core, ConnectionId::Peer(peer), admitted.standing.clone());
        let reload = || access.put(&core, nobody(&own)).peers_closed;
        if lists_come_first {
            assert_eq!((reload(), peers()), (0, 1));
            enter();
        } else {
            enter();
            assert_eq!((peers(), reload()), (1, 1));
        }
        assert_eq!(peers(), 0, "{lists_come_first}");
    }
}

#[test]
fn a_certificate_is_valid_in_its_last_second() {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1000));
    assert_eq!(until(1000, now), Duration::from_secs(1));
    assert_eq!(until(999, now), Duration::ZERO);
    assert_eq!(until(-5, now), Duration::ZERO);
    assert!(until(i64::MAX, now) > LOOK);
}
