//! What is wrong with a log, for people and programs: what follows from one fault is one line, and what can still be
//! trusted is said.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::transfer_log::{self, LogFault, Spans, Trust, Verdict, VerifyFault, YearFault};

/// Spans of entries that are named; more are counted.
const MOST_NAMED: usize = 8;

/// What is wrong with a log of some year, and what of it can be trusted.
pub(super) struct Found<'a> {
    fault: &'a YearFault,
    /// Where the log has a checkpoint that says anything about that.
    trust: Option<Trust>,
    /// How many entries there are bundles for, where the checkpoint and the journal know of fewer.
    beyond: Option<u64>,
}

impl<'a> Found<'a> {
    pub fn of(fault: &'a YearFault) -> Self {
        let trust = log_of(fault).filter(|log| !log.faults.iter().any(is_of_checkpoint)).and_then(transfer_log::trust);
        let beyond = log_of(fault).zip(trust.as_ref());
        let beyond = beyond.and_then(|(log, trust)| transfer_log::beyond(&log.directory, trust.size, 0));
        Self { fault, trust, beyond }
    }

    /// Whether entries are said to be as they were signed for, and no older checkpoint of that log was compared.
    pub fn lacks_since(&self) -> bool {
        let is_signed = self.trust.as_ref().is_some_and(|trust| matches!(trust.verdict, Verdict::Signed { .. }));
        is_signed && log_of(self.fault).is_some_and(|log| log.since.is_none())
    }

    /// A line each: the year, what of it can be trusted, and what was found.
    pub fn lines(&self) -> Vec<String> {
        let Some(log) = log_of(self.fault) else { return vec![text(self.fault)] };
        let mut lines = vec![self.fault.to_string()];
        if let Some(trust) = &self.trust {
            lines.extend(verdict(trust));
            if log.faults.iter().any(|fault| matches!(fault, VerifyFault::Entry { seq, .. } if *seq >= trust.size)) {
                lines.push(format!("entries from {} on are under no checkpoint: nobody signed for them", trust.size));
            }
        }
        lines.extend(self.beyond.map(goes_beyond));
        lines.extend(folded(&log.faults));
        lines
    }

    /// The same without anything put together, for programs. `since` are the entries of the older checkpoint that what was
    /// signed for was found to begin with.
    pub fn as_json(&self) -> Value {
        let mut faults = vec![text(self.fault)];
        let log = log_of(self.fault);
        faults.extend(log.into_iter().flat_map(|log| &log.faults).map(|fault| text(fault)));
        let verdict = self.trust.as_ref().map(|trust| &trust.verdict);
        if let Some(Verdict::Another(fault)) = verdict {
            faults.push(text(fault));
        }
        let (changed, malformed) = match verdict {
            Some(Verdict::Signed { changed, malformed }) => (Some(changed), Some(malformed)),
            Some(Verdict::Unknown | Verdict::Another(_)) | None => (None, None),
        };
        let spans = |spans: &Spans| spans.spans.iter().map(|span| [*span.start(), *span.end()]).collect::<Vec<_>>();
        json!({
            "valid": false,
            "log": log.and_then(|log| log.key.as_ref()).map(transfer_log::VerifierKey::name),
            "directory": log.map(|log| log.directory.display().to_string()),
            "faults": faults,
            "untrusted": changed.map(spans),
            "untrusted_entries": changed.map(|changed| changed.count),
            "untrusted_cut": changed.map(Spans::is_cut),
            "malformed": malformed.map(spans),
            "since": changed.and(log).and_then(|log| log.since.as_ref()).map(|since| since.size),
            "beyond": self.beyond,
        })
    }
}

/// That a log has files for more entries than its checkpoint covers.
pub(super) fn goes_beyond(reach: u64) -> String {
    format!(
        "there are files for {reach} entries, more than this checkpoint covers: the log went on while it was copied, or an \
         older checkpoint was put in its place; nothing behind it is verified"
    )
}

fn log_of(fault: &YearFault) -> Option<&LogFault> {
    if let YearFault::Log(log) = fault { Some(log) } else { None }
}

/// Of another history, or an older one, all may be as somebody signed for it.
fn is_of_checkpoint(fault: &VerifyFault) -> bool {
    matches!(
        fault,
        VerifyFault::NoCheckpoint { .. }
            | VerifyFault::Checkpoint(_)
            | VerifyFault::Rewritten { .. }
            | VerifyFault::Shortened { .. }
    )
}

fn verdict(trust: &Trust) -> Vec<String> {
    let (changed, malformed) = match &trust.verdict {
        Verdict::Unknown => {
            let unknown =
                "which entries can be trusted cannot be told: neither they nor the tiles give the signed root";
            return vec![unknown.to_owned()];
        }
        Verdict::Another(fault) => return vec![text(fault)],
        Verdict::Signed { changed, malformed } => (changed, malformed),
    };
    let size = trust.size;
    let others = match size - changed.count {
        _ if changed.count == 0 => {
            format!("every entry under the checkpoint (entries: {size}) is as it was signed for")
        }
        0 => format!("no entry under the checkpoint (entries: {size}) can be trusted"),
        1 => {
            format!("{} cannot be trusted; the other one under the checkpoint is as it was signed for", named(changed))
        }
        others => format!(
            "{} cannot be trusted; the {others} others under the checkpoint are as they were signed for",
            named(changed)
        ),
    };
    let lies_beside = if changed.count + malformed.count == 0 { ": what is at fault lies beside them" } else { "" };
    let mut lines = vec![format!("{others}{lies_beside}")];
    if malformed.count > 0 {
        let is = if malformed.count == 1 { "is" } else { "are" };
        lines.push(format!(
            "{} {is} at fault and signed for: that was written with the log's key, not changed later",
            named(malformed)
        ));
    }
    lines
}

/// `entry 3`, or `entries 3, 7 to 9`.
fn named(places: &Spans) -> String {
    let mut named: Vec<String> = places.spans.iter().take(MOST_NAMED).map(span).collect();
    if places.spans.len() > MOST_NAMED {
        named.push("…".to_owned());
    }
    format!("{} {}", if places.count == 1 { "entry" } else { "entries" }, named.join(", "))
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

    fn spans(spans: Vec<RangeInclusive<u64>>) -> Spans {
        Spans { count: spans.iter().map(|span| span.end() - span.start() + 1).sum(), spans }
    }

    #[test]
    fn what_can_be_trusted_is_said() {
        let told = |changed: Vec<RangeInclusive<u64>>| {
            let verdict = Verdict::Signed { changed: spans(changed), malformed: Spans::default() };
            super::verdict(&Trust { size: 602, verdict }).join("\n")
        };
        for (changed, said) in [
            (
                vec![17..=17],
                "entry 17 cannot be trusted; the 601 others under the checkpoint are as they were signed for",
            ),
            (
                vec![0..=255, 300..=300],
                "entries 0 to 255, 300 cannot be trusted; the 345 others under the checkpoint are as they were signed for",
            ),
            (
                vec![0..=600],
                "entries 0 to 600 cannot be trusted; the other one under the checkpoint is as it was signed for",
            ),
            (vec![0..=601], "no entry under the checkpoint (entries: 602) can be trusted"),
            (
                vec![],
                "every entry under the checkpoint (entries: 602) is as it was signed for: what is at fault lies beside them",
            ),
        ] {
            assert_eq!(told(changed), said);
        }
        let many = told((0..20).map(|at| at * 2..=at * 2).collect());
        assert!(many.contains("12, 14, … cannot be trusted; the 582 others"), "{many}");
    }

    #[test]
    fn entries_that_were_signed_for_at_fault_are_told_apart() {
        let told = |changed, malformed| {
            let verdict = Verdict::Signed { changed: spans(changed), malformed: spans(malformed) };
            super::verdict(&Trust { size: 602, verdict })
        };
        assert_eq!(
            told(vec![], vec![300..=300]),
            [
                "every entry under the checkpoint (entries: 602) is as it was signed for",
                "entry 300 is at fault and signed for: that was written with the log's key, not changed later",
            ]
        );
        assert_eq!(
            told(vec![1..=1], vec![2..=2, 9..=10])[1],
            "entries 2, 9 to 10 are at fault and signed for: that was written with the log's key, not changed later"
        );
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        let told = |verdict| super::verdict(&Trust { size: 602, verdict }).join("\n");
        assert!(told(Verdict::Unknown).contains("cannot be told"));
        let another = told(Verdict::Another(VerifyFault::Rewritten { size: 281 }));
        assert!(another.starts_with("the first 281 entries are not those of the older checkpoint"), "{another}");
    }

    #[test]
    fn entries_under_no_checkpoint_are_not_vouched_for_and_the_log_is_named() {
        let key = transfer_log::NoteKey::generate("groeikluis.example/2025").unwrap();
        let stray = VerifyFault::Entry { seq: 605, problem: "it says that it is entry 9".to_owned() };
        let fault = YearFault::Log(Box::new(LogFault {
            directory: "archive/groeikluis.example_2025".into(),
            key: Some(key.verifier().clone()),
            since: None,
            faults: vec![stray],
        }));
        let verdict = Verdict::Signed { changed: Spans::default(), malformed: Spans::default() };
        let found = Found { fault: &fault, trust: Some(Trust { size: 602, verdict }), beyond: Some(700) };
        let lines = found.lines();
        assert_eq!(
            lines[..3],
            [
                "archive/groeikluis.example_2025 does not verify",
                "every entry under the checkpoint (entries: 602) is as it was signed for: what is at fault lies beside them",
                "entries from 602 on are under no checkpoint: nobody signed for them",
            ]
        );
        assert!(lines[3].starts_with("there are files for 700 entries, more than this checkpoint covers"), "{lines:?}");
        assert_eq!(lines[4], "entry 605 is at fault: it says that it is entry 9");
        assert!(found.lacks_since());
        let told = found.as_json();
        assert_eq!((&told["log"], &told["beyond"]), (&"groeikluis.example/2025".into(), &700.into()));
        assert_eq!(told["directory"], "archive/groeikluis.example_2025");
    }
}
