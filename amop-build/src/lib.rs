//! amop-build
