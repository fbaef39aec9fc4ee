//! Making each outgoing format.
