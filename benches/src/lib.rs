//! What is measured: one list of cases, shared by the wall-time benches and the instruction counts.
//!
//! | module | cases |
//! | --- | --- |
//! | `codec` | frames written and read |
//! | `router` | node machines: messages, changes and idle time against topics, sessions, nodes |
//! | `typed` | values to payloads and back; the client's session |
//!
//! `cargo bench -p amop-benches` runs the benches; `benches/instructions.sh` counts instructions.
#![forbid(unsafe_code)]

use std::fmt;

mod codec;
mod net;
mod router;
mod typed;

/// One operation of a case.
pub type Operation = Box<dyn FnMut()>;

/// A case to measure.
pub struct Case {
    /// `GROUP.WHAT` or `GROUP.WHAT/SIZE`; its name in the baseline.
    pub name: &'static str,
    /// How often to run it when instructions are counted: often enough to average occasional work,
    /// but not so often that it takes long. 0 if the setup takes too long under valgrind.
    pub counted: u32,
    start: fn() -> Operation,
}

impl Case {
    const fn new(name: &'static str, counted: u32, start: fn() -> Operation) -> Self {
        Self {
            name,
            counted,
            start,
        }
    }

    /// Sets everything up and runs it a few times, so that buffers reach their size.
    pub fn start(&self) -> Operation {
        let mut operation = (self.start)();
        for _ in 0..self.counted.min(50) {
            operation();
        }
        operation
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Returns the cases of the codecs.
pub fn codec() -> &'static [Case] {
    codec::CASES
}

/// Returns the cases of node machines.
pub fn router() -> &'static [Case] {
    router::CASES
}

/// Returns the cases of the client's session and of typed values.
pub fn typed() -> &'static [Case] {
    typed::CASES
}

/// Returns all cases.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [codec(), router(), typed()].into_iter().flatten()
}

#[cfg(test)]
mod tests;
