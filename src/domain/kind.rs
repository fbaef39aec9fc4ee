//! Kinds of outgoing files and the columns of their default layouts (FORMATS.md, section 2).

use std::{fmt, str::FromStr};

/// A kind of outgoing file; the first part of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The answer to a municipality's list.
    SocialeToeslag,
    /// Data of children and beneficiaries.
    Gegevens,
    /// Payment lines.
    Betaling,
    /// Beneficiaries without an account.
    BetalingZonderRekening,
    /// Letters for the printer.
    Brieven,
    /// The overview after a run.
    Rapport,
    /// Why something was refused.
    Weigering,
    /// What stood out in a list.
    Verslag,
    /// The onboarding test of connecting and downloading.
    TechnischeTest,
    /// The onboarding test of importing.
    FunctioneleTest,
}

/// A column of a default layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column(&'static str);

impl Kind {
    /// Every kind, in the order of FORMATS.md.
    pub const ALL: [Self; 10] = [
        Self::SocialeToeslag,
        Self::Gegevens,
        Self::Betaling,
        Self::BetalingZonderRekening,
        Self::Brieven,
        Self::Rapport,
        Self::Weigering,
        Self::Verslag,
        Self::TechnischeTest,
        Self::FunctioneleTest,
    ];

    /// The name in file names, YAML and the transfer log.
    pub fn name(self) -> &'static str {
        match self {
            Self::SocialeToeslag => "sociale-toeslag",
            Self::Gegevens => "gegevens",
            Self::Betaling => "betaling",
            Self::BetalingZonderRekening => "betaling-zonder-rekening",
            Self::Brieven => "brieven",
            Self::Rapport => "rapport",
            Self::Weigering => "weigering",
            Self::Verslag => "verslag",
            Self::TechnischeTest => "technische-test",
            Self::FunctioneleTest => "functionele-test",
        }
    }

    /// The columns of the default layout, in their order; none for a kind that is no table.
    pub fn columns(self) -> &'static [Column] {
        const SOCIALE_TOESLAG: &[Column] = &[
            Column("niss"),
            Column("sociale_toeslag"),
            Column("begunstigde_niss"),
            Column("begunstigde_naam"),
            Column("aandeel"),
        ];
        const GEGEVENS: &[Column] = &[
            Column("kind_niss"),
            Column("kind_naam"),
            Column("kind_voornaam"),
            Column("geboortedatum"),
            Column("begunstigde_niss"),
            Column("begunstigde_naam"),
            Column("begunstigde_voornaam"),
            Column("straat"),
            Column("huisnummer"),
            Column("bus"),
            Column("postcode"),
            Column("gemeente"),
            Column("land"),
            Column("bron"),
            Column("aandeel"),
            Column("rechtsmaand"),
        ];
        const BETALING: &[Column] = &[
            Column("volgnummer"),
            Column("rekeninghouder"),
            Column("iban"),
            Column("bedrag"),
            Column("munt"),
            Column("mededeling"),
            Column("eind_tot_eind_id"),
        ];
        const ZONDER_REKENING: &[Column] = &[
            Column("volgnummer"),
            Column("naam"),
            Column("voornaam"),
            Column("straat"),
            Column("huisnummer"),
            Column("bus"),
            Column("postcode"),
            Column("gemeente"),
            Column("land"),
            Column("bedrag"),
        ];
        match self {
            Self::SocialeToeslag => SOCIALE_TOESLAG,
            Self::Gegevens => GEGEVENS,
            Self::Betaling => BETALING,
            Self::BetalingZonderRekening => ZONDER_REKENING,
            Self::Brieven
            | Self::Rapport
            | Self::Weigering
            | Self::Verslag
            | Self::TechnischeTest
            | Self::FunctioneleTest => &[],
        }
    }

    /// The column of that name in the default layout.
    pub fn column(self, name: &str) -> Option<Column> {
        self.columns().iter().copied().find(|column| column.0 == name)
    }

    /// The columns without which a file of this kind makes no sense.
    pub fn minimum(self) -> &'static [&'static str] {
        match self {
            Self::SocialeToeslag => &["niss", "sociale_toeslag"],
            Self::Gegevens => &["kind_niss", "bron"],
            Self::Betaling => &["volgnummer", "rekeninghouder", "iban", "bedrag"],
            Self::BetalingZonderRekening => &["volgnummer", "naam", "bedrag"],
            Self::Brieven
            | Self::Rapport
            | Self::Weigering
            | Self::Verslag
            | Self::TechnischeTest
            | Self::FunctioneleTest => &[],
        }
    }

    /// Whether a file of this kind holds personal data of citizens, and so needs a protocol or agreement.
    pub fn has_personal_data(self) -> bool {
        match self {
            Self::SocialeToeslag | Self::Gegevens | Self::Betaling | Self::BetalingZonderRekening | Self::Brieven => {
                true
            }
            Self::Rapport | Self::Weigering | Self::Verslag | Self::TechnischeTest | Self::FunctioneleTest => false,
        }
    }
}

/// Whether rows of these columns tell of a child's beneficiaries, so that each is on a row of its own. Else two rows of a
/// child of two households would say the same, and still that there are two.
pub fn tells_beneficiaries(columns: &[Column]) -> bool {
    columns.iter().any(|column| column.is_of_beneficiary())
}

impl Column {
    /// Whether what it says of a child may differ from one beneficiary to the next.
    fn is_of_beneficiary(self) -> bool {
        const OF_ADDRESS: [&str; 6] = ["straat", "huisnummer", "bus", "postcode", "gemeente", "land"];
        self.0.starts_with("begunstigde_") || self.0 == "aandeel" || OF_ADDRESS.contains(&self.0)
    }

    /// The name in the header row.
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// A name that is no kind of outgoing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of outgoing file")]
pub struct KindFault;

impl FromStr for Kind {
    type Err = KindFault;

    fn from_str(name: &str) -> Result<Self, KindFault> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(KindFault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_minimum_columns_belong_to_the_layouts() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            for name in kind.minimum() {
                assert!(kind.column(name).is_some(), "{kind}: {name}");
            }
        }
        assert_eq!("lijst".parse::<Kind>(), Err(KindFault));
    }
}
