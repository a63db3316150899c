//! amop-tls
