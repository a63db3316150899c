//! amop-proto
