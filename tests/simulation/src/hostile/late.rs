//! A relay that keeps passing messages, cuts itself off until the nodes on both sides have
//! forgotten each other, and then sends again what it kept, with old records and without the new
//! ones.

use std::{collections::BTreeMap, time::Duration};

use super::Wile;
use amop_testkit::topology::Topology;

use crate::{
    config::{Config, Sabotage},
    scenario::{BOUND, Scenario},
    summary::Summary,
    violation::Invariant,
    world::{PATIENCE, World},
};

/// Longer than unreachable nodes and the ids of their messages are remembered.
const FORGOTTEN: Duration = Duration::from_secs(200);

/// How long it sends the messages that it kept.
const SPAN: Duration = Duration::from_secs(20);

/// The relay; the next constant is the node that it cuts off.
const RELAY: usize = 1;
const BEHIND: usize = 2;

/// Makes one run from beginning to end.
pub fn run_late(seed: u64, sabotage: Option<Sabotage>) -> Summary {
    let mut config = Config::new(seed, 3, Topology::Line);
    config.sabotage = sabotage;
    let mut scenario = Scenario::new(World::new(config));
    let world = &mut scenario.world;
    world.traffic.records = Some(BTreeMap::new());
    let wiles = vec![Wile::ReplayMessages, Wile::ReplayRecords, Wile::HoldBack];
    world.make_hostile(RELAY, wiles);
    scenario.people();
    let joined = scenario.world.converge(BOUND);
    scenario.world.run_for(Duration::from_secs(6));
    scenario.publish(60, 5_000_000);
    scenario.world.run_for(Duration::from_secs(5) + PATIENCE);

    let world = &mut scenario.world;
    let mut edges = world.edges.iter();
    let edge = edges.position(|edge| edge.ends.contains(&BEHIND));
    let edge = edge.expect("the last node of a line has a link");
    world.cut(edge, false);
    world.run_for(FORGOTTEN);
    world.check_forgotten();
    world.incite(RELAY);
    world.heal(edge);
    world.run_for(SPAN);
    world.crash(RELAY, false);
    let converged = world.converge(BOUND);
    world.run_for(Duration::from_secs(6));
    scenario.world.check_messages();
    scenario.world.leave_all();
    Summary {
        options: "--late".to_owned(),
        ..Summary::of(&scenario.world, joined, converged)
    }
}

impl World {
    /// Checks that the nodes were forgotten; otherwise the rest of the test would prove nothing.
    fn check_forgotten(&mut self) {
        let node = self.hosts[BEHIND].node.as_ref();
        let known = node.map_or(0, |node| node.router().known_nodes());
        if known > 1 {
            let text =
                format!("node {BEHIND} knows {known} nodes still, and should have forgotten");
            self.violated(Invariant::Convergence, text);
        }
    }
}
