//! The golden vectors of both protocols, decoded and encoded again.
//!
//! Each vector has its own check, which must look at every documented field; a vector without a
//! check, or a check without a vector, makes the tests fail.

mod amop;
mod malformed;
mod mesh_vectors;
mod p2p;
mod session;
mod transcripts_codec;
mod vectors;

use std::collections::BTreeSet;

use vectors::{Check, Vectors};

/// The number of vectors. It is fixed here so that a truncated file is noticed.
const COUNT: usize = 92;

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
    let vectors = Vectors::load();
    let names: BTreeSet<&str> = vectors.names().collect();
    assert_eq!(names.len(), COUNT, "vectors of different names");
    assert_eq!(vectors.names().count(), COUNT, "vectors");

    let mut checked = BTreeSet::new();
    for &(name, _) in tables().into_iter().flatten() {
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
