//! The account of every step, which nobody can rewrite.
