//! Atomic writes, synchronisation to disk, locks and the clock.
