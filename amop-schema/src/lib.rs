//! AMOP topics as schemas.
#![forbid(unsafe_code)]
