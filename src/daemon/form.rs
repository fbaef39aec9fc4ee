//! The form of the state directory: a number in it, which says what a program must know to work with it.
//!
//! An older form is brought to the current one at the start, before anything else is touched. A newer one is refused: what
//! an older program does not know it would damage. The ledger has a number of its own, and is made anew from the log
//! where that is another.

use super::DaemonError;
use crate::durable::Directory;

/// The file.
const FILE: &str = "form";

/// A number and a line end.
const LONGEST_FILE_BYTES: u64 = 32;

/// The form that this program works with.
///
/// 1. Everything up to the first release; also where there is no number, which the first programs did not write.
pub(super) const CURRENT: u32 = 1;

/// Sees that this program can work with a state directory, and brings it to the current form.
pub(super) fn check(state: &Directory) -> Result<(), DaemonError> {
    let kept = state.read(FILE, LONGEST_FILE_BYTES).map_err(DaemonError::State)?;
    let found = match kept.as_deref().map(|bytes| std::str::from_utf8(bytes).ok()?.trim().parse::<u32>().ok()) {
        None => None,
        Some(Some(found)) if found <= CURRENT => Some(found),
        Some(found) => return Err(DaemonError::NewerForm { path: state.path().to_owned(), found, known: CURRENT }),
    };
    // Steps from an older form come here, each of them harmless when it is done a second time.
    if found != Some(CURRENT) {
        state.write(FILE, format!("{CURRENT}\n").as_bytes()).map_err(DaemonError::State)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_newer_form_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let state = Directory::create(root.path()).unwrap();
        check(&state).unwrap();
        assert_eq!(state.read(FILE, 9).unwrap().unwrap(), b"1\n");
        check(&state).unwrap();
        for newer in ["2\n", "a new kind of form"] {
            state.write(FILE, newer.as_bytes()).unwrap();
            assert!(matches!(check(&state), Err(DaemonError::NewerForm { known: 1, .. })), "{newer}");
        }
    }
}
