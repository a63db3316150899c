//! Tests that cross the crates live beside this file as cargo integration tests.
