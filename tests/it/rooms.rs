//! The direction of the rooms, and who may name which crate.
