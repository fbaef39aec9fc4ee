//! Reading exactly what a checkpoint is over: what a report says must be what was verified, though the files may have
//! changed between the two.

use std::path::Path;

use super::{
    Checkpoint, Event, LogError, StoredEntry, entries,
    merkle::{Edge, leaf_hash},
};

/// Gives each entry under the checkpoint, in order, and makes sure at the end that they are those it was signed for.
/// What was given is worth nothing before this has succeeded.
///
/// # Errors
/// [`LogError`]: the log cannot be read, or its entries are not those of the checkpoint.
pub fn entries_under(
    directory: &Path,
    checkpoint: &Checkpoint,
    mut each: impl FnMut(StoredEntry),
) -> Result<(), LogError> {
    let mut edge = Edge::default();
    // Its tiles are of no use here.
    let mut full = Vec::new();
    for entry in entries(directory)? {
        if edge.size() == checkpoint.size {
            break;
        }
        let entry = entry?;
        edge.push(leaf_hash(&entry.bytes), &mut full);
        full.clear();
        each(entry);
    }
    if edge.size() == checkpoint.size && edge.root() == checkpoint.root {
        return Ok(());
    }
    Err(LogError::Damaged { path: directory.to_owned(), problem: "its entries are not those of its checkpoint" })
}

/// Whether a log's first entry says that the log goes on from the one with that checkpoint. The signatures may differ:
/// a checkpoint is signed by each of a log's keys.
pub(super) fn goes_on_from(first: &StoredEntry, earlier: &Checkpoint) -> bool {
    let text = |note: &str| note.split_once("\n\n").map(|(text, _)| text.to_owned());
    match &first.event {
        Event::LogStarted(started) => {
            let named = started.previous_checkpoint.as_deref().and_then(text);
            named.is_some() && named == text(&earlier.note)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::support::{Place, any_record};

    #[test]
    fn only_what_the_checkpoint_was_signed_for_is_given() {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 300]).unwrap();
        let checkpoint = log.checkpoint_now().unwrap();
        log.append(vec![any_record(); 3]).unwrap();
        let mut count = 0;
        entries_under(&place.dir(), &checkpoint, |entry| {
            assert_eq!(entry.seq, count);
            count += 1;
        })
        .unwrap();
        assert_eq!(count, checkpoint.size);
        let other = Checkpoint { root: [7; 32], ..checkpoint.clone() };
        assert!(entries_under(&place.dir(), &other, drop).is_err());
        let longer = Checkpoint { size: checkpoint.size + 100, ..checkpoint };
        assert!(entries_under(&place.dir(), &longer, drop).is_err());
        log.close().unwrap();
    }
}
