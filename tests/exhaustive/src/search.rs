//! The search itself, by `stateright`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::{scenario::Scenario, state::State, steps::Step};

const SAFETY: &str = "nothing wrong happens";
const LIVENESS: &str = "all ends well";

/// All orders of what may happen in a scenario.
#[derive(Debug)]
struct Orders {
    scenario: Scenario,
    ends: Arc<AtomicU64>,
}

impl Model for Orders {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(&self.scenario)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        steps.extend(state.steps());
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(state.after(step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SAFETY, |_, state: &State| state.wrong().is_none()),
            Property::always(LIVENESS, |model: &Self, state: &State| {
                if !state.is_end() {
                    return true;
                }
                model.ends.fetch_add(1, Ordering::Relaxed);
                state.ends_well().is_ok()
            }),
        ]
    }
}

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// Steps to try, those that lead to states that are known included.
    pub steps: usize,
    /// Threads to search with.
    pub threads: usize,
    /// How long to search at most.
    pub time: Duration,
}

/// What a search found.
#[derive(Debug)]
pub struct Report {
    /// Different states.
    pub states: usize,
    /// Steps tried.
    pub steps: usize,
    /// Steps of the longest path.
    pub depth: usize,
    /// States in which nothing more happened, each followed to its end.
    pub ends: u64,
    /// Whether there was nothing left to try.
    pub complete: bool,
    /// How long it took.
    pub time: Duration,
    /// The first thing that was wrong.
    pub failure: Option<Failure>,
}

/// Something wrong, and how to get there.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong.
    pub text: String,
    /// For each step its place among those that could be made.
    pub path: Vec<usize>,
}

/// Searches through all orders of what may happen in a scenario.
pub fn search(scenario: &Scenario, bound: Bound) -> Report {
    let started = Instant::now();
    let ends = Arc::new(AtomicU64::new(0));
    let orders = Orders {
        scenario: scenario.clone(),
        ends: Arc::clone(&ends),
    };
    let checker = orders
        .checker()
        .threads(bound.threads)
        .target_state_count(bound.steps)
        .timeout(bound.time)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_dfs()
        .join();
    let failure = checker
        .discoveries()
        .into_values()
        .next()
        .map(|path| Failure::of(scenario, &path.into_actions()));
    Report {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        ends: ends.load(Ordering::Relaxed),
        complete: failure.is_none()
            && checker.state_count() < bound.steps
            && started.elapsed() < bound.time,
        time: started.elapsed(),
        failure,
    }
}

impl Failure {
    fn of(scenario: &Scenario, steps: &[Step]) -> Self {
        let mut state = State::new(scenario);
        let mut path = Vec::new();
        for step in steps {
            let at = state.steps().iter().position(|other| other == step);
            path.push(at.unwrap_or(usize::MAX));
            state = state.after(*step);
        }
        let text = match (state.wrong(), state.is_end()) {
            (Some(wrong), _) => wrong.to_owned(),
            (None, true) => state.ends_well().err().unwrap_or_default(),
            (None, false) => String::new(),
        };
        Self { text, path }
    }
}

/// Makes the steps of a path; returns them and the state they lead to. A path that leads nowhere ends
/// where it does.
pub fn replay(scenario: &Scenario, path: &[usize]) -> (Vec<Step>, State) {
    let mut state = State::new(scenario);
    let mut steps = Vec::new();
    for &at in path {
        let Some(&step) = state.steps().get(at) else {
            break;
        };
        steps.push(step);
        state = state.after(step);
    }
    (steps, state)
}
