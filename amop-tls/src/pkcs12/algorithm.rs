//! Algorithms with their parameters.

use der::Sequence;
use der::asn1::{AnyRef, ObjectIdentifier};

use super::problem::Pkcs12Problem;

/// The maximum number of iterations, more than any tool uses; a file must not keep a program busy.
const MAX_ITERATIONS: u32 = 1_000_000;

#[derive(Sequence)]
pub(super) struct Algorithm<'a> {
    pub(super) oid: ObjectIdentifier,
    pub(super) parameters: Option<AnyRef<'a>>,
}

pub(super) fn unsupported(algorithm: &Algorithm<'_>) -> Pkcs12Problem {
    Pkcs12Problem::Unsupported {
        algorithm: algorithm.oid.to_string(),
    }
}

pub(super) fn bounded(iterations: u32) -> Result<u32, Pkcs12Problem> {
    let sensible = (1..=MAX_ITERATIONS).contains(&iterations);
    sensible
        .then_some(iterations)
        .ok_or(Pkcs12Problem::Malformed)
}
