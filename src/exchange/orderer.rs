//! Whoever gave an order, who may go away before its turn comes.

use super::ExchangeError;

/// Whoever gave an order, for what is done of it.
///
/// An order may wait long for its turn: for a run, for retention, for the answer to a list. Whoever typed it may see by
/// then that it was wrong, and break it off. It is not begun then; what the log has of it is done to the end.
#[derive(Clone, Copy)]
pub struct Orderer<'a> {
    /// Hears how far it is.
    pub tell: &'a (dyn Fn(String) + Sync),
    /// Whether it is still to be done. Asked when its turn came, and last before the log has anything of it.
    pub is_wanted: &'a dyn Fn() -> bool,
}

impl Orderer<'_> {
    /// Whoever does not go away: what the daemon does by itself.
    pub fn daemon() -> Self {
        Self { tell: &|_| (), is_wanted: &|| true }
    }

    /// Goes on only where it is still to be done.
    pub(super) fn require(self) -> Result<(), ExchangeError> {
        if (self.is_wanted)() { Ok(()) } else { Err(ExchangeError::Unwanted) }
    }
}
