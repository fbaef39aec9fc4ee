//! Looking up a whole list of numbers at once, on several threads.

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{
    Child, Register,
    index::{Entries, Entry},
};
use crate::domain::PlacedNiss;

/// Numbers that one thread looks up at a time: long enough to read memory forwards, and short beside a list.
const PART: usize = 8192;

/// What a register has of many numbers, by their places.
pub struct Found<'a> {
    register: &'a Register,
    entries: Entries,
}

impl<'a> Found<'a> {
    /// The child at each of some places, if there is one.
    pub fn at(&self, places: Range<usize>) -> impl Iterator<Item = Option<Child<'a>>> {
        let register = self.register;
        self.entries.at(places).map(move |entry| (entry != Entry::NONE).then_some(Child { register, entry }))
    }
}

impl Register {
    /// Looks up many numbers in ascending order, many times as fast as one after another. Their places are below their
    /// count. `beside` is worked out meanwhile, on another thread where the list is long.
    pub fn find_all<T: Send>(&self, ascending: &[PlacedNiss], beside: impl FnOnce() -> T + Send) -> (Found<'_>, T) {
        let entries = Entries::new(ascending.len());
        let claimed = AtomicUsize::new(0);
        let parts: Vec<_> = ascending.chunks(PART).collect();
        let find = &|| {
            while let Some(part) = parts.get(claimed.fetch_add(1, Ordering::Relaxed)) {
                self.index.find_ascending(part, &entries);
            }
        };
        let worked_out = if parts.len() > 1 {
            thread::scope(|scope| {
                // When there is no thread to be had, this one does all.
                let _ = thread::Builder::new().name("look-up".to_owned()).spawn_scoped(scope, find);
                let worked_out = beside();
                find();
                worked_out
            })
        } else {
            find();
            beside()
        };
        (Found { register: self, entries }, worked_out)
    }
}
