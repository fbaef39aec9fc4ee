//! From a list to its answer: the pipeline against age alone, against DuckDB, and through the running daemon.
//!
//! `cargo bench --bench answer -- [--children 1600000] [--rows 165000]`. The floor is age decrypting the list and
//! encrypting the answer, the same bytes and nothing else. For the peer, `GROEIKLUIS_PYTHON` names a Python with the
//! `duckdb` package, and `age` is on the path; without either it is left out by name.

#![expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]

use std::{
    env, fs,
    hint::black_box,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use groeikluis::{
    documents::answer::{self, AnswerRow, Beneficiary},
    domain::{
        ByteSize, Clearance, Ground, Kind, Municipalities, Niss, SourceCatalogue, Tenant, TenantKind, brussels_date,
        protocol::{Outside, Reply},
        release::{Request, release},
        source::Source,
        tenant::{LoginStep, Onboarding, TenantLimits, UploadRule},
    },
    exchange::{FingerprintKey, Terms, match_list},
    lists,
    register::{
        Household, ReferenceMonth, Register,
        synth::{SOURCE_CODES, Synth},
    },
    seal::{Keyring, Recipient, StorageSealer, TenantSealer},
};
use jiff::{Timestamp, civil::Date};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Runs of each, alternating; the median counts.
const RUNS: usize = 15;

/// What both sides work on.
struct Ground_ {
    directory: PathBuf,
    register: Register,
    exchange: Keyring,
    municipality: Keyring,
    fingerprints: FingerprintKey,
    clearance: Clearance,
    today: Date,
    rows: usize,
}
