//! Writing what the SFTP server remembers, behind its back: penalties, and the last logins of each tenant.
//!
//! Nobody waits for it, and a stranger who fails a thousand times in a second costs one write.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::JoinHandle,
    time::Duration,
};

use super::{kept::KeptFiles, login_records::LoginNotes};
use crate::sftp::{LONGEST_KEPT, Sessions};

/// How often is written what changed.
const EVERY: Duration = Duration::from_secs(1);

/// Where penalties are kept.
pub(super) const PENALTIES: &str = "penalties.json.age";

/// A thread that writes until it is dropped.
pub(super) struct Keeper {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Begins writing.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn start(files: KeptFiles, notes: LoginNotes, sessions: Sessions) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("keeper".to_owned()).spawn(move || {
            loop {
                let stopping = stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout);
                notes.write();
                if let Some(penalties) = sessions.penalties_to_keep()
                    && let Err(error) = files.write(PENALTIES, &penalties)
                {
                    tracing::warn!(error = &error as &dyn std::error::Error, "penalties were not kept");
                }
                if stopping {
                    return;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Keeper {
    /// Writes a last time.
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("keeping penalties and logins panicked");
        }
    }
}

/// Puts back the penalties of the last start. What cannot be read is begun anew.
pub(super) fn restore_penalties(files: &KeptFiles, sessions: &Sessions) {
    match files.read(PENALTIES, LONGEST_KEPT) {
        Ok(None) => {}
        Ok(Some(kept)) => {
            if let Err(error) = sessions.restore_penalties(&kept) {
                tracing::warn!(error = &error as &dyn std::error::Error, "penalties begin anew");
            }
        }
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "penalties begin anew"),
    }
}
