//! Receipts: an entry with the proof that the log has it, for somebody who has nothing else of the log.
//!
//! A receipt is a C2SP `tlog-proof` file, so that other programs verify it as well. Its `extra` line holds the entry's
//! bytes, which are the leaf, and the entry's own disclosures, each proved by its digest in the entry
//! ([`super::carried`]).
//!
//! Of a receipt in a log of a million entries the hashes on the way to the root take 900 bytes (20 of 45), the signed
//! checkpoint 200 and the rest of the format 45; the entry with its disclosures takes 350 (an upload) to 550 (a
//! delivery). Above an entry that was just published there are some ten hashes: the daemon makes its receipts then.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Checkpoint, LogError, NoteFault, StoredEntry, VerifierKey,
    carried::{self, Carried},
    checkpoint::MAX_CHECKPOINT_BYTES,
    disclosure, entry, files,
    keeper::month_of,
    merkle::{Hash, leaf_hash},
    proof,
    reader::entries_from,
    recovery::CHECKPOINT,
};
use crate::domain::TenantId;

/// The longest receipt that is read, bytes: the longest entry and disclosures, twice encoded.
pub const MAX_RECEIPT_BYTES: u64 = 256 * 1024;

/// The first line (C2SP tlog-proof, "Format").
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// An entry with the proof that it is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The entry's place.
    pub index: u64,
    /// The entry's bytes.
    pub entry: Vec<u8>,
    /// Its encoded disclosures.
    pub disclosures: Vec<String>,
    path: Vec<Hash>,
    /// The checkpoint that the proof leads to, as it was published.
    note: String,
}

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The tree that the entry is in.
    pub checkpoint: Checkpoint,
    /// The entry.
    pub entry: StoredEntry,
    /// What it discloses, as name and value.
    pub disclosed: Vec<(String, String)>,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// Not a receipt.
    #[error("not a receipt: {0}")]
    Format(&'static str),
    /// The checkpoint in it does not verify.
    #[error("its checkpoint does not verify")]
    Checkpoint(#[source] NoteFault),
    /// The proof does not lead from the entry to the checkpoint.
    #[error("its entry is not in the log at {index}")]
    NotIncluded {
        /// The place that it names.
        index: u64,
    },
    /// The entry is not what the log holds.
    #[error("its entry is at fault: {0}")]
    Entry(String),
    /// A disclosure that is not the entry's.
    #[error("it holds a disclosure that its entry does not speak of")]
    Disclosure,
}

/// The name of an upload's receipt, in `/log/receipts`: its day (UTC), the beginning of the submission's id, and what else
/// became of it. Names that tenants gave stay in the disclosures.
pub fn upload_receipt(at: jiff::Timestamp, submission: &str, ending: &str) -> String {
    let id = submission.get(..8).unwrap_or(submission);
    format!("upload_{}_{id}{ending}.receipt", at.strftime("%Y%m%d"))
}

/// Makes the receipt of an entry that the published checkpoint covers.
///
/// # Errors
/// [`LogError::NoEntry`]: none of that place is published; [`LogError::Note`], or a fault of reading.
pub fn receipt(directory: &Path, key: &VerifierKey, seq: u64, disclosures: Vec<String>) -> Result<Receipt, LogError> {
    let path = directory.join(CHECKPOINT);
    let note = files::read(&path, MAX_CHECKPOINT_BYTES)?;
    let checkpoint = Checkpoint::parse(&note, key).map_err(|source| LogError::Note { path, source })?;
    if seq >= checkpoint.size {
        return Err(LogError::NoEntry { seq });
    }
    let entry = entries_from(directory, seq)?.next().unwrap_or(Err(LogError::NoEntry { seq }))?;
    let path = proof::inclusion(directory, seq, checkpoint.size)?;
    Ok(Receipt { index: seq, entry: entry.bytes, disclosures, path, note: checkpoint.note })
}

impl Receipt {
    /// The file's text.
    pub fn to_text(&self) -> String {
        let extra = carried::pack(&self.entry, &self.disclosures);
        let mut text = format!("{MAGIC}\nextra {}\nindex {}\n", STANDARD.encode(extra), self.index);
        for hash in &self.path {
            STANDARD.encode_string(hash, &mut text);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    /// Reads a file's text; nothing is verified by that.
    ///
    /// # Errors
    /// [`ReceiptFault::Format`].
    pub fn parse(text: &str) -> Result<Self, ReceiptFault> {
        let fault = ReceiptFault::Format;
        let (head, note) = text.split_once("\n\n").ok_or(fault("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(MAGIC) {
            return Err(fault("it does not begin with c2sp.org/tlog-proof@v1"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra ")).ok_or(fault("it has no entry"))?;
        let extra = STANDARD.decode(extra).map_err(|_| fault("its entry is not base64"))?;
        let Carried { entry, disclosures } = carried::unpack(&extra).map_err(fault)?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or(fault("it has no index"))?;
        let number: u64 = index.parse().map_err(|_| fault("its index is no number"))?;
        // One number has one form.
        if number.to_string() != index {
            return Err(fault("its index is no number"));
        }
        let decode = |line: &str| STANDARD.decode(line).ok().and_then(|hash| Hash::try_from(hash).ok());
        let path: Option<Vec<Hash>> = lines.take(proof::MAX_PATH + 1).map(decode).collect();
        let path = path.filter(|path| path.len() <= proof::MAX_PATH).ok_or(fault("its proof is no list of hashes"))?;
        Ok(Self { index: number, entry, disclosures, path, note: note.to_owned() })
    }

    /// Whose entry it is, and of which month (`yyyy-mm`, UTC); nothing is verified by that.
    ///
    /// # Errors
    /// [`LogError::StoredEntry`].
    pub fn of(&self) -> Result<(Option<TenantId>, String), LogError> {
        let entry = StoredEntry::parse(self.index, self.entry.clone())?;
        Ok((entry.context.tenant, month_of(entry.at)))
    }

    /// The same without what its entry discloses, which it proves as before.
    #[must_use]
    pub fn without_disclosures(self) -> Self {
        Self { disclosures: Vec::new(), ..self }
    }

    /// The name of the log that it says it is of.
    pub fn origin(&self) -> &str {
        self.note.lines().next().unwrap_or_default()
    }

    /// Checks everything: the signature, the way from the entry to the root, the entry's form, each disclosure.
    ///
    /// # Errors
    /// [`ReceiptFault`].
    pub fn verify(&self, key: &VerifierKey) -> Result<Received, ReceiptFault> {
        let checkpoint = Checkpoint::parse(self.note.as_bytes(), key).map_err(ReceiptFault::Checkpoint)?;
        let leaf = leaf_hash(&self.entry);
        if !proof::includes(leaf, self.index, checkpoint.size, &self.path, &checkpoint.root) {
            return Err(ReceiptFault::NotIncluded { index: self.index });
        }
        entry::check(self.index, &self.entry).map_err(ReceiptFault::Entry)?;
        let entry = StoredEntry::parse(self.index, self.entry.clone());
        let entry = entry.map_err(|error| ReceiptFault::Entry(error.to_string()))?;
        let disclosed = disclosure::opened(&entry, &self.disclosures);
        if disclosed.len() == self.disclosures.len() {
            Ok(Received { checkpoint, entry, disclosed })
        } else {
            Err(ReceiptFault::Disclosure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer_log::support::{Place, any_record};
    use proptest::prelude::*;

    fn made() -> (Place, Receipt) {
        let place = Place::new();
        let log = place.open();
        log.append(vec![any_record(); 300]).unwrap();
        log.close().unwrap();
        let receipt = receipt(&place.dir(), place.key.verifier(), 270, Vec::new()).unwrap();
        (place, receipt)
    }

    #[test]
    fn a_receipt_proves_its_entry() {
        let (place, receipt) = made();
        let text = receipt.to_text();
        assert!(text.len() < 1_200, "{} bytes", text.len());
        let read = Receipt::parse(&text).unwrap();
        assert_eq!(read, receipt);
        let received = read.verify(place.key.verifier()).unwrap();
        assert_eq!((received.entry.seq, received.checkpoint.size), (270, 302));
        assert!(matches!(
            super::receipt(&place.dir(), place.key.verifier(), 302, vec![]),
            Err(LogError::NoEntry { .. })
        ));
    }

    #[test]
    fn a_receipt_of_before_proves_its_entry() {
        let (place, receipt) = made();
        let text = receipt.to_text();
        let (before, rest) = text.split_once("\nextra ").unwrap();
        let entry = std::str::from_utf8(&receipt.entry).unwrap();
        let object = serde_json::json!({ "disclosures": receipt.disclosures, "entry": entry });
        let extra = STANDARD.encode(object.to_string());
        let old = format!("{before}\nextra {extra}\n{}", rest.split_once('\n').unwrap().1);
        assert!(old.len() > text.len());
        let read = Receipt::parse(&old).unwrap();
        assert_eq!(read, receipt);
        read.verify(place.key.verifier()).unwrap();
    }

    #[test]
    fn a_changed_receipt_proves_nothing() {
        let (place, receipt) = made();
        let key = place.key.verifier();
        let mut other = receipt.clone();
        other.entry[40] ^= 1;
        assert_eq!(other.verify(key), Err(ReceiptFault::NotIncluded { index: 270 }));
        let mut other = receipt.clone();
        other.index = 271;
        assert_eq!(other.verify(key), Err(ReceiptFault::NotIncluded { index: 271 }));
        let mut other = receipt.clone();
        other.disclosures.push("WyJzYWx0IiwiaXAiLCIxOTIuMC4yLjciXQ".to_owned());
        assert_eq!(other.verify(key), Err(ReceiptFault::Disclosure));
        let mut other = receipt.clone();
        other.note = other.note.replace("\n302\n", "\n303\n");
        assert_eq!(other.verify(key), Err(ReceiptFault::Checkpoint(NoteFault::Signature)));
        let text = receipt.to_text();
        for (old, new) in
            [("tlog-proof@v1", "tlog-proof@v2"), ("index 270", "index 0270"), ("extra ", "extra"), ("\n\n", "\n")]
        {
            assert!(matches!(Receipt::parse(&text.replacen(old, new, 1)), Err(ReceiptFault::Format(_))), "{new}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = Receipt::parse(&text);
            let _ = Receipt::parse(&format!("{MAGIC}\nextra e30=\nindex 0\n{text}\n\n{text}"));
        }
    }
}
