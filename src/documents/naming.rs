//! Names of outgoing files (FORMATS.md, section 2): `<kind>_<nis>_<reference>_<yyyymmdd>_<seq>.<ext>.age`.

use std::{fmt, str::FromStr};

use jiff::civil::Date;

use crate::domain::{Kind, NisCode, ProtocolId};

/// The largest sequence number of a tenant's day: four digits.
pub const LAST_SEQUENCE: u16 = 9999;

/// Longest extension, characters: `csv`, `txt`, `pdf`, `xml`, `zip`.
const LONGEST_EXTENSION: usize = 8;

/// The name of an outgoing file. It holds nobody's name and nobody's number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryName {
    kind: Kind,
    nis_code: NisCode,
    reference: ProtocolId,
    day: Date,
    sequence: u16,
    extension: String,
}

/// Why there is no such name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// 0, or more files in one day than four digits can count.
    #[error("the sequence number is not 1 to {LAST_SEQUENCE}")]
    Sequence,
    /// Not lower-case letters and digits, or too long.
    #[error("the extension is not 1 to {LONGEST_EXTENSION} of a-z and 0-9")]
    Extension,
    /// A year before 1900 or after 9999.
    #[error("the day is not one of four-digit years from 1900")]
    Day,
    /// A text that is not built like these names.
    #[error("not the name of an outgoing file")]
    Shape,
}

impl DeliveryName {
    /// The name of a file; `sequence` counts a tenant's files of one day from 1, `extension` has no dot.
    ///
    /// # Errors
    /// [`NameFault`] for a part out of bounds.
    pub fn new(
        kind: Kind,
        nis_code: NisCode,
        reference: ProtocolId,
        day: Date,
        sequence: u16,
        extension: &str,
    ) -> Result<Self, NameFault> {
        if !(1..=LAST_SEQUENCE).contains(&sequence) {
            return Err(NameFault::Sequence);
        }
        let shape = extension.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !shape || !(1..=LONGEST_EXTENSION).contains(&extension.len()) || extension == "age" {
            return Err(NameFault::Extension);
        }
        if day.year() < 1900 {
            return Err(NameFault::Day);
        }
        Ok(Self { kind, nis_code, reference, day, sequence, extension: extension.to_owned() })
    }

    /// The kind of file.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The municipality's code.
    pub fn nis_code(&self) -> NisCode {
        self.nis_code
    }

    /// The protocol's or assignment's reference.
    pub fn reference(&self) -> &ProtocolId {
        &self.reference
    }

    /// The day, in Brussels.
    pub fn day(&self) -> Date {
        self.day
    }

    /// The place among the tenant's files of that day, from 1.
    pub fn sequence(&self) -> u16 {
        self.sequence
    }

    /// The name of the opened file, without `.age`.
    pub fn opened(&self) -> String {
        let Self { kind, nis_code, reference, sequence, extension, .. } = self;
        let (year, month, day) = (self.day.year(), self.day.month(), self.day.day());
        format!("{kind}_{nis_code}_{reference}_{year:04}{month:02}{day:02}_{sequence:04}.{extension}")
    }

    /// The name of the sealed file.
    pub fn sealed(&self) -> String {
        format!("{}.age", self.opened())
    }

    /// The name of the manifest beside it.
    pub fn manifest(&self) -> String {
        format!("{}.manifest.json", self.opened())
    }

    /// The name of the receipt in `/log/receipts/`.
    pub fn receipt(&self) -> String {
        format!("{}.receipt", self.opened())
    }
}

impl fmt::Display for DeliveryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sealed())
    }
}

impl FromStr for DeliveryName {
    type Err = NameFault;

    /// Reads the name of a sealed file; only what [`DeliveryName::sealed`] writes is one.
    fn from_str(text: &str) -> Result<Self, NameFault> {
        let shape = |parsed: Option<Self>| parsed.filter(|name| name.sealed() == text).ok_or(NameFault::Shape);
        shape(parse(text))
    }
}

fn parse(text: &str) -> Option<DeliveryName> {
    let (stem, extension) = text.strip_suffix(".age")?.split_once('.')?;
    let parts: Vec<&str> = stem.split('_').collect();
    let [kind, nis_code, reference, day, sequence] = parts.try_into().ok()?;
    let day = Date::new(day.get(..4)?.parse().ok()?, day.get(4..6)?.parse().ok()?, day.get(6..)?.parse().ok()?).ok()?;
    let (kind, nis_code, reference) = (kind.parse().ok()?, nis_code.parse().ok()?, reference.parse().ok()?);
    DeliveryName::new(kind, nis_code, reference, day, sequence.parse().ok()?, extension).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn name(sequence: u16, extension: &str) -> Result<DeliveryName, NameFault> {
        let (nis, reference) = ("72004".parse().unwrap(), "OPG-2026-017".parse().unwrap());
        DeliveryName::new(Kind::SocialeToeslag, nis, reference, date(2026, 11, 21), sequence, extension)
    }

    #[test]
    fn names_are_written_and_read() {
        let name = name(1, "csv").unwrap();
        assert_eq!(name.to_string(), "sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv.age");
        assert_eq!(name.opened(), "sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv");
        assert_eq!(name.manifest(), "sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv.manifest.json");
        assert_eq!(name.receipt(), "sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv.receipt");
        assert_eq!(name.to_string().parse(), Ok(name));
    }

    #[test]
    fn parts_out_of_bounds_are_refused() {
        assert!(name(9999, "csv").is_ok());
        for (sequence, extension, fault) in [
            (0, "csv", NameFault::Sequence),
            (10_000, "csv", NameFault::Sequence),
            (1, "", NameFault::Extension),
            (1, "CSV", NameFault::Extension),
            (1, "c.v", NameFault::Extension),
            (1, "age", NameFault::Extension),
        ] {
            assert_eq!(name(sequence, extension), Err(fault));
        }
    }

    #[test]
    fn other_names_are_not_read() {
        for text in [
            "",
            "lijst.csv.age",
            "sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv",
            "sociale-toeslag_72004_OPG-2026-017_20261121_1.csv.age",
            "sociale-toeslag_72004_OPG-2026-017_20261121_+001.csv.age",
            "sociale-toeslag_72004_OPG-2026-017_20261121_10000.csv.age",
            "sociale-toeslag_72004_OPG-2026-017_20261131_0001.csv.age",
            "sociale-toeslag_72004_OPG-2026-017_2026+1+1_0001.csv.age",
            "sociale-toeslag_72004_OPG_2026_20261121_0001.csv.age",
            "antwoord_72004_OPG-2026-017_20261121_0001.csv.age",
            "sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv.age.age",
        ] {
            assert_eq!(text.parse::<DeliveryName>(), Err(NameFault::Shape), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_so(text in "[a-z-]{0,16}_[0-9]{5}_[A-Z0-9-]{2,9}_2026[01][0-9][0-3][0-9]_[0-9]{3,5}\\.[a-z.]{1,9}") {
            if let Ok(name) = text.parse::<DeliveryName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
