//! A daemon of one test, with what its clients and its operators have.
//!
//! Everything is as in production: keys made for the occasion, the program itself as a process of its own, port 0. A
//! test that ends with a [`TestDaemon`] has also shown that the daemon stops as it should and that its log verifies.

mod copy;
mod daemon;
mod extract;
pub mod http;
mod memory;
mod openssh;
mod plan;
mod process;
pub mod raw;
mod session;
mod tenant;

use std::time::{Duration, Instant};

pub use copy::{copy_directory, create_private};
pub use daemon::TestDaemon;
pub use extract::Extract;
pub use memory::Memory;
pub use openssh::{Ran, run};
pub use plan::{Plan, replace};
pub use process::delivered;
pub use session::{Access, Session, block_on};
pub use tenant::{Protocol, Tenant};

/// For anything that must come about: far above what it takes, so that a busy machine fails no test.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks at a state that nothing announces.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until there is something; fails the test after [`PATIENCE`].
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// [`wait_for`] something to be so.
#[track_caller]
pub fn wait_until(what: &str, mut look: impl FnMut() -> bool) {
    wait_for(what, || look().then_some(()));
}

/// The number of who was born in 2000 or later, for its first nine digits.
pub fn niss(nine: &str) -> String {
    let number: u64 = nine.parse().unwrap();
    format!("{nine}{:02}", 97 - (2_000_000_000 + number) % 97)
}
