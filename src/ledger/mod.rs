//! The index of the transfer log.
