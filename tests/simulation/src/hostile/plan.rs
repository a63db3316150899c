//! A run with hostile hosts: they come, lie, and leave.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{WILES, Wile};
use amop_testkit::topology::Topology;

use crate::{
    config::{Config, Profile, Sabotage},
    scenario::{BOUND, Scenario},
    summary::Summary,
    violation::Invariant,
    world::{PATIENCE, World},
};

/// How long hostile hosts are active.
const SPAN: Duration = Duration::from_secs(20);

/// The frames per link and second that honest nodes write by themselves: signs of life, and the few
/// normal events.
const FRAMES_A_SECOND: u64 = 20;

/// The frames per link that they write for each frame that a hostile node makes up: a record
/// crosses every link, perhaps in both directions, and each is acknowledged. If it is about the
/// hostile node itself, that node's machine states a newer one, which does the same. A message
/// crosses at most 32 links.
const FRAMES_FOR_ONE: u64 = 8;

/// The plan of a run with hostile hosts.
#[derive(Debug, Clone)]
pub struct HostilePlan {
    /// Decides everything that is not given.
    pub seed: u64,
    /// The wiles of the hostile nodes.
    pub wiles: Option<Vec<Wile>>,
    /// Whether to print every step.
    pub trace: bool,
    /// The defence that is removed.
    pub sabotage: Option<Sabotage>,
    /// Whether limits are only slightly above what honest hosts need.
    pub narrow: bool,
}

impl HostilePlan {
    /// Returns a plan in which the seed decides everything.
    pub fn of(seed: u64) -> Self {
        Self {
            seed,
            wiles: None,
            trace: false,
            sabotage: None,
            narrow: seed % 4 == 3,
        }
    }

    /// Returns the options of the command for this run, beside its seed.
    fn options(&self) -> String {
        let wiles = self.wiles.iter().flatten();
        let wiles: Vec<String> = wiles.map(|wile| format!(" --wile {wile:?}")).collect();
        format!("--hostile{}", wiles.concat())
    }

    fn config(&self, rng: &mut StdRng) -> Config {
        let shapes = [
            Topology::Line,
            Topology::Ring,
            Topology::Star,
            Topology::Grid,
            Topology::Random,
            Topology::Full,
        ];
        let nodes = rng.random_range(3..=8);
        let topology = shapes[rng.random_range(0..shapes.len())];
        let mut config = Config::new(self.seed, nodes, topology);
        config.profile = if rng.random_range(0..4) == 0 {
            Profile::Faults
        } else {
            Profile::Calm
        };
        config.trace = self.trace;
        config.sabotage = self.sabotage;
        let limits = &mut config.limits;
        limits.nodes = 40;
        limits.stubs = 4;
        limits.peer_topics = 400;
        limits.record_bytes = 256 << 10;
        limits.records_bytes = 1 << 20;
        if self.narrow {
            limits.nodes = nodes + 6;
            limits.record_bytes = 64 << 10;
            limits.records_bytes = 192 << 10;
        }
        limits.in_flight = 500;
        limits.session_in_flight = 100;
        config
    }
}

/// Makes one run from beginning to end.
pub fn run_hostile(plan: &HostilePlan) -> Summary {
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x6c69_6172);
    let mut scenario = Scenario::new(World::new(plan.config(&mut rng)));
    let nodes = scenario.world.config.nodes;
    scenario.world.traffic.records = Some(BTreeMap::new());
    let first = rng.random_range(0..nodes);
    let mut liars = vec![first];
    if nodes > 4 && rng.random_range(0..4) == 0 {
        liars.push((first + rng.random_range(1..nodes)) % nodes);
    }
    for &liar in &liars {
        let count = rng.random_range(1..=4);
        let wiles = (0..count).map(|_| WILES[rng.random_range(0..WILES.len())]);
        let wiles = plan.wiles.clone().unwrap_or(wiles.collect());
        if plan.trace {
            println!("node {liar}: {wiles:?}");
        }
        scenario.world.make_hostile(liar, wiles);
    }
    scenario.people();
    let joined = scenario.world.converge(BOUND);
    scenario.world.run_for(Duration::from_secs(6));

    for &liar in &liars {
        scenario.world.incite(liar);
    }
    for _ in 0..rng.random_range(0..=2) {
        let host = rng.random_range(0..nodes);
        if !liars.contains(&host) {
            scenario.world.add_rogue(host);
        }
    }
    let before = (scenario.world.honest_frames, scenario.world.injected());
    let over = scenario.world.now() + SPAN;
    let last_fault = scenario.faults().max(over);
    let busy = rng.random_range(20..80);
    scenario.publish(busy, SPAN.as_micros() as u64);
    let outcomes_known = over + PATIENCE;
    scenario.world.run_until(over);
    scenario.world.check_work(before, SPAN);
    for &liar in &liars {
        scenario.world.crash(liar, false);
    }
    for rogue in 0..scenario.world.rogues.len() {
        scenario.world.rogue_leaves(rogue);
    }
    scenario.world.run_until(last_fault);
    let converged = scenario.world.converge(BOUND);
    scenario.world.run_for(Duration::from_secs(6));
    scenario.publish(20, 2_000_000);
    let last = scenario.world.now() + Duration::from_secs(2) + PATIENCE;
    let known = outcomes_known.max(last) + Duration::from_secs(1);
    scenario.world.run_until(known);
    scenario.world.check_messages();
    scenario.world.leave_all();
    Summary {
        options: plan.options(),
        ..Summary::of(&scenario.world, joined, converged)
    }
}

impl World {
    /// Returns the number of frames that hostile hosts made up.
    fn injected(&self) -> u64 {
        let attackers = self.hosts.iter().filter_map(|host| host.attacker.as_ref());
        let nodes: u64 = attackers.map(|attacker| attacker.injected).sum();
        nodes + self.rogues.iter().map(|rogue| rogue.injected).sum::<u64>()
    }

    /// Checks that honest nodes wrote frames in proportion to what happened.
    fn check_work(&mut self, (frames, injected): (u64, u64), time: Duration) {
        let frames = self.honest_frames - frames;
        let injected = self.injected() - injected;
        let links = self.edges.len() as u64;
        let most =
            links * (FRAMES_A_SECOND * time.as_secs() + FRAMES_FOR_ONE * injected) + 32 * injected;
        if frames > most {
            let text = format!(
                "honest nodes wrote {frames} frames while hostile ones made up {injected}; at most \
                 {most} are in proportion"
            );
            self.violated(Invariant::BoundedWork, text);
        }
    }
}
