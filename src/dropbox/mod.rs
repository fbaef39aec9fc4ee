//! A tenant's tree: what a session may see and do there.

pub mod view;
