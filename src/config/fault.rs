//! What is wrong in a configuration file, where, and what to do about it.
//!
//! Faults are collected, never thrown: reading goes on after each, so that one run shows all of them.

use std::{
    cell::RefCell,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::domain::niss;

/// A fault in a configuration file; it prints as `file:line:column: problem; hint`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct Fault {
    /// The file, as found from the path that was given to `load`.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong. It never repeats what may be a secret.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.problem)?;
        match &self.hint {
            Some(hint) => write!(formatter, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub file: Arc<Path>,
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// The beginning of a file: the place of faults of the file as a whole.
    pub fn start_of(file: &Path) -> Self {
        Self { file: Arc::from(file), line: 1, column: 1 }
    }
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    /// Notes a fault for which the problem says enough.
    pub fn add(&self, at: &Position, problem: impl Into<String>) {
        self.note(at, problem.into(), None);
    }

    /// Notes a fault and what to do about it.
    pub fn add_with_hint(&self, at: &Position, problem: impl Into<String>, hint: impl Into<String>) {
        self.note(at, problem.into(), Some(hint.into()));
    }

    /// All faults in the order of the files and their lines; one that was met twice stands once.
    pub fn into_sorted(self) -> Vec<Fault> {
        let mut faults = self.0.into_inner();
        faults.sort();
        faults.dedup();
        faults
    }

    fn note(&self, at: &Position, problem: String, hint: Option<String>) {
        let fault = Fault { file: at.file.to_path_buf(), line: at.line, column: at.column, problem, hint };
        self.0.borrow_mut().push(fault);
    }
}

/// What is shown of a value in a message: enough to find it, never more than a word, and no person's number.
pub(super) fn shown(value: &str) -> String {
    /// Characters at most; an identifier fits, a key does not.
    const LONGEST: usize = 40;
    if niss::find_in(value).is_some() {
        return "`…`".to_owned();
    }
    let mut characters = value.chars();
    let start: String = characters.by_ref().take(LONGEST).flat_map(char::escape_debug).collect();
    if characters.next().is_some() { format!("`{start}…`") } else { format!("`{start}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_prints_its_place_and_its_hint() {
        let faults = Faults::default();
        let file: Arc<Path> = Arc::from(Path::new("tenants/bree.yaml"));
        faults.add(&Position { file: file.clone(), line: 3, column: 9 }, "two");
        faults.add_with_hint(&Position { file, line: 3, column: 7 }, "one", "do it");
        let lines: Vec<String> = faults.into_sorted().iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["tenants/bree.yaml:3:7: one; do it", "tenants/bree.yaml:3:9: two"]);
    }

    #[test]
    fn a_long_value_is_cut_and_escaped() {
        assert_eq!(shown("bree\n"), "`bree\\n`");
        assert_eq!(shown("OPG-85073003328"), "`…`");
        assert_eq!(shown(&"a".repeat(41)), format!("`{}…`", "a".repeat(40)));
    }
}
