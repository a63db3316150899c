//! Attack programs together with members that keep exchanging messages: no message of theirs is
//! lost, the memory that nodes hold is limited, and everything is as before when the attacker is
//! gone. `benches/hostile/run.sh` measures how fast messages are meanwhile.

mod beside;
mod innocents;
mod nodes;
mod roles;
