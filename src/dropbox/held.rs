//! An upload as a session has it open, and as a newer session of the tenant can take it away.
//!
//! A network that fails tells nobody: the session at its end stands until keepalives give it up, two minutes later, and
//! the client is back long before. So the newest session that opens a name has it. What the older one wrote is stored
//! as an upload that broke off; its handle fails from then on, whatever still comes for it.
//!
//! Lock order: a hold before the slots of the inbox. Who opens an upload keeps its own hold locked until the upload is
//! there, so that whoever finds the hold in a slot waits for it.

use std::{
    io::IoSlice,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::{
    upload::Writing,
    view::{Attributes, Denied, Upload},
};

/// The hold of a session on an upload that it writes. Clones are the same hold.
#[derive(Clone, Default)]
pub(super) struct Hold(Arc<Mutex<Option<Writing>>>);

impl Hold {
    /// What is held; none before it is there and after it was closed or taken away.
    pub fn lock(&self) -> MutexGuard<'_, Option<Writing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the upload away: when this returns, what came of it is stored as broken off. One that is being closed is
    /// waited for.
    pub fn break_off(&self) {
        let mut held = self.lock();
        drop(held.take());
    }

    /// Sets the time of the upload; false when it is not held any more.
    pub fn set_modified(&self, modified: Timestamp) -> bool {
        let mut held = self.lock();
        held.as_mut().map(|upload| upload.set_modified(modified)).is_some()
    }
}

/// An upload that a session has open.
pub(super) struct HeldUpload(pub Hold);

impl HeldUpload {
    fn with<T>(&self, work: impl FnOnce(&mut Writing) -> Result<T, Denied>) -> Result<T, Denied> {
        self.0.lock().as_mut().map_or_else(|| Err(taken_over()), work)
    }
}

fn taken_over() -> Denied {
    Denied::Refused("een nieuwere sessie heeft deze upload overgenomen".to_owned())
}

impl Upload for HeldUpload {
    fn write(&mut self, offset: u64, pieces: &[IoSlice<'_>]) -> Result<(), Denied> {
        self.with(|upload| upload.write(offset, pieces))
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Denied> {
        self.with(|upload| upload.read(offset, buffer))
    }

    fn attributes(&self) -> Result<Attributes, Denied> {
        self.with(|upload| Ok(upload.attributes()))
    }

    fn set_length(&mut self, length: u64) -> Result<(), Denied> {
        self.with(|upload| upload.set_length(length))
    }

    fn set_modified(&mut self, modified: Timestamp) -> Result<(), Denied> {
        self.with(|upload| {
            upload.set_modified(modified);
            Ok(())
        })
    }

    fn sync(&mut self) -> Result<(), Denied> {
        self.with(Writing::sync)
    }

    fn finish(self: Box<Self>) -> Result<(), Denied> {
        // Locked until it is done: who takes over finds it finished or broken off, never in between.
        let mut held = self.0.lock();
        held.take().map_or_else(|| Err(taken_over()), Writing::finish)
    }
}

impl Drop for HeldUpload {
    fn drop(&mut self) {
        self.0.break_off();
    }
}
