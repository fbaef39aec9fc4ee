//! What is wrong with a log, for people: what follows from one fault is one line, and what can still be trusted is said.

use std::{collections::BTreeSet, ops::RangeInclusive};

use crate::transfer_log::{self, Untrusted, VerifierKey, VerifyFault, YearFault};

/// Spans of entries that are named; more are counted.
const MOST_NAMED: usize = 8;

/// What is wrong with a log of some year, a line each: the year, what of it can be trusted, and what was found.
pub(super) fn year_lines(fault: &YearFault, keys: &[VerifierKey]) -> Vec<String> {
    match fault {
        YearFault::Log { faults, .. } => {
            let verdict = trust(fault, keys).as_ref().map(verdict);
            std::iter::once(fault.to_string()).chain(verdict).chain(folded(faults)).collect()
        }
        _ => vec![text(fault)],
    }
}

/// The same without anything put together, for programs.
pub(super) fn all_lines(fault: &YearFault) -> Vec<String> {
    match fault {
        YearFault::Log { faults, .. } => {
            std::iter::once(fault.to_string()).chain(faults.iter().map(|fault| text(fault))).collect()
        }
        _ => vec![text(fault)],
    }
}

/// What can be said of the entries of a log at fault.
pub(super) enum Trust {
    /// These are not what was signed for; the others are.
    Without(Untrusted),
    /// Neither entries nor tiles tell.
    Unknown,
}

/// What of a log can be trusted, where its checkpoint says anything about that.
pub(super) fn trust(fault: &YearFault, keys: &[VerifierKey]) -> Option<Trust> {
    let YearFault::Log { directory, faults } = fault else { return None };
    // Of another history, or an older one, all may be as somebody signed for it.
    let is_of_checkpoint = |fault: &VerifyFault| {
        matches!(
            fault,
            VerifyFault::NoCheckpoint { .. }
                | VerifyFault::Checkpoint(_)
                | VerifyFault::Rewritten { .. }
                | VerifyFault::Shortened { .. }
        )
    };
    let key = transfer_log::signer(directory, keys).filter(|_| !faults.iter().any(is_of_checkpoint))?;
    let at_fault = |fault: &VerifyFault| if let VerifyFault::Entry { seq, .. } = fault { Some(*seq) } else { None };
    let at_fault: BTreeSet<u64> = faults.iter().filter_map(at_fault).collect();
    Some(transfer_log::untrusted(directory, key, &at_fault).map_or(Trust::Unknown, Trust::Without))
}

fn verdict(trust: &Trust) -> String {
    let Trust::Without(Untrusted { size, entries }) = trust else {
        return "which entries can be trusted cannot be told: neither they nor the tiles give the signed root"
            .to_owned();
    };
    if entries.is_empty() {
        return "every entry is as it was signed for: what is at fault lies beside them".to_owned();
    }
    let count: u64 = entries.iter().map(|span| span.end() - span.start() + 1).sum();
    let mut named: Vec<String> = entries.iter().take(MOST_NAMED).map(span).collect();
    if entries.len() > MOST_NAMED {
        named.push("…".to_owned());
    }
    let what = if count == 1 { "entry" } else { "entries" };
    format!("{what} {} cannot be trusted; the {} others are as they were signed for", named.join(", "), size - count)
}

fn span(span: &RangeInclusive<u64>) -> String {
    if span.start() == span.end() { span.start().to_string() } else { format!("{} to {}", span.start(), span.end()) }
}

/// A line for each fault, and one for those that go together: entries in a row, tiles, and files of older checkpoints.
fn folded(faults: &[VerifyFault]) -> Vec<String> {
    let mut lines = Vec::new();
    for together in faults.chunk_by(goes_on) {
        let (Some(first), Some(last)) = (together.first(), together.last()) else { continue };
        let count = together.len();
        lines.push(match (first, last) {
            _ if count == 1 => text(first),
            (VerifyFault::Entry { seq, problem }, VerifyFault::Entry { seq: end, .. }) => {
                format!("entries {seq} to {end} are at fault; the first of them: {problem}")
            }
            (VerifyFault::Tile { path }, _) => {
                format!("{count} tiles are not those of the entries; the first of them: {path}")
            }
            (VerifyFault::Superseded { path }, _) => format!(
                "{count} files of older checkpoints are not the beginning of those in force; the first of them: {path}"
            ),
            _ => text(first),
        });
    }
    lines
}

fn goes_on(one: &VerifyFault, next: &VerifyFault) -> bool {
    match (one, next) {
        (VerifyFault::Entry { seq, .. }, VerifyFault::Entry { seq: next, .. }) => seq + 1 == *next,
        (VerifyFault::Tile { .. }, VerifyFault::Tile { .. })
        | (VerifyFault::Superseded { .. }, VerifyFault::Superseded { .. }) => true,
        _ => false,
    }
}

fn text(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_together_is_a_line() {
        let entry = |seq| VerifyFault::Entry { seq, problem: format!("it says that it is entry {}", seq + 256) };
        let superseded = |width| VerifyFault::Superseded { path: format!("tile/1/000.p/{width}") };
        let mut faults: Vec<VerifyFault> = (0..256).map(entry).collect();
        faults.push(VerifyFault::Tile { path: "tile/0/000".to_owned() });
        faults.push(VerifyFault::Root { size: 602 });
        faults.extend((14..54).map(superseded));
        assert_eq!(
            folded(&faults),
            [
                "entries 0 to 255 are at fault; the first of them: it says that it is entry 256",
                "the tile tile/0/000 is not that of the entries",
                "the root over 602 entries is not that of the checkpoint",
                "40 files of older checkpoints are not the beginning of those in force; the first of them: tile/1/000.p/14",
            ]
        );
    }

    #[test]
    fn what_can_be_trusted_is_said() {
        let told = |entries: Vec<RangeInclusive<u64>>| verdict(&Trust::Without(Untrusted { size: 602, entries }));
        assert_eq!(told(vec![17..=17]), "entry 17 cannot be trusted; the 601 others are as they were signed for");
        let two = told(vec![0..=255, 300..=300]);
        assert_eq!(two, "entries 0 to 255, 300 cannot be trusted; the 345 others are as they were signed for");
        assert!(
            told((0..20).map(|at| at * 2..=at * 2).collect()).contains("12, 14, … cannot be trusted; the 582 others")
        );
        assert!(told(Vec::new()).starts_with("every entry is"));
        assert!(verdict(&Trust::Unknown).contains("cannot be told"));
    }
}
