//! Memory for uploads that are not sealed yet, all tenants together.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A number of bytes that uploads may take together.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    free: Arc<AtomicU64>,
}

/// Bytes taken from a budget; they go back when it is dropped.
#[derive(Debug)]
pub struct Reserved {
    budget: MemoryBudget,
    bytes: u64,
}

impl MemoryBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { free: Arc::new(AtomicU64::new(bytes)) }
    }

    /// Nothing yet, to grow.
    pub fn reserve_nothing(&self) -> Reserved {
        Reserved { budget: self.clone(), bytes: 0 }
    }

    /// Bytes that are free now.
    pub fn free_bytes(&self) -> u64 {
        self.free.load(Ordering::Acquire)
    }
}

impl Reserved {
    /// Takes more; false, and nothing taken, when there is not enough.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let taken = self.budget.free.try_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(bytes));
        if taken.is_ok() {
            self.bytes += bytes;
        }
        taken.is_ok()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = MemoryBudget::new(100);
        let mut first = budget.reserve_nothing();
        let mut second = budget.reserve_nothing();
        assert!(first.grow(60) && !second.grow(41) && second.grow(40));
        drop(first);
        assert!(second.grow(60));
        drop(second);
        assert_eq!(budget.free_bytes(), 100);
    }
}
