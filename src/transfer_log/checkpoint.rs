//! Checkpoints (C2SP tlog-checkpoint): a tree's size and root, signed.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    keys::SigningKeys,
    merkle::Hash,
    note::{NoteFault, VerifierKey},
};

/// The longest checkpoint that is read, bytes: three lines and a few signatures.
pub(super) const MAX_CHECKPOINT_BYTES: u64 = 8 * 1024;

/// What the log was at one moment, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Entries.
    pub size: u64,
    /// The root of their tree (RFC 6962).
    pub root: Hash,
    /// The signed note, as published.
    pub note: String,
}

impl Checkpoint {
    /// Signs a tree's size and root with each of the log's keys; the origin is the first one's name.
    pub(super) fn sign(keys: &SigningKeys, size: u64, root: Hash) -> Self {
        let text = format!("{}\n{size}\n{}\n", keys.first.name(), STANDARD.encode(root));
        let mut note = keys.first.sign(&text);
        note.extend(keys.others.iter().map(|key| key.signature_line(&text)));
        Self { size, root, note }
    }

    /// Reads and verifies a checkpoint.
    ///
    /// # Errors
    /// [`NoteFault`]: not a checkpoint of this key's log.
    pub fn parse(note: &[u8], key: &VerifierKey) -> Result<Self, NoteFault> {
        let note = std::str::from_utf8(note).map_err(|_| NoteFault::NoteFormat)?;
        Self::of_text(key.open(note)?, note, key.name())
    }

    /// Reads a checkpoint of the log of that name, whoever signed it.
    ///
    /// # Errors
    /// [`NoteFault`]: not a checkpoint of that log.
    pub(super) fn parse_unverified(note: &[u8], origin: &str) -> Result<Self, NoteFault> {
        let note = std::str::from_utf8(note).map_err(|_| NoteFault::NoteFormat)?;
        let (text, _) = note.rsplit_once("\n\n").ok_or(NoteFault::NoteFormat)?;
        Self::of_text(text, note, origin)
    }

    fn of_text(text: &str, note: &str, log: &str) -> Result<Self, NoteFault> {
        let mut lines = text.split('\n');
        let mut next = || lines.next().ok_or(NoteFault::CheckpointFormat);
        let (origin, size, root) = (next()?, next()?, next()?);
        if origin != log {
            return Err(NoteFault::Origin);
        }
        let number: u64 = size.parse().map_err(|_| NoteFault::CheckpointFormat)?;
        // One number has one form.
        if number.to_string() != size {
            return Err(NoteFault::CheckpointFormat);
        }
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        Ok(Self { size: number, root: root.ok_or(NoteFault::CheckpointFormat)?, note: note.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::NoteKey;

    #[test]
    fn checkpoints_are_read_as_they_are_signed() {
        let key = NoteKey::generate("groeikluis.example/2026").unwrap();
        let checkpoint = Checkpoint::sign(&key.clone().into(), 70_000, [7; 32]);
        assert_eq!(Checkpoint::parse(checkpoint.note.as_bytes(), key.verifier()).unwrap(), checkpoint);
        assert_eq!(Checkpoint::parse_unverified(checkpoint.note.as_bytes(), key.name()).unwrap(), checkpoint);
        let theirs = tlog_tiles::Checkpoint::from_bytes(
            checkpoint.note.split("\n\n").next().map(|text| format!("{text}\n")).unwrap().as_bytes(),
        )
        .unwrap();
        assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), (key.name(), 70_000, [7; 32]));
    }

    #[test]
    fn other_notes_are_no_checkpoints() {
        let key = NoteKey::generate("groeikluis.example/2026").unwrap();
        let root = STANDARD.encode([7; 32]);
        for (text, fault) in [
            (format!("elsewhere/2026\n1\n{root}\n"), NoteFault::Origin),
            (format!("{}\n01\n{root}\n", key.name()), NoteFault::CheckpointFormat),
            (format!("{}\n+1\n{root}\n", key.name()), NoteFault::CheckpointFormat),
            (format!("{}\n1\nAAAA\n", key.name()), NoteFault::CheckpointFormat),
            (format!("{}\n", key.name()), NoteFault::CheckpointFormat),
        ] {
            let note = key.sign(&text);
            assert_eq!(Checkpoint::parse(note.as_bytes(), key.verifier()).unwrap_err(), fault, "{text}");
            assert_eq!(Checkpoint::parse_unverified(note.as_bytes(), key.name()).unwrap_err(), fault, "{text}");
        }
    }
}
