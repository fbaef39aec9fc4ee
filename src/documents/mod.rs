//! Making each outgoing format (FORMATS.md, section 2). Pure: values in, bytes or text out; no clock, no files.
//!
//! Owns the layouts, the Dutch of what people read, and the names of outgoing files. Invariants: only the columns that
//! it is given leave; no identification number is in a name, a report, a rejection or a manifest; every cell that
//! comes from elsewhere is safe to open in a spreadsheet.

pub mod answer;
pub mod audit;
mod csv;
pub mod data;
mod day;
pub mod guide;
pub mod manifest;
pub mod pain;
pub mod payment;
pub mod rejection;
pub mod report;
mod rule;
mod table;
mod wording;

pub use answer::{AnswerRow, Beneficiary};
pub use data::DataRow;
pub use guide::Guide;
pub use manifest::Manifest;
pub use payment::{Payment, RemittanceLine, WithoutAccount, Written};
pub use rejection::{Reason, Rejection, weigering};
pub use report::{Report, verslag};

#[cfg(test)]
mod golden {
    //! Texts that people read, kept as files so that a change of wording is seen. `GROEIKLUIS_BLESS=1` rewrites them.

    use std::{env, fs, path::PathBuf};

    /// Compares with `tests/golden/<name>`.
    pub fn compare(name: &str, text: &str) {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect();
        if env::var_os("GROEIKLUIS_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        assert!(kept == text, "{} differs; GROEIKLUIS_BLESS=1 rewrites it. It would be:\n{text}", path.display());
    }
}
