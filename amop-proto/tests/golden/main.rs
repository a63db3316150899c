//! The golden vectors of all protocols, decoded and encoded again.
//!
//! Each vector has its own check, which must look at every documented field; a vector without a
//! check, or a check without a vector, makes the tests fail.

mod amop;
mod gateway;
mod malformed;
mod mesh_vectors;
mod p2p;
mod recorded;
mod session;
mod transcripts_codec;
mod vectors;

use std::collections::BTreeSet;

use vectors::{Check, Vectors};

/// The number of vectors. It is fixed here so that a truncated file is noticed.
const COUNT: usize = 90;

/// The number of vectors of the node-node protocol of 3.x.
const GATEWAY_COUNT: usize = 30;

fn tables() -> [&'static [Check]; 4] {
    [
        session::CHECKS,
        amop::CHECKS,
        malformed::CHECKS,
        p2p::CHECKS,
    ]
}

#[test]
fn each_vector_has_exactly_one_check() {
    has_one_check_each(&Vectors::load(), COUNT, &tables());
    has_one_check_each(&Vectors::gateway(), GATEWAY_COUNT, &[gateway::CHECKS]);
}

fn has_one_check_each(vectors: &Vectors, count: usize, tables: &[&[Check]]) {
    let names: BTreeSet<&str> = vectors.names().collect();
    assert_eq!(names.len(), count, "vectors of different names");
    assert_eq!(vectors.names().count(), count, "vectors");

    let mut checked = BTreeSet::new();
    for &(name, _) in tables.iter().copied().flatten() {
        assert!(checked.insert(name), "{name} is checked twice");
    }
    assert_eq!(checked, names);
}

#[test]
fn session_messages() {
    Vectors::load().run(session::CHECKS);
}

#[test]
fn amop_messages() {
    Vectors::load().run(amop::CHECKS);
}

#[test]
fn malformed_input() {
    Vectors::load().run(malformed::CHECKS);
}

#[test]
fn messages_between_nodes() {
    Vectors::load().run(p2p::CHECKS);
}

#[test]
fn messages_between_3x_nodes() {
    Vectors::gateway().run(gateway::CHECKS);
}
