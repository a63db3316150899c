//! amop-node
