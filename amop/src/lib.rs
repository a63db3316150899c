//! amop
