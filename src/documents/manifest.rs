//! The manifest beside each outgoing file: its presence says that the file is complete (FORMATS.md, section 2).

use std::{fmt::Display, str::FromStr};

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{Kind, NisCode, ProtocolId, TenantId};

/// What a tenant needs to check a file, in the order of the keys. No personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name of the sealed file.
    pub file: String,
    /// Its kind.
    #[serde(with = "as_text")]
    pub kind: Kind,
    /// Whose drop-box it is in.
    #[serde(with = "as_text")]
    pub tenant: TenantId,
    /// The municipality.
    #[serde(with = "as_text")]
    pub nis_code: NisCode,
    /// The protocol or assignment.
    #[serde(with = "as_text")]
    pub reference: ProtocolId,
    /// Why the file was made; empty for a file without personal data.
    pub purpose: String,
    /// Rows, the header not counted; lines of a text.
    pub rows: u64,
    /// The sum of the payments in euros, with two decimals; payments only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_total: Option<String>,
    /// The digest of the opened file, where it may be told: [`may_tell_digest`].
    #[serde(default, with = "as_hex_if_told", skip_serializing_if = "Option::is_none")]
    pub plaintext_sha256: Option<[u8; 32]>,
    /// The digest of the sealed file.
    #[serde(with = "as_hex")]
    pub ciphertext_sha256: [u8; 32],
    /// Bytes of the sealed file.
    pub ciphertext_size: u64,
    /// The public keys it is sealed to.
    pub recipients: Vec<String>,
    /// When it was made, UTC.
    #[serde(with = "as_text")]
    pub created_at: Timestamp,
    /// The name of the upload that it answers; matches, reports and rejections only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// The last day in the outbox.
    #[serde(with = "as_text")]
    pub retention_until: Date,
    /// The entry of the transfer log that accounts for it.
    pub log_index: u64,
}

impl Manifest {
    /// The manifest as it is published: indented JSON and a line end. An upload's name that could hold a number of a
    /// person is masked.
    ///
    /// # Errors
    /// None that these fields can cause; what `serde_json` gives.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let answers = self.answers.as_deref().map(super::wording::repeatable);
        let mut text = serde_json::to_string_pretty(&Self { answers, ..self.clone() })?;
        text.push('\n');
        Ok(text)
    }

    /// Reads a published manifest; keys that it does not know are passed over.
    ///
    /// # Errors
    /// What `serde_json` says of a text that is none.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// Rows of personal data below which no digest of the opened file is told.
///
/// A manifest is not sealed, and there are some 2 million numbers of children in Flanders, fewer in a municipality: of a file
/// with few rows, all that it could say can be tried until the digest fits. Twenty rows of a town of a thousand children are
/// 200 bits.
const FEWEST_ROWS_WITH_DIGEST: u64 = 20;

/// Whether the digest of an opened file of that kind and so many rows gives nothing of it away.
pub fn may_tell_digest(kind: Kind, rows: u64) -> bool {
    !kind.has_personal_data() || rows >= FEWEST_ROWS_WITH_DIGEST
}

/// A value as its text.
mod as_text {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};
    use serde::de::Error as _;

    pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A digest as hexadecimal digits.
mod as_hex {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error as _;

    pub fn serialize<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(digest))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let mut digest = [0; 32];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut digest).map_err(D::Error::custom)?;
        Ok(digest)
    }
}

/// The same, where there is one.
mod as_hex_if_told {
    use super::{Deserializer, Serializer, as_hex};

    #[expect(clippy::ref_option, reason = "what serde calls")]
    pub fn serialize<S: Serializer>(digest: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => as_hex::serialize(digest, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[u8; 32]>, D::Error> {
        as_hex::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            file: "sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv.age".to_owned(),
            kind: Kind::SocialeToeslag,
            tenant: "bree".parse().unwrap(),
            nis_code: "72004".parse().unwrap(),
            reference: "OPG-2026-017".parse().unwrap(),
            purpose: "automatische toekenning".to_owned(),
            rows: 1234,
            amount_total: None,
            plaintext_sha256: Some([0x0a; 32]),
            ciphertext_sha256: [0xff; 32],
            ciphertext_size: 65_536,
            recipients: vec!["age1xyz".to_owned()],
            created_at: "2026-11-21T09:30:00Z".parse().unwrap(),
            answers: Some("lijst.csv".to_owned()),
            retention_until: jiff::civil::date(2027, 2, 19),
            log_index: 42,
        }
    }

    #[test]
    fn keys_stand_in_the_order_of_the_format() {
        let text = Manifest { amount_total: Some("75.00".to_owned()), ..manifest() }.to_json().unwrap();
        let keys: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  \"")?.split('"').next()).collect();
        assert_eq!(
            keys.join(" "),
            "file kind tenant nis_code reference purpose rows amount_total plaintext_sha256 ciphertext_sha256 \
             ciphertext_size recipients created_at answers retention_until log_index"
        );
        assert!(text.contains("\"nis_code\": \"72004\"") && text.contains("\"created_at\": \"2026-11-21T09:30:00Z\""));
        assert!(text.contains(&format!("\"plaintext_sha256\": \"{}\"", "0a".repeat(32))) && text.ends_with("}\n"));
    }

    #[test]
    fn of_few_rows_about_people_no_digest_is_told() {
        for (kind, rows, is_told) in [
            (Kind::SocialeToeslag, 19, false),
            (Kind::SocialeToeslag, 20, true),
            (Kind::Brieven, 1, false),
            (Kind::Verslag, 1, true),
        ] {
            assert_eq!(may_tell_digest(kind, rows), is_told, "{kind} {rows}");
        }
    }

    #[test]
    fn a_manifest_comes_back() {
        let manifest = manifest();
        let text = manifest.to_json().unwrap();
        assert!(!text.contains("amount_total"));
        assert_eq!(Manifest::from_json(&text).unwrap(), manifest);
        assert!(Manifest::from_json(&text.replace("sociale-toeslag\"", "x\"")).is_err());
        let few = Manifest { plaintext_sha256: None, ..manifest };
        let text = few.to_json().unwrap();
        assert!(!text.contains("plaintext"), "{text}");
        assert_eq!(Manifest::from_json(&text).unwrap(), few);
    }

    #[test]
    fn a_number_in_the_uploads_name_is_masked() {
        let text = Manifest { answers: Some("00012556777.csv".to_owned()), ..manifest() }.to_json().unwrap();
        assert!(text.contains("\"answers\": \"….csv\""));
    }
}
