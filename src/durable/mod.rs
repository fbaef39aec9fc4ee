//! Files that are on disk when they are said to be, directories that cannot be left, locks and the clock.
//!
//! The discipline, in one place: a file's bytes are written to a temporary name, `fsync`ed, renamed, and its
//! directory is `fsync`ed; only then does it exist. A failed `fsync` is never tried again by a caller, since the
//! kernel may have dropped the pages (the second call would then lie).

mod clock;
mod directory;
pub mod disk;
mod lock;
mod process;
mod regular;
mod space;

pub use clock::Clock;
pub use directory::{Directory, DurableError};
pub use lock::{DirectoryLock, refuse_root_in};
pub use process::{allow_many_files, forbid_core_dumps, memory_limit_bytes, open_files, resident_bytes};
pub use regular::open_regular;
pub use space::DiskSpace;
