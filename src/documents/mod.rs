//! Making each outgoing format (FORMATS.md, section 2). Pure: values in, bytes or text out; no clock, no files.
//!
//! Owns the layouts, the Dutch of what people read, and the names of outgoing files. Invariants: only the columns that
//! it is given leave; no identification number is in a name, a report, a rejection or a manifest; every cell that
//! comes from elsewhere is safe to open in a spreadsheet.

pub mod answer;
pub mod audit;
pub mod bill;
pub mod criteria;
mod csv;
pub mod data;
mod day;
mod figures;
pub mod guide;
pub mod handed_over;
pub mod joining;
pub mod letters;
pub mod manifest;
pub mod overview;
pub mod pain;
mod paper;
pub mod payment;
pub mod rejection;
pub mod removal;
pub mod report;
mod rule;
pub mod simulation;
mod table;
pub mod typeset;
mod wording;

pub use answer::{AnswerRow, Beneficiary};
pub use data::DataRow;
pub use day::{date_nl, register_month_nl};
pub use guide::Guide;
pub use joining::Joining;
pub use manifest::Manifest;
pub use payment::{Payment, RemittanceLine, WithoutAccount, Written};
pub use rejection::{Reason, Rejection, weigering};
pub use report::{Report, verslag};
pub(crate) use wording::{line, paragraph, repeatable, size};

#[cfg(test)]
pub(crate) mod golden {
    //! Texts that people read, kept as files so that a change of wording is seen. `GROEIKLUIS_BLESS=1` rewrites them.

    use std::{env, fs, io::Write, path::PathBuf, process::Command};

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

    /// Compares the words of a PDF, line by line as on its pages but without what stands across them, with
    /// `tests/golden/<name>`, and looks whether it is sound. Other programs read it; where they are not installed, the
    /// test is named in the file that `GROEIKLUIS_SKIPPED` names. `GROEIKLUIS_PDF` names a directory to keep the PDF in,
    /// for looking at it.
    pub fn compare_pdf(name: &str, pdf: &[u8]) {
        if let Some(directory) = env::var_os("GROEIKLUIS_PDF") {
            fs::write(PathBuf::from(directory).join(name).with_extension("pdf"), pdf).unwrap();
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(pdf).unwrap();
        let mut check = Command::new("qpdf");
        read_by(name, check.arg("--check").arg(file.path()));
        let mut words = Command::new("pdftotext");
        words.args(["-layout", "-nodiag", "-enc", "UTF-8"]).arg(file.path()).arg("-");
        if let Some(text) = read_by(name, &mut words) {
            // How many spaces stand between columns differs between versions of that program.
            let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
            compare(name, &(lines.join("\n") + "\n"));
        }
    }

    /// A picture of the first page of a PDF, as `pdftoppm` writes it with these arguments; none where it is not installed.
    pub fn picture(name: &str, pdf: &[u8], arguments: &[&str]) -> Option<Vec<u8>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(pdf).unwrap();
        let mut draw = Command::new("pdftoppm");
        output_of(name, draw.args(["-f", "1", "-l", "1"]).args(arguments).arg(file.path()))
    }

    /// What a program says; none where it is not installed.
    fn read_by(name: &str, command: &mut Command) -> Option<String> {
        output_of(name, command).map(|output| String::from_utf8(output).unwrap())
    }

    fn output_of(name: &str, command: &mut Command) -> Option<Vec<u8>> {
        let program = command.get_program().to_string_lossy().into_owned();
        let Ok(output) = command.output() else {
            if let Some(file) = env::var_os("GROEIKLUIS_SKIPPED") {
                let mut file = fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
                writeln!(file, "skipped test: {name} ({program} is not installed)").unwrap();
            }
            return None;
        };
        assert!(output.status.success(), "{name}, {program}: {}", String::from_utf8_lossy(&output.stderr));
        Some(output.stdout)
    }
}
