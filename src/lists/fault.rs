//! Why a list is refused as a whole, for the operator in English and for its sender in Dutch. Never a number of a
//! person, and never the text of a cell.

use super::{
    problem::{Places, Remark},
    seems::Seems,
};

/// Why bytes are no list that can be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// No row below the header, or nothing at all.
    #[error("the list is empty")]
    Empty,
    /// No column holds numbers, and no header names one.
    #[error("no column holds identification numbers")]
    NoNissColumn,
    /// Several columns could be the children's numbers.
    #[error("columns {columns:?} could each hold the identification numbers")]
    AmbiguousColumns {
        /// Their places, from 1.
        columns: Vec<u32>,
        /// Their names in the header, or nothing where there is no header.
        headers: Vec<String>,
        /// How the places are named.
        places: Places,
    },
    /// Several sheets of a workbook hold numbers.
    #[error("{} sheets hold identification numbers", .sheets.len())]
    AmbiguousSheets {
        /// Their names, fit to be shown.
        sheets: Vec<String>,
    },
    /// Text in an encoding that cannot be told.
    #[error("the text's encoding cannot be read ({what})")]
    Encoding {
        /// What was seen.
        what: &'static str,
    },
    /// Another sort of file.
    #[error("the file is no list; it seems to be {seems}")]
    NotAList {
        /// What it seems to be.
        seems: Seems,
    },
    /// A workbook that needs a password.
    #[error("the workbook is protected with a password")]
    EncryptedWorkbook,
    /// A workbook that cannot be read.
    #[error("the workbook cannot be read at {part}: {what}")]
    Workbook {
        /// The part of the workbook; fixed, since names inside the file are its sender's.
        part: &'static str,
        /// What is wrong there.
        what: &'static str,
    },
    /// A workbook that unpacks beyond a limit.
    #[error("the workbook holds too much: {what} above {limit}")]
    WorkbookTooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed: bytes, entries, strings or cells.
        limit: u64,
    },
    /// Rows of a workbook that its sender does not see: a filter hides them.
    #[error("{rows} rows are hidden")]
    HiddenRows {
        /// How many of them hold something.
        rows: usize,
        /// The first of these, from 1.
        first: Vec<u32>,
    },
    /// The column of the numbers is one that its sender does not see.
    #[error("column {column} with the identification numbers is hidden")]
    HiddenColumn {
        /// Its place, from 1.
        column: u32,
    },
    /// More rows than are allowed.
    #[error("{rows} rows, above the limit of {limit}")]
    TooManyRows {
        /// Rows of the list.
        rows: usize,
        /// Rows allowed.
        limit: usize,
    },
    /// A larger part of the rows than allowed holds no valid number.
    #[error("{invalid} of {rows} rows are invalid, above {percent} percent")]
    TooManyInvalid {
        /// Rows without a valid number.
        invalid: usize,
        /// Rows of the list.
        rows: usize,
        /// The limit, in percent of the rows.
        percent: u8,
        /// The rows at fault and the other remarks, in the order of the list.
        remarks: Vec<Remark>,
        /// How their places are named.
        places: Places,
    },
    /// Nearly all numbers are of people who are too old: they are those of others than the children.
    #[error("{outside} of {numbers} numbers in column {column} are of people above the age limit")]
    OutsideAge {
        /// Numbers of people above it.
        outside: usize,
        /// Numbers, each counted once.
        numbers: usize,
        /// The column's place, from 1.
        column: u32,
        /// How places are named.
        places: Places,
    },
    /// The list ends within or before a number: it was probably broken off on its way.
    #[error("the list ends in the middle of line {line}")]
    CutOff {
        /// The last line.
        line: u32,
    },
}

impl ListFault {
    /// The same fault of a text that has so many lines above the one in which it was found.
    pub(super) fn below(self, lines: u32) -> Self {
        match self {
            Self::CutOff { line } => Self::CutOff { line: line.saturating_add(lines) },
            fault => fault,
        }
    }

    /// The reason in the transfer log: part of its closed set.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "list-empty",
            Self::NoNissColumn => "list-no-niss-column",
            Self::AmbiguousColumns { .. } => "list-ambiguous-columns",
            Self::AmbiguousSheets { .. } => "list-ambiguous-sheets",
            Self::Encoding { .. } => "list-encoding",
            Self::NotAList { .. } => "list-wrong-type",
            Self::EncryptedWorkbook => "list-encrypted-workbook",
            Self::Workbook { .. } => "list-workbook",
            Self::WorkbookTooLarge { .. } => "list-workbook-too-large",
            Self::HiddenRows { .. } => "list-hidden-rows",
            Self::HiddenColumn { .. } => "list-hidden-column",
            Self::TooManyRows { .. } => "list-too-many-rows",
            Self::TooManyInvalid { .. } => "list-too-many-invalid",
            Self::OutsideAge { .. } => "list-outside-age",
            Self::CutOff { .. } => "list-cut-off",
        }
    }

    /// What was wrong, why that matters and what to do, in Dutch for the sender: full sentences, a paragraph each.
    pub fn explanation_nl(&self) -> String {
        match self {
            Self::Empty => "De lijst is leeg: er staat geen enkel rijksregister- of bisnummer in.\n\
                Controleer of u het juiste bestand hebt opgeladen en stuur de lijst opnieuw."
                .to_owned(),
            Self::NoNissColumn => "In de lijst is geen kolom met rijksregister- of bisnummers gevonden.\n\
                Geef de kolom een titel zoals \"niss\", \"insz\" of \"rijksregisternummer\", of stuur een lijst met \
                alleen die ene kolom."
                .to_owned(),
            Self::AmbiguousColumns { columns, headers, places } => ambiguous_nl(columns, headers, *places),
            Self::AmbiguousSheets { sheets } => format!(
                "Meer dan één werkblad bevat nummers: {}. Niet te zien is welk werkblad de lijst is.\n\
                Zet alle nummers in één kolom van één werkblad, of verwijder de andere werkbladen, en stuur de lijst \
                opnieuw.",
                sheets.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
            ),
            Self::Encoding { .. } => {
                "De tekst van het bestand kan niet gelezen worden: de tekencodering is onbekend of \
                beschadigd.\n\
                Bewaar de lijst als \"CSV UTF-8 (door scheidingstekens gescheiden)\" of als .xlsx en stuur ze opnieuw."
                    .to_owned()
            }
            Self::NotAList { seems } => format!(
                "Het bestand is geen lijst die hier gelezen kan worden: het lijkt {} te zijn.\n{}",
                seems.name_nl(),
                seems.remedy_nl()
            ),
            Self::EncryptedWorkbook => "Het rekenblad is met een wachtwoord beveiligd en kan niet geopend worden.\n\
                Verwijder het wachtwoord (in Excel: Bestand, Info, Werkmap beveiligen) en stuur de lijst opnieuw. De \
                verzending zelf is al versleuteld."
                .to_owned(),
            Self::Workbook { part, .. } => format!(
                "Het rekenblad is beschadigd of onvolledig (onderdeel: {part}) en kan niet gelezen worden.\n\
                Open het in Excel of LibreOffice, bewaar het opnieuw als .xlsx of als CSV en stuur het opnieuw."
            ),
            Self::WorkbookTooLarge { .. } => "Het rekenblad bevat veel meer gegevens dan een lijst van nummers nodig \
                heeft en is daarom niet geopend.\n\
                Kopieer alleen de kolom met de nummers naar een nieuw rekenblad, of bewaar de lijst als CSV, en stuur \
                ze opnieuw."
                .to_owned(),
            Self::HiddenRows { rows, first } => format!(
                "In het rekenblad {} verborgen ({}), bijvoorbeeld door een filter. Niet te zien is of die kinderen bij de \
                lijst horen.\n\
                Toon alle rijen, of kopieer de zichtbare rijen naar een nieuw rekenblad, en stuur de lijst opnieuw.",
                if *rows == 1 { "is 1 rij".to_owned() } else { format!("zijn {rows} rijen") },
                rows_nl(first, *rows)
            ),
            Self::HiddenColumn { column } => format!(
                "De nummers staan in kolom {} van het rekenblad, en die kolom is verborgen. Niet te zien is of dat de \
                bedoeling is.\n\
                Toon de kolom en kijk na of het de nummers van de kinderen zijn, of kopieer de juiste kolom naar een nieuw \
                rekenblad, en stuur de lijst opnieuw.",
                Places::Cells.column(*column)
            ),
            Self::TooManyRows { rows, limit } => format!(
                "De lijst telt {rows} regels, meer dan de {limit} die per lijst toegelaten zijn.\n\
                Controleer of de lijst alleen kinderen en jongeren tot 25 jaar van uw gemeente bevat. Hebt u meer \
                regels nodig, neem dan contact met ons op."
            ),
            Self::TooManyInvalid { invalid, rows, percent, .. } => format!(
                "{invalid} van de {rows} regels {} geen geldig rijksregister- of bisnummer. Dat is meer dan de \
                {percent} procent die toegelaten is: vermoedelijk is er bij het maken van de lijst iets misgelopen.\n\
                Verbeter de {} hieronder en stuur de volledige lijst opnieuw. Zet de kolom in Excel op \"Tekst\" \
                voordat u er nummers in plakt: anders verdwijnen voorloopnullen en worden lange nummers afgerond.",
                if *invalid == 1 { "bevat" } else { "bevatten" },
                if *invalid == 1 { "regel" } else { "regels" },
            ),
            Self::OutsideAge { numbers: 1, column, places, .. } => format!(
                "Het enige nummer in kolom {} is van iemand van 25 jaar of ouder.\n\
                Stuur een lijst met de nummers van kinderen en jongeren tot 25 jaar.",
                places.column(*column)
            ),
            Self::OutsideAge { outside, numbers, column, places } => format!(
                "{outside} van de {numbers} nummers in kolom {} zijn van iemand van 25 jaar of ouder. Vermoedelijk zijn het \
                niet de nummers van de kinderen maar die van hun ouders, of is het een andere lijst.\n\
                Geef alleen de kolom van de kinderen de titel \"niss\", of stuur een lijst met alleen die kolom.",
                places.column(*column)
            ),
            Self::CutOff { line } => format!(
                "De lijst stopt midden in regel {line}: de verzending is wellicht onderbroken.\n\
                Stuur de volledige lijst opnieuw."
            ),
        }
    }

    /// The rows to name in a rejection, if rows are at fault.
    pub fn remarks(&self) -> &[Remark] {
        match self {
            Self::TooManyInvalid { remarks, .. } => remarks,
            _ => &[],
        }
    }

    /// How these rows are named.
    pub fn places(&self) -> Places {
        match self {
            Self::TooManyInvalid { places, .. } | Self::AmbiguousColumns { places, .. } => *places,
            _ => Places::Lines,
        }
    }
}

/// The rows that are named, of so many: `rij 3`, `rijen 3, 4 en 7`, or `rijen 3, 4, …`.
fn rows_nl(first: &[u32], rows: usize) -> String {
    let named: Vec<String> = first.iter().map(u32::to_string).collect();
    match named.as_slice() {
        [only] if rows == 1 => format!("rij {only}"),
        [before @ .., last] if rows == named.len() => format!("rijen {} en {last}", before.join(", ")),
        _ => format!("rijen {}, …", named.join(", ")),
    }
}

fn ambiguous_nl(columns: &[u32], headers: &[String], places: Places) -> String {
    let (last, first) = columns.split_last().unwrap_or((&0, &[]));
    let last = places.column(*last);
    let places = first.iter().map(|column| places.column(*column)).collect::<Vec<_>>().join(", ");
    let named = if headers.is_empty() {
        String::new()
    } else {
        let quoted: Vec<String> = headers.iter().map(|header| format!("\"{header}\"")).collect();
        format!(" ({})", quoted.join(", "))
    };
    format!(
        "Meer dan één kolom van de lijst kan de nummers van de kinderen bevatten: de kolommen {places} en {last}{named}.\n\
        Geef alleen de kolom van de kinderen de titel \"niss\", of stuur een lijst met alleen die kolom."
    )
}
