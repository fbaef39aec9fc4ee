//! Memory for uploads that are not sealed yet, all tenants together.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A number of bytes that uploads may take together.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    total_bytes: u64,
    free: Arc<AtomicU64>,
}

/// What the uploads of one tenant have of a budget. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryShare {
    used: Arc<AtomicU64>,
}

/// Bytes taken from a budget; they go back when it is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    budget: MemoryBudget,
    share: MemoryShare,
    most_bytes: u64,
    bytes: u64,
}

/// What part of a budget one tenant may have: a quarter, so that whoever opens uploads without end leaves most of it
/// to the others, and who sends some large lists at once is not kept waiting.
const TENANT_PART: u64 = 4;

impl MemoryBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { total_bytes: bytes, free: Arc::new(AtomicU64::new(bytes)) }
    }

    /// Nothing yet, to grow to a quarter of the budget with all else of that tenant. One upload of the largest size
    /// that it may send fits whatever the budget is.
    pub(super) fn reserve_nothing(&self, share: &MemoryShare, largest_upload_bytes: u64) -> Reserved {
        let most_bytes = (self.total_bytes / TENANT_PART).max(largest_upload_bytes);
        Reserved { budget: self.clone(), share: share.clone(), most_bytes, bytes: 0 }
    }

    /// Bytes that are free now.
    pub fn free_bytes(&self) -> u64 {
        self.free.load(Ordering::Acquire)
    }
}

impl Reserved {
    /// Takes more; false, and nothing taken, when there is not enough.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let used = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.most_bytes);
        if self.share.used.try_update(Ordering::AcqRel, Ordering::Acquire, used).is_err() {
            return false;
        }
        let taken = self.budget.free.try_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(bytes));
        if taken.is_ok() {
            self.bytes += bytes;
        } else {
            self.share.used.fetch_sub(bytes, Ordering::AcqRel);
        }
        taken.is_ok()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.share.used.fetch_sub(self.bytes, Ordering::AcqRel);
        self.budget.free.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = MemoryBudget::new(100);
        let share = MemoryShare::default();
        let mut first = budget.reserve_nothing(&share, 100);
        let mut second = budget.reserve_nothing(&share, 100);
        assert!(first.grow(60) && !second.grow(41) && second.grow(40));
        drop(first);
        assert!(second.grow(60));
        drop(second);
        assert_eq!((budget.free_bytes(), share.used.load(Ordering::Acquire)), (100, 0));
    }

    #[test]
    fn one_tenant_leaves_the_others_three_quarters() {
        let budget = MemoryBudget::new(100);
        let (greedy, other) = (MemoryShare::default(), MemoryShare::default());
        let mut uploads: Vec<Reserved> = (0..50).map(|_| budget.reserve_nothing(&greedy, 10)).collect();
        assert_eq!(uploads.iter_mut().filter_map(|upload| upload.grow(1).then_some(())).count(), 25);
        assert!(budget.reserve_nothing(&other, 10).grow(25));
        // A larger upload fits where it is the only one.
        assert!(!budget.reserve_nothing(&greedy, 60).grow(40) && budget.reserve_nothing(&other, 60).grow(60));
        // What the budget has no room for does not count for the tenant.
        let mut large = budget.reserve_nothing(&other, 100);
        assert!(!large.grow(80) && large.grow(75));
    }
}
