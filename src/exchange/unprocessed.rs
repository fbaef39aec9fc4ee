//! Lists that cannot be processed, refused since an operator says so: nothing else ends their waiting, and what waits is
//! kept, however long.

use serde::{Deserialize, Serialize};

use super::{Exchange, ExchangeError, Orderer};
use crate::{domain::TenantId, dropbox::Submission, ledger::SubmissionRow};

/// A list that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedList {
    /// The file in which its tenant is told.
    pub file: String,
}

/// Why a list was not refused.
#[derive(Debug, thiserror::Error)]
pub enum RefusalFault {
    /// It does not wait, or is another's.
    #[error("no list {list} of {tenant} waits")]
    NotWaiting {
        /// Whose it would be.
        tenant: String,
        /// The submission's id.
        list: String,
    },
    /// This side is at fault; the log has nothing of it.
    #[error("the list could not be refused")]
    Failed(#[source] ExchangeError),
}

/// What stands for a name that the disk does not give back.
const UNKNOWN_NAME: &str = "(naam niet bekend)";

impl Exchange {
    /// Refuses a list that waits, whether it was set aside or not, and tells its tenant that it could not be processed. It
    /// is settled then: what is kept of it goes as that of any list that was refused.
    ///
    /// # Errors
    /// [`RefusalFault`].
    pub fn refuse_unprocessed(
        &self,
        tenant: &TenantId,
        list: &str,
        orderer: Orderer<'_>,
    ) -> Result<RefusedList, RefusalFault> {
        let _turn = self.queue.reserve(tenant).ok_or(RefusalFault::Failed(ExchangeError::Stopping))?;
        let submission = Submission { tenant: tenant.clone(), id: list.to_owned() };
        // Before the drop-box is opened, which would make one for a name that was mistyped.
        self.row_of(&submission)?;
        let refused = self.refuse_taken(&submission, orderer);
        let boxes = &self.parts.boxes;
        let freed = if refused.is_ok() { boxes.done(&submission) } else { boxes.give_back(&submission) };
        if let Err(error) = freed {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, %tenant, submission = list, "an upload stays as it was until the next start");
        }
        if refused.is_ok() {
            self.marks.forget(list);
        }
        refused
    }

    fn refuse_taken(&self, submission: &Submission, orderer: Orderer<'_>) -> Result<RefusedList, RefusalFault> {
        let failed = RefusalFault::Failed;
        // Taken first, so that its tenant does not remove it meanwhile. There is none where its record cannot be read.
        let taken = self.parts.boxes.take(submission).map_err(|error| failed(ExchangeError::DropBox(error)))?;
        let row = self.row_of(submission)?;
        orderer.require().map_err(failed)?;
        let name = taken.as_ref().map_or(UNKNOWN_NAME, |received| received.name());
        self.refuse_by_order(&row, name).map(|file| RefusedList { file }).map_err(failed)
    }

    fn row_of(&self, submission: &Submission) -> Result<SubmissionRow, RefusalFault> {
        let row = self.waiting_row(&submission.id).map_err(RefusalFault::Failed)?;
        row.filter(|row| row.tenant == submission.tenant).ok_or_else(|| RefusalFault::NotWaiting {
            tenant: submission.tenant.to_string(),
            list: submission.id.clone(),
        })
    }
}
