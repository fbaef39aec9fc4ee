//! The Groeipakket extract in memory.
