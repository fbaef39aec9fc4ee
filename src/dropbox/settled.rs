//! A finished upload, as a client sees it that opens it again.

use std::io::IoSlice;

use jiff::Timestamp;

use super::{
    upload::write_only,
    view::{Attributes, Denied, Upload},
};

/// Opened to look at: a resume that has nothing left to send.
pub(super) struct Settled {
    pub attributes: Attributes,
}

impl Upload for Settled {
    fn write(&mut self, _offset: u64, _pieces: &[IoSlice<'_>]) -> Result<(), Denied> {
        Err(Denied::Forbidden("dit bestand is al ontvangen; stuur een wijziging onder een andere naam"))
    }

    fn read(&mut self, _offset: u64, _buffer: &mut [u8]) -> Result<usize, Denied> {
        Err(write_only())
    }

    fn attributes(&self) -> Result<Attributes, Denied> {
        Ok(self.attributes.clone())
    }

    fn set_length(&mut self, length: u64) -> Result<(), Denied> {
        if length == self.attributes.size { Ok(()) } else { self.write(0, &[]) }
    }

    fn set_modified(&mut self, _modified: Timestamp) -> Result<(), Denied> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Denied> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Denied> {
        Ok(())
    }
}
