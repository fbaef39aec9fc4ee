//! The name of an outgoing file (FORMATS.md, section 2).

use std::{fmt, str::FromStr};

use jiff::civil::Date;

use super::{Kind, NisCode, ProtocolId};

/// The highest number of a delivery of one tenant on one day: four digits.
pub const LAST_SEQUENCE: u32 = 9999;

/// `<kind>_<nis>_<reference>_<yyyymmdd>_<seq>.<ext>.age`, taken apart. It holds no name and no number of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryName {
    /// What the file is.
    pub kind: Kind,
    /// The receiver's municipality.
    pub nis_code: NisCode,
    /// The protocol, agreement or assignment.
    pub reference: ProtocolId,
    /// The day in Brussels.
    pub day: Date,
    /// Its number among the tenant's deliveries of that day, 1 to [`LAST_SEQUENCE`].
    pub sequence: u32,
    /// The extension of what is sealed, without its dot: `[a-z0-9.]`, 1 to 20 characters.
    pub extension: String,
}

/// A text that is no such name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a delivery")]
pub struct DeliveryNameFault;

impl FromStr for DeliveryName {
    type Err = DeliveryNameFault;

    fn from_str(text: &str) -> Result<Self, DeliveryNameFault> {
        let inner = text.strip_suffix(".age").ok_or(DeliveryNameFault)?;
        let (stem, extension) = inner.split_once('.').ok_or(DeliveryNameFault)?;
        let mut parts = stem.split('_');
        let mut next = || parts.next().ok_or(DeliveryNameFault);
        let name = Self {
            kind: next()?.parse().map_err(|_| DeliveryNameFault)?,
            nis_code: next()?.parse().map_err(|_| DeliveryNameFault)?,
            reference: next()?.parse().map_err(|_| DeliveryNameFault)?,
            day: Date::strptime("%Y%m%d", next()?).map_err(|_| DeliveryNameFault)?,
            sequence: next()?.parse().map_err(|_| DeliveryNameFault)?,
            extension: extension.to_owned(),
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.';
        let fits = (1..=20).contains(&extension.len()) && extension.bytes().all(plain);
        // Printing it again refuses signs, missing zeros and whatever else the parts would forgive.
        if fits && (1..=LAST_SEQUENCE).contains(&name.sequence) && name.to_string() == text {
            Ok(name)
        } else {
            Err(DeliveryNameFault)
        }
    }
}

impl fmt::Display for DeliveryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, nis_code, reference, day, sequence, extension } = self;
        let day = day.strftime("%Y%m%d");
        write!(formatter, "{kind}_{nis_code}_{reference}_{day}_{sequence:04}.{extension}.age")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_printed_again() {
        for text in [
            "sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv.age",
            "betaling_31033_torhout-schoolpremie-2026_20261215_9999.pain.001.001.09.age",
        ] {
            assert_eq!(text.parse::<DeliveryName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for text in [
            "sociale-toeslag_72004_OPG-2026-017_20261121_0001.csv",
            "sociale-toeslag_72004_OPG-2026-017_20261121_0000.csv.age",
            "sociale-toeslag_72004_OPG-2026-017_20261121_1.csv.age",
            "sociale-toeslag_72004_OPG-2026-017_20261121_10000.csv.age",
            "sociale-toeslag_72004_OPG-2026-017_20261321_0001.csv.age",
            "sociale-toeslag_72004_85073003328_20261121_0001.csv.age",
            "lijst_72004_OPG-2026-017_20261121_0001.csv.age",
            "",
        ] {
            assert!(text.parse::<DeliveryName>().is_err(), "{text}");
        }
    }
}
