//! A synthetic extract.
