//! Shapes of networks, and breadth-first search in them.
//!
//! The simulation is optimised and this crate is not: functions are marked for inlining.

use std::collections::{BTreeSet, VecDeque};

use clap::ValueEnum;
use rand::{RngExt, rngs::StdRng};

/// A link between two nodes, the lower one first.
pub type Edge = (usize, usize);

/// The shape of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Topology {
    /// Each node is linked to the next.
    Line,
    /// A line whose ends meet.
    Ring,
    /// One node is linked to all others.
    Star,
    /// Rows and columns, as square as the number allows.
    Grid,
    /// A random tree and half as many links again.
    Random,
    /// Every node is linked to every other.
    Full,
}

impl Topology {
    /// Returns the links of a network of this shape. The graph is connected.
    #[inline]
    pub fn edges(self, nodes: usize, rng: &mut StdRng) -> Vec<Edge> {
        let mut edges = BTreeSet::new();
        match self {
            Self::Line => edges.extend((1..nodes).map(|n| (n - 1, n))),
            Self::Ring => {
                edges.extend((1..nodes).map(|n| (n - 1, n)));
                if nodes > 2 {
                    edges.insert((0, nodes - 1));
                }
            }
            Self::Star => edges.extend((1..nodes).map(|n| (0, n))),
            Self::Grid => {
                let width = (1..).find(|w| w * w >= nodes).unwrap_or(1);
                for n in 1..nodes {
                    if n % width != 0 {
                        edges.insert((n - 1, n));
                    }
                    if n >= width {
                        edges.insert((n - width, n));
                    }
                }
            }
            Self::Random => {
                edges.extend((1..nodes).map(|n| (rng.random_range(0..n), n)));
                for _ in 0..nodes / 2 {
                    let (a, b) = (rng.random_range(0..nodes), rng.random_range(0..nodes));
                    if a != b {
                        edges.insert((a.min(b), a.max(b)));
                    }
                }
            }
            Self::Full => {
                edges.extend((0..nodes).flat_map(|b| (0..b).map(move |a| (a, b))));
            }
        }
        edges.into_iter().collect()
    }
}

/// Returns the distance of every node from `from` in links; `None` where it cannot be reached.
#[inline]
pub fn distances(nodes: usize, edges: &[Edge], from: usize) -> Vec<Option<u32>> {
    let mut next = vec![Vec::new(); nodes];
    for &(a, b) in edges {
        next[a].push(b);
        next[b].push(a);
    }
    let mut distances = vec![None; nodes];
    distances[from] = Some(0);
    let mut waiting = VecDeque::from([(from, 0)]);
    while let Some((node, distance)) = waiting.pop_front() {
        for &other in &next[node] {
            if distances[other].is_none() {
                distances[other] = Some(distance + 1);
                waiting.push_back((other, distance + 1));
            }
        }
    }
    distances
}
