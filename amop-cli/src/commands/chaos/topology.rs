//! The links between the nodes of a network, and whether the remaining part is connected.

use clap::ValueEnum;
use rand::{RngExt, rngs::StdRng, seq::SliceRandom};

/// The shape of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkShape {
    /// Each node is linked with the next, the last with the first.
    Ring,
    /// A ring without its last link. Killing any node except the two at the ends cuts it in two.
    Line,
    /// All nodes are linked only with the first one.
    Star,
    /// All nodes are linked with each other.
    Full,
    /// A ring in random order, with half as many chords as nodes.
    Random,
}

/// The nodes of a network, by number, and the links between them.
#[derive(Debug, Clone)]
pub(crate) struct Topology {
    pub(crate) nodes: usize,
    /// Pairs of nodes, each pair once.
    pub(crate) links: Vec<(usize, usize)>,
}

impl Topology {
    pub(crate) fn new(shape: NetworkShape, nodes: usize, rng: &mut StdRng) -> Self {
        let line = |order: &[usize]| -> Vec<_> {
            order.windows(2).map(|pair| (pair[0], pair[1])).collect()
        };
        let mut order: Vec<usize> = (0..nodes).collect();
        let links = match shape {
            NetworkShape::Line => line(&order),
            NetworkShape::Star => (1..nodes).map(|node| (0, node)).collect(),
            NetworkShape::Full => (0..nodes)
                .flat_map(|a| (a + 1..nodes).map(move |b| (a, b)))
                .collect(),
            NetworkShape::Ring | NetworkShape::Random => {
                if shape == NetworkShape::Random {
                    order.shuffle(rng);
                }
                let mut links = line(&order);
                if nodes > 2 {
                    links.push((order[nodes - 1], order[0]));
                }
                if shape == NetworkShape::Random {
                    add_chords(nodes, nodes / 2, &mut links, rng);
                }
                links
            }
        };
        Self { nodes, links }
    }

    /// Returns whether all nodes for which `node` returns true can reach each other over the links
    /// for which `link` returns true. Other nodes are ignored.
    pub(crate) fn is_connected(
        &self,
        node: impl Fn(usize) -> bool,
        link: impl Fn(usize) -> bool,
    ) -> bool {
        let wanted = (0..self.nodes).filter(|&at| node(at)).count();
        let Some(first) = (0..self.nodes).find(|&at| node(at)) else {
            return true;
        };
        let mut reached = vec![false; self.nodes];
        reached[first] = true;
        let mut open = vec![first];
        let mut count = 1;
        while let Some(at) = open.pop() {
            for (index, &(a, b)) in self.links.iter().enumerate() {
                let other = match at {
                    _ if at == a => b,
                    _ if at == b => a,
                    _ => continue,
                };
                if link(index) && node(other) && !reached[other] {
                    reached[other] = true;
                    count += 1;
                    open.push(other);
                }
            }
        }
        count == wanted
    }
}

fn add_chords(nodes: usize, count: usize, links: &mut Vec<(usize, usize)>, rng: &mut StdRng) {
    let possible = nodes * (nodes - 1) / 2;
    let wanted = (links.len() + count).min(possible);
    while links.len() < wanted {
        let (a, b) = (rng.random_range(0..nodes), rng.random_range(0..nodes));
        if a != b && !links.contains(&(a, b)) && !links.contains(&(b, a)) {
            links.push((a, b));
        }
    }
}

#[cfg(test)]
mod tests;
