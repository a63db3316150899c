//! A node: its sessions, its peers and the router between them.
