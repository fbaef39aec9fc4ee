//! Assignments of the VUTG route: criteria select, and what is made of the selection is delivered.
//!
//! ```text
//! Commission ─▶ Cleared ─▶ Selection ─▶ files, staged ─▶ (the log) ─▶ Published
//! ```
//!
//! A run asks the gate for every file before it makes the first. All its files and the use of its protocol are one
//! group of the transfer log: a run happened whole or not at all, also when it is killed. What needs no protocol
//! (a simulation, a test file, a report) holds no personal data.

mod commission;
mod letters;
mod making;
mod onboarding;
mod payout;
mod plan;
mod report;
mod run;
mod simulation;
mod variation;

pub use letters::letter_design;
pub use onboarding::TestFile;
pub use plan::{Earlier, PlannedFile};
pub use run::{MadeFile, RunOrder, RunOutcome};
pub use simulation::{Budget, KeptOut, Simulation, Variation};
pub use variation::{Around, MOST_VARIATIONS, VariationFault, vary};

use super::{ExchangeError, GateRefusal};
use crate::documents::{
    letters::{DesignFault, LetterFault},
    typeset::TypesetFault,
};

/// Why an assignment was not done. Nothing was delivered then.
#[derive(Debug, thiserror::Error)]
pub enum AssignmentFault {
    /// No assignment of that name.
    #[error("there is no assignment {0} in the configuration in force")]
    Unknown(String),
    /// The release gate said no.
    #[error(transparent)]
    Gate(GateRefusal),
    /// It was run in the same period.
    #[error(
        "it was run on {day} and made {files} files; running it again makes all of them once more, payments too: \
         --again with a reason does"
    )]
    Repetition {
        /// When it was run last.
        day: jiff::civil::Date,
        /// How many files that made.
        files: u64,
    },
    /// Nobody meets the criteria.
    #[error("no child of the register of {register_month} meets the criteria: nothing is delivered")]
    NobodySelected {
        /// The register's month.
        register_month: String,
    },
    /// An order to a bank cannot be carried out on a day that has passed.
    #[error("`execution_date` {day} of its payment has passed: write a day on which the bank can pay, and reload")]
    ExecutionDatePassed {
        /// The day.
        day: jiff::civil::Date,
    },
    /// The outbox has no room.
    #[error("the outbox of {tenant} is full: its files take {used_bytes} bytes of {limit_bytes}")]
    OutboxFull {
        /// Whose.
        tenant: String,
        /// What is taken.
        used_bytes: u64,
        /// What may be.
        limit_bytes: u64,
    },
    /// A criterion cannot be varied so.
    #[error(transparent)]
    Variation(#[from] VariationFault),
    /// The text, logo or template of the letters is at fault.
    #[error("the letters cannot be made so")]
    LetterDesign(#[source] DesignFault),
    /// The letters cannot be made.
    #[error("the letters cannot be made")]
    Letters(#[source] LetterFault),
    /// The report cannot be made.
    #[error("the report cannot be made")]
    Report(#[source] TypesetFault),
    /// There is no run to report on.
    #[error("{0} was never run")]
    NeverRun(String),
    /// A letter's file cannot be read.
    #[error("cannot read {path}")]
    LetterFile {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Why it is run again is no sentence.
    #[error("the reason is not {} to {} characters", AGAIN_CHARACTERS.start(), AGAIN_CHARACTERS.end())]
    Reason,
    /// A functional test is one of payments.
    #[error("the assignment pays nothing: there is no payment file to test")]
    PaysNothing,
    /// More lines than structured communications in a year.
    #[error("the year's structured communications have run out")]
    NoCommunicationLeft,
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
    /// This side is at fault.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

/// A reason to run an assignment again is a sentence, not a word and not a file.
const AGAIN_CHARACTERS: std::ops::RangeInclusive<usize> = 8..=1_000;
