//! The search, done by `stateright`.

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

/// All orders of the possible events of a scenario.
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

/// How far a search goes.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The number of steps to try, including those that lead to known states.
    pub steps: usize,
    /// The number of threads to search with.
    pub threads: usize,
    /// The longest time to search.
    pub time: Duration,
}

/// The result of a search.
#[derive(Debug)]
pub struct Report {
    /// The number of different states.
    pub states: usize,
    /// The number of steps tried.
    pub steps: usize,
    /// The number of steps of the longest path.
    pub depth: usize,
    /// The number of states in which nothing more happened; each was followed to its end.
    pub ends: u64,
    /// Whether everything was tried.
    pub complete: bool,
    /// How long it took.
    pub time: Duration,
    /// The first failure.
    pub failure: Option<Failure>,
}

/// A failure, and the path to it.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong.
    pub text: String,
    /// For each step, its index among the possible steps.
    pub path: Vec<usize>,
}

/// Searches all orders of the possible events of a scenario.
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

/// Makes the steps of a path; returns them and the state that they lead to. Stops at the first step
/// that is not possible.
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
