//! Attack programs beside members who go on talking: nothing of theirs is lost, what the nodes hold is
//! bounded, and all is as before when the attacker is gone. How fast it stays meanwhile is measured by
//! `benches/hostile/run.sh`.
#![forbid(unsafe_code)]

mod beside;
mod innocents;
mod nodes;
mod roles;
