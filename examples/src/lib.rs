//! The documented AMOP demos live beside this file as cargo examples.
