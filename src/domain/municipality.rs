//! The municipalities of Flanders since 1 January 2025, with their postcodes (Statbel, CC BY 4.0), and the codes of those
//! that they were merged of.

use std::{collections::BTreeMap, fmt, str::FromStr};

use super::mergers;

/// A municipality's code at the statistical office (REFNIS): five digits, the first its province.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NisCode(u32);

/// A text that is no such code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a NIS code of five digits")]
pub struct NisCodeFault;

impl FromStr for NisCode {
    type Err = NisCodeFault;

    fn from_str(text: &str) -> Result<Self, NisCodeFault> {
        let shape = text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        if shape { text.parse().map(Self).map_err(|_| NisCodeFault) } else { Err(NisCodeFault) }
    }
}

impl NisCode {
    /// The code of that number; none where it has not five digits.
    pub(super) fn of(number: u32) -> Option<Self> {
        (10_000..=99_999).contains(&number).then_some(Self(number))
    }

    /// The code as a number, 10000 to 99999.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for NisCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// A municipality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Municipality {
    /// Its code.
    pub nis_code: NisCode,
    /// Its name, in Dutch.
    pub name: String,
    /// Its province.
    pub province: String,
    /// Its postcodes; one, 1804, belongs to two municipalities.
    pub postcodes: Vec<u16>,
}

/// The table of municipalities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Municipalities {
    by_code: BTreeMap<NisCode, Municipality>,
    /// Codes that are no more, with what each became; both sides differ, and the right one is in the table.
    former: BTreeMap<NisCode, NisCode>,
}

/// Where the table is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TableFault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

impl Municipalities {
    /// Reads the table: `nis_code;name;province;postcodes`, postcodes joined by `|`.
    ///
    /// # Errors
    /// [`TableFault`] at the first line that is no municipality, or whose code stood before.
    pub fn parse(text: &str) -> Result<Self, TableFault> {
        let mut table = BTreeMap::new();
        for (at, line) in text.lines().enumerate().skip(1) {
            let fault = |problem| TableFault { line: at + 1, problem };
            let [code, name, province, postcodes] =
                line.split(';').collect::<Vec<_>>().try_into().map_err(|_| fault("not four columns"))?;
            let nis_code: NisCode = code.parse().map_err(|_| fault("not a NIS code"))?;
            let postcodes: Result<Vec<u16>, _> = postcodes.split('|').map(parse_postcode).collect();
            let municipality = Municipality {
                nis_code,
                name: name.to_owned(),
                province: province.to_owned(),
                postcodes: postcodes.map_err(|PostcodeFault| fault("not a postcode"))?,
            };
            if table.insert(nis_code, municipality).is_some() {
                return Err(fault("the code stands twice"));
            }
        }
        let known = mergers().filter(|merger| table.contains_key(&merger.today) && !table.contains_key(&merger.former));
        let former = known.map(|merger| (merger.former, merger.today)).collect();
        Ok(Self { by_code: table, former })
    }

    /// Takes note that a code is no more, and what it became. One that is in the table, or known already, stays as it is.
    pub fn note_former(&mut self, former: NisCode, today: NisCode) {
        if self.by_code.contains_key(&today) && !self.by_code.contains_key(&former) {
            self.former.entry(former).or_insert(today);
        }
    }

    /// Codes that are no more, with the code of what each became.
    pub fn former(&self) -> &BTreeMap<NisCode, NisCode> {
        &self.former
    }

    /// Whether the rows of both tables are the same, whatever is known of former codes.
    pub fn same_rows(&self, other: &Self) -> bool {
        self.by_code == other.by_code
    }

    /// The municipality with that code.
    pub fn by_code(&self, code: NisCode) -> Option<&Municipality> {
        self.by_code.get(&code)
    }

    /// The table with that municipality alone, if it is there.
    #[must_use]
    pub fn only(&self, code: NisCode) -> Self {
        let found = self.by_code.get_key_value(&code).map(|(code, found)| (*code, found.clone()));
        Self { by_code: found.into_iter().collect(), former: BTreeMap::new() }
    }

    /// All municipalities, by code.
    pub fn iter(&self) -> impl Iterator<Item = &Municipality> {
        self.by_code.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_code.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_code.is_empty()
    }
}

/// A text that is no Belgian postcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a postcode of 1000 to 9999")]
pub struct PostcodeFault;

/// Reads a Belgian postcode: four digits, 1000 to 9999.
///
/// # Errors
/// [`PostcodeFault`].
pub fn parse_postcode(text: &str) -> Result<u16, PostcodeFault> {
    let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|code| digits && *code >= 1000).ok_or(PostcodeFault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn shipped() -> Municipalities {
        Municipalities::parse(include_str!("../../config/municipalities.csv")).unwrap()
    }

    #[test]
    fn the_shipped_table_is_that_of_2025() {
        let table = shipped();
        assert_eq!(table.len(), 285);
        let pairs: Vec<u16> = table.iter().flat_map(|municipality| municipality.postcodes.clone()).collect();
        let postcodes: BTreeSet<u16> = pairs.iter().copied().collect();
        assert_eq!((pairs.len(), postcodes.len()), (522, 521));
        let count = |code: &str| table.by_code(code.parse().unwrap()).map(|found| found.postcodes.len());
        assert_eq!((count("11002"), count("44021")), (Some(15), Some(10)));
        for gone in ["11007", "23023", "73006", "46003"] {
            assert_eq!(table.by_code(gone.parse().unwrap()), None, "{gone}");
        }
        for new in ["23106", "37021", "44086", "46030", "73110", "73111", "71071", "71072"] {
            assert!(table.by_code(new.parse().unwrap()).is_some(), "{new}");
        }
    }

    #[test]
    fn a_table_at_fault_names_its_line() {
        for (row, problem) in [
            ("72004;Bree;Limburg", "not four columns"),
            ("07200;Bree;Limburg;3960", "not a NIS code"),
            ("72004;Bree;Limburg;396", "not a postcode"),
            ("72003;Bocholt;Limburg;3950", "the code stands twice"),
        ] {
            let text = format!("nis_code;name;province;postcodes\n72003;Bocholt;Limburg;3950\n{row}\n");
            assert_eq!(Municipalities::parse(&text), Err(TableFault { line: 3, problem }));
        }
    }
}
