//! What can be said of one row of a list, and where it stands. Never the number itself.

use crate::domain::NissFault;

/// Something about a row that its sender should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Problem {
    /// Leading zeros that a spreadsheet took were given back; the row counts as valid.
    Restored,
    /// The check digits fit neither century.
    CheckDigits,
    /// The month does not exist, or the date lies in the future.
    BirthDate,
    /// The serial is never assigned: 000 or 999.
    Serial,
    /// Not eleven digits.
    Format,
    /// A spreadsheet rounded the number (`1,70730E+10`): digits are gone.
    Unrecoverable,
    /// A formula without a stored outcome.
    NoOutcome,
    /// The number stands on an earlier line.
    Duplicate,
    /// The age limit's birthday has come.
    OutsideAge,
    /// The child lives in another municipality; found by the exchange, which knows the register.
    OtherMunicipality,
    /// A number in a trial that the synthetic register does not have; found by the exchange.
    NotSynthetic,
    /// The number does not give the whole birth date; a warning.
    UnknownDate,
}

impl Problem {
    /// Every problem, in the order of FORMATS.md, section 2.2.
    pub const ALL: [Self; 12] = [
        Self::Restored,
        Self::CheckDigits,
        Self::BirthDate,
        Self::Serial,
        Self::Format,
        Self::Unrecoverable,
        Self::NoOutcome,
        Self::Duplicate,
        Self::OutsideAge,
        Self::OtherMunicipality,
        Self::NotSynthetic,
        Self::UnknownDate,
    ];

    /// The code in a `verslag`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Restored => "hersteld",
            Self::CheckDigits => "ongeldig-controlegetal",
            Self::BirthDate => "ongeldige-datum",
            Self::Serial => "ongeldig-volgnummer",
            Self::Format => "ongeldig-formaat",
            Self::Unrecoverable => "onherstelbaar",
            Self::NoOutcome => "formule-zonder-uitkomst",
            Self::Duplicate => "dubbel",
            Self::OutsideAge => "buiten-leeftijd",
            Self::OtherMunicipality => "andere-gemeente",
            Self::NotSynthetic => "geen-proefnummer",
            Self::UnknownDate => "onbekende-datum",
        }
    }

    /// One Dutch sentence part for the sender of the list: what it is, and what it means for the answer. It stands in
    /// a cell of a CSV file, so it holds no `;`.
    pub fn explanation_nl(self) -> &'static str {
        match self {
            Self::Restored => "voorloopnullen ontbraken en zijn aangevuld, het nummer is verwerkt",
            Self::CheckDigits => "het controlegetal klopt niet (de laatste twee cijfers), het nummer is niet verwerkt",
            Self::BirthDate => {
                "de geboortedatum in het nummer bestaat niet of ligt in de toekomst, het nummer is niet verwerkt"
            }
            Self::Serial => {
                "het volgnummer in het nummer (000 of 999) wordt nooit toegekend, het nummer is niet verwerkt"
            }
            Self::Format => "hier staat geen nummer van elf cijfers, de regel is niet verwerkt",
            Self::Unrecoverable => {
                "het rekenblad heeft het nummer afgerond, cijfers zijn verloren gegaan, de regel is niet verwerkt"
            }
            Self::NoOutcome => {
                "hier staat een formule zonder uitkomst, plak de kolom als waarden, de regel is niet verwerkt"
            }
            Self::Duplicate => "dit nummer staat al op een eerdere regel, het is eenmaal verwerkt",
            Self::OutsideAge => "de persoon is 25 jaar of ouder, het nummer is niet beantwoord",
            Self::OtherMunicipality => {
                "het kind woont volgens het register in een andere gemeente, het nummer is niet beantwoord"
            }
            Self::NotSynthetic => "geen proefnummer, het nummer is niet beantwoord, zet nooit een echte lijst in /test",
            Self::UnknownDate => {
                "waarschuwing: de geboortedatum is niet volledig bekend, controleer zelf of de leeftijd past"
            }
        }
    }

    /// The problem in a few words, as a rejection names it after the line: `regel 17, kolom 1: …`.
    pub fn short_nl(self) -> &'static str {
        match self {
            Self::Restored => "voorloopnullen aangevuld",
            Self::CheckDigits => "controlegetal klopt niet",
            Self::BirthDate => "geboortedatum bestaat niet of ligt in de toekomst",
            Self::Serial => "volgnummer wordt nooit toegekend",
            Self::Format => "geen nummer van elf cijfers",
            Self::Unrecoverable => "nummer is afgerond door het rekenblad",
            Self::NoOutcome => "formule zonder uitkomst, plak de kolom als waarden",
            Self::Duplicate => "nummer staat al op een eerdere regel",
            Self::OutsideAge => "persoon is 25 jaar of ouder",
            Self::OtherMunicipality => "kind woont in een andere gemeente",
            Self::NotSynthetic => "geen proefnummer",
            Self::UnknownDate => "geboortedatum niet volledig bekend",
        }
    }

    /// Whether the row holds no usable number: such rows count towards the limit of invalid rows.
    pub fn is_invalid(self) -> bool {
        match self {
            Self::CheckDigits
            | Self::BirthDate
            | Self::Serial
            | Self::Format
            | Self::Unrecoverable
            | Self::NoOutcome => true,
            Self::Restored
            | Self::Duplicate
            | Self::OutsideAge
            | Self::OtherMunicipality
            | Self::NotSynthetic
            | Self::UnknownDate => false,
        }
    }
}

impl From<NissFault> for Problem {
    fn from(fault: NissFault) -> Self {
        match fault {
            NissFault::Format => Self::Format,
            NissFault::CheckDigits => Self::CheckDigits,
            NissFault::Month => Self::BirthDate,
            NissFault::Serial => Self::Serial,
        }
    }
}

/// A problem at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remark {
    /// The line of the file, or the row of the sheet, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What is the matter.
    pub problem: Problem,
}

/// How a sender finds a place in a list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// By the line and the column, both from 1.
    Lines,
    /// By the cell of a sheet, as spreadsheets name it.
    Cells,
}

impl Places {
    /// A place: `regel 17, kolom 1`, or `cel A17`.
    pub fn name_nl(self, remark: &Remark) -> String {
        match self {
            Self::Lines => format!("regel {}, kolom {}", remark.line, remark.column),
            Self::Cells => format!("cel {}{}", self.column(remark.column), remark.line),
        }
    }

    /// A column: its number, or its letters.
    pub fn column(self, column: u32) -> String {
        match self {
            Self::Lines => column.to_string(),
            Self::Cells => letters(column),
        }
    }
}

/// `A` to `Z`, then `AA` and so on.
fn letters(mut column: u32) -> String {
    let mut letters = Vec::new();
    while let Some(rest) = column.checked_sub(1) {
        letters.extend(char::from_digit(rest % 26 + 10, 36).map(|letter| letter.to_ascii_uppercase()));
        column = rest / 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_named_as_spreadsheets_do() {
        for (column, name) in [(1, "A"), (26, "Z"), (27, "AA"), (52, "AZ"), (53, "BA"), (702, "ZZ"), (703, "AAA")] {
            assert_eq!(Places::Cells.column(column), name);
        }
        let remark = Remark { line: 17, column: 2, problem: Problem::Format };
        assert_eq!(Places::Lines.name_nl(&remark), "regel 17, kolom 2");
        assert_eq!(Places::Cells.name_nl(&remark), "cel B17");
    }

    #[test]
    fn codes_are_those_of_the_format_and_explanations_fit_a_cell() {
        let codes: Vec<_> = Problem::ALL.iter().map(|problem| problem.code()).collect();
        assert_eq!(
            codes.join(" "),
            "hersteld ongeldig-controlegetal ongeldige-datum ongeldig-volgnummer ongeldig-formaat onherstelbaar \
             formule-zonder-uitkomst dubbel buiten-leeftijd andere-gemeente geen-proefnummer onbekende-datum"
        );
        for problem in Problem::ALL {
            assert!(!problem.explanation_nl().contains([';', '"', '\n']), "{problem:?}");
        }
    }
}
