//! The keys that sign a log's checkpoints.
//!
//! Usually one. While a key is replaced, the new one signs first and the old one beside it, so that whoever knows
//! either verifies; the entry `log.key_rotated`, under a checkpoint by both, tells those who know the old one of the
//! new. All have the log's origin as their name.

use super::{Checkpoint, NoteFault, NoteKey, VerifierKey};

/// The keys that sign, at least one.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    /// The one that signs first.
    pub first: NoteKey,
    /// Those that sign beside it: keys that are being replaced.
    pub others: Vec<NoteKey>,
}

impl From<NoteKey> for SigningKeys {
    fn from(first: NoteKey) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl SigningKeys {
    /// The keys to verify with, in the order of signing.
    pub fn verifiers(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.first).chain(&self.others).map(NoteKey::verifier)
    }

    /// What a tenant gets to verify with: a vkey a line.
    pub fn to_vkeys(&self) -> String {
        self.verifiers().map(|key| format!("{key}\n")).collect::<Vec<_>>().concat()
    }

    /// Whether all have that name.
    pub(super) fn are_of(&self, origin: &str) -> bool {
        self.verifiers().all(|key| key.name() == origin)
    }

    /// Their ids, sorted.
    pub(super) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.verifiers().map(VerifierKey::id).collect();
        ids.sort_unstable();
        ids
    }

    /// Reads a checkpoint that one of them signed.
    pub(super) fn open(&self, note: &[u8]) -> Result<Checkpoint, NoteFault> {
        let first = Checkpoint::parse(note, self.first.verifier());
        first.or_else(|fault| self.verifiers().skip(1).find_map(|key| Checkpoint::parse(note, key).ok()).ok_or(fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::note::signer_ids;

    #[test]
    fn a_checkpoint_by_two_keys_verifies_with_either() {
        let (new, old) = (NoteKey::generate("a/2026").unwrap(), NoteKey::generate("a/2026").unwrap());
        let both = SigningKeys { first: new.clone(), others: vec![old.clone()] };
        let checkpoint = Checkpoint::sign(&both, 5, [7; 32]);
        for key in [&new, &old] {
            assert_eq!(Checkpoint::parse(checkpoint.note.as_bytes(), key.verifier()).unwrap(), checkpoint);
        }
        assert_eq!(signer_ids(&checkpoint.note), both.ids());
        let by_old = Checkpoint::sign(&old.clone().into(), 5, [7; 32]);
        assert_eq!(both.open(by_old.note.as_bytes()).unwrap().size, 5);
        assert_eq!(SigningKeys::from(new).open(by_old.note.as_bytes()), Err(NoteFault::NoSignature));
        assert!(both.are_of("a/2026") && !both.are_of("a/2027"));
        assert_eq!(both.to_vkeys().lines().count(), 2);
    }
}
