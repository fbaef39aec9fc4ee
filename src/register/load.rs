//! From lines to rows: every value is checked, or the extract is refused.
//!
//! What neighbouring rows share (month, dossier, household) is compared before it is looked up, and a household's
//! values are checked when its text is first met.

use jiff::civil::Date;

use super::{
    Register,
    cut::Cuts,
    fault::{CellProblem, Field, LineProblem, RegisterFault},
    index::{Children, Index},
    layout::{Line, MOST_HOUSEHOLDS, MOST_ROWS, SEPARATOR},
    month::ReferenceMonth,
    row::{Flags, PackedDate, Row, RowAt, Rows},
    sources::{SourceSet, SourceSets},
    text::{Full, Interner, Recent, TextAt, Texts},
};
use crate::domain::{Iban, Municipalities, NisCode, Niss, SourceCatalogue};

/// The line of the first row: the header is line 1.
const FIRST_ROW_LINE: u64 = 2;

/// A NIS code is below this.
const NIS_CODES: usize = 100_000;

/// Marks a code that no municipality has.
const NO_MUNICIPALITY: u16 = u16::MAX;

/// From here on stand the numbers of dossiers that are no plain numbers of up to nine digits.
const OTHER_DOSSIERS: u32 = 1 << 31;

/// Takes lines and keeps rows.
pub(super) struct Loader<'a> {
    catalogue: &'a SourceCatalogue,
    rows: RowLoader<'a>,
}

/// The part that a row goes to once its line is split.
struct RowLoader<'a> {
    catalogue: &'a SourceCatalogue,
    municipalities: Vec<NisCode>,
    /// For each NIS code, its place in `municipalities`.
    by_nis_code: Vec<u16>,
    children: Children,
    rows: Rows,
    texts: Texts,
    households: Recent,
    /// The dossiers that are no plain numbers; their texts are not kept after loading.
    dossier_texts: Texts,
    dossiers: Interner,
    sources: SourceSets,
    month: Option<([u8; 7], ReferenceMonth)>,
    latest_household: Option<TextAt>,
}

/// A fault inside a line.
enum Fault {
    Cell(Field, CellProblem),
    Line(LineProblem),
}

impl From<Full> for Fault {
    fn from(_: Full) -> Self {
        Self::Line(LineProblem::TooMuchText)
    }
}

impl Fault {
    fn at(self, line: u64) -> RegisterFault {
        match self {
            Self::Cell(field, problem) => RegisterFault::Cell { line, field, problem },
            Self::Line(problem) => RegisterFault::Line { line, problem },
        }
    }
}

impl<'a> Loader<'a> {
    pub(super) fn new(catalogue: &'a SourceCatalogue, municipalities: &Municipalities) -> Self {
        let codes: Vec<NisCode> = municipalities.iter().map(|municipality| municipality.nis_code).collect();
        let mut by_nis_code = vec![NO_MUNICIPALITY; NIS_CODES];
        for (code, place) in codes.iter().zip(0..NO_MUNICIPALITY) {
            if let Some(slot) = by_nis_code.get_mut(code.number() as usize) {
                *slot = place;
            }
        }
        // An extract may still have the code of before a merger: its children live in what the municipality became.
        for (former, today) in municipalities.former() {
            let place = by_nis_code.get(today.number() as usize).copied().unwrap_or(NO_MUNICIPALITY);
            if let Some(slot) = by_nis_code.get_mut(former.number() as usize) {
                *slot = place;
            }
        }
        let rows = RowLoader {
            catalogue,
            municipalities: codes,
            by_nis_code,
            children: Children::new(),
            rows: Rows::default(),
            texts: Texts::default(),
            households: Recent::new(),
            dossier_texts: Texts::default(),
            dossiers: Interner::default(),
            sources: SourceSets::default(),
            month: None,
            latest_household: None,
        };
        Self { catalogue, rows }
    }

    /// Takes the lines of the next piece.
    pub(super) fn take(&mut self, piece: &[u8], cuts: &mut Cuts) -> Result<(), RegisterFault> {
        let before = self.rows.rows.len();
        for line in cuts.lines(piece) {
            let number = FIRST_ROW_LINE + u64::from(self.rows.rows.len());
            let taken = if cuts.clean { Ok(()) } else { check_bytes(&line) };
            taken.and_then(|()| self.rows.take(&line)).map_err(|fault| fault.at(number))?;
        }
        if let Some(fault) = cuts.fault.take() {
            return Err(fault);
        }
        // All of the piece at once: what each waits for in memory is then waited for together.
        let RowLoader { rows, children, .. } = &mut self.rows;
        rows.from(before).for_each(|row| children.insert(row.child));
        Ok(())
    }

    /// Builds the index and looks at what only all rows together show.
    pub(super) fn finish(self) -> Result<Register, RegisterFault> {
        let RowLoader {
            municipalities,
            children,
            mut rows,
            texts,
            households,
            dossier_texts,
            dossiers,
            sources,
            month,
            ..
        } = self.rows;
        let (_, month) = month.ok_or(RegisterFault::Empty)?;
        // Only loading needs these; the index takes their room.
        drop((households, dossiers, dossier_texts));
        let source_sets = sources.into_sets();
        let index = Index::of(children, &rows);
        for of_one_child in index.several() {
            check_child(&rows, of_one_child, &source_sets)?;
            let flags = std::iter::once(Flags::HAS_LATER).chain(std::iter::repeat(Flags::IS_LATER));
            for ((_, at), flag) in of_one_child.iter().zip(flags) {
                if let Some(row) = rows.row_mut(*at) {
                    row.flags.set(flag);
                }
            }
        }
        Ok(Register { month, catalogue: self.catalogue.clone(), municipalities, source_sets, rows, texts, index })
    }
}

/// The closer look, value by value.
fn check_bytes(line: &Line<'_>) -> Result<(), Fault> {
    for field in Field::ALL {
        let value = line.value(field);
        if std::str::from_utf8(value).is_err() {
            return Err(Fault::Cell(field, CellProblem::NotUtf8));
        }
        if value.iter().any(u8::is_ascii_control) {
            return Err(Fault::Cell(field, CellProblem::ControlCharacter));
        }
    }
    Ok(())
}

impl RowLoader<'_> {
    fn take(&mut self, line: &Line<'_>) -> Result<(), Fault> {
        if self.rows.len() >= MOST_ROWS {
            return Err(Fault::Line(LineProblem::TooManyRows));
        }
        self.check_month(line.value(Field::ReferenceMonth))?;
        let niss = |field| Niss::from_digits(line.value(field)).map_err(|f| Fault::Cell(field, CellProblem::Niss(f)));
        let number = |field| small_number(line.value(field)).ok_or(Fault::Cell(field, CellProblem::Number));
        let (child, beneficiary) = (niss(Field::ChildNiss)?, niss(Field::BeneficiaryNiss)?);
        let birth = birth_date(line.value(Field::BirthDate));
        let birth = birth.ok_or(Fault::Cell(Field::BirthDate, CellProblem::Date))?;
        let municipality = self.municipality(line.value(Field::ChildNisCode));
        let municipality = municipality.map_err(|problem| Fault::Cell(Field::ChildNisCode, problem))?;
        let postcode = postcode(line.value(Field::ChildPostcode));
        let postcode = postcode.ok_or(Fault::Cell(Field::ChildPostcode, CellProblem::Postcode))?;
        let (rank, family_size) = (number(Field::Rank)?, number(Field::FamilySize)?);
        let mut flags = Flags::default();
        match line.value(Field::SingleParent) {
            b"0" => {}
            b"1" => flags.set(Flags::SINGLE_PARENT),
            _ => return Err(Fault::Cell(Field::SingleParent, CellProblem::Flag)),
        }
        let sources = self.sources.number(line.value(Field::Sources), self.catalogue);
        let sources = sources.map_err(|problem| Fault::Cell(Field::Sources, problem))?;
        let (dossier, household) = (self.dossier(line)?, self.household(line)?);
        not_empty(line, Field::ChildLastName)?;
        let names = self.texts.push(line.values(Field::ChildLastName, Field::ChildFirstName))?;
        self.rows.push(Row {
            child,
            beneficiary,
            names,
            household,
            dossier,
            birth,
            municipality,
            postcode,
            sources,
            rank,
            family_size,
            flags,
        });
        Ok(())
    }

    fn check_month(&mut self, value: &[u8]) -> Result<(), Fault> {
        match &self.month {
            Some((first, _)) if *first == *value => Ok(()),
            other => {
                let month = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                let read = value.try_into().ok().zip(month);
                let problem = if other.is_some() { CellProblem::OtherMonth } else { CellProblem::Month };
                self.month = Some(read.filter(|_| other.is_none()).ok_or(Fault::Cell(Field::ReferenceMonth, problem))?);
                Ok(())
            }
        }
    }

    fn municipality(&self, value: &[u8]) -> Result<u16, CellProblem> {
        let value: &[u8; 5] = value.try_into().map_err(|_| CellProblem::NisCode)?;
        let code = digits(value).ok_or(CellProblem::NisCode)?;
        let place = self.by_nis_code.get(code as usize).copied();
        place.filter(|place| *place != NO_MUNICIPALITY).ok_or(CellProblem::UnknownMunicipality)
    }

    /// The number of a row's dossier: itself if it is a plain number, and one beyond those for any other text.
    fn dossier(&mut self, line: &Line<'_>) -> Result<u32, Fault> {
        let text = line.value(Field::Dossier);
        if let Some(number) = digits(text).filter(|_| !text.starts_with(b"0") && !text.is_empty()) {
            return Ok(number);
        }
        not_empty(line, Field::Dossier)?;
        let at = self.dossiers.intern(&mut self.dossier_texts, text)?.number();
        if at < OTHER_DOSSIERS { Ok(OTHER_DOSSIERS | at) } else { Err(Full.into()) }
    }

    /// Where the household of a row is kept: where that of the row before is, if it is the same.
    fn household(&mut self, line: &Line<'_>) -> Result<TextAt, Fault> {
        let text = line.values(Field::BeneficiaryLastName, Field::Iban);
        if let Some(at) = self.latest_household.filter(|at| self.texts.text(*at) == text) {
            return Ok(at);
        }
        let at = self.households.intern(&mut self.texts, text, || check_household(line))?;
        self.latest_household = Some(at);
        Ok(at)
    }
}

fn not_empty(line: &Line<'_>, field: Field) -> Result<(), Fault> {
    if line.value(field).is_empty() { Err(Fault::Cell(field, CellProblem::Empty)) } else { Ok(()) }
}

fn check_household(line: &Line<'_>) -> Result<(), Fault> {
    not_empty(line, Field::BeneficiaryLastName)?;
    if !matches!(line.value(Field::Country), [b'A'..=b'Z', b'A'..=b'Z']) {
        return Err(Fault::Cell(Field::Country, CellProblem::Country));
    }
    let iban = line.value(Field::Iban);
    if !iban.is_empty() {
        let fault = |problem| Fault::Cell(Field::Iban, problem);
        let iban = std::str::from_utf8(iban).map_err(|_| fault(CellProblem::NotUtf8))?;
        Iban::parse(iban).map_err(|problem| fault(CellProblem::Iban(problem)))?;
    }
    Ok(())
}

/// Up to nine digits as a number.
fn digits(text: &[u8]) -> Option<u32> {
    if text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0_u32, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}

/// 1 to 99: no family comes near it, and a year or an amount in the wrong column does not pass.
fn small_number(text: &[u8]) -> Option<u8> {
    let number = digits(text).filter(|_| text.len() <= 2)?;
    u8::try_from(number).ok().filter(|number| *number > 0)
}

/// As `domain::municipality::parse_postcode`, of bytes.
fn postcode(text: &[u8]) -> Option<u16> {
    let number = digits(text).filter(|number| text.len() == 4 && *number >= 1000)?;
    u16::try_from(number).ok()
}

fn birth_date(text: &[u8]) -> Option<PackedDate> {
    if text.is_empty() {
        return Some(PackedDate::default());
    }
    let [year @ .., b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = i16::try_from(digits(year).filter(|_| year.len() == 4)?).ok()?;
    let (month, day) = (digits(&[*m1, *m2])?, digits(&[*d1, *d2])?);
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    PackedDate::new(date)
}

/// What has to hold between the rows of one child.
fn check_child(rows: &Rows, of_one_child: &[(u32, RowAt)], sets: &[SourceSet]) -> Result<(), RegisterFault> {
    let found: Vec<&Row> = of_one_child.iter().filter_map(|(_, at)| rows.row(*at)).collect();
    for (nth, (row, (_, at))) in found.iter().zip(of_one_child).enumerate().skip(1) {
        let line = FIRST_ROW_LINE + u64::from(*at);
        let cell = |field, problem| Err(RegisterFault::Cell { line, field, problem });
        let earlier = found.get(..nth).unwrap_or_default();
        if nth >= MOST_HOUSEHOLDS {
            return Err(RegisterFault::Line { line, problem: LineProblem::TooManyHouseholds });
        }
        if earlier.iter().any(|other| other.beneficiary == row.beneficiary) {
            return cell(Field::BeneficiaryNiss, CellProblem::Twice);
        }
        for (field, differs) in [
            (Field::BirthDate, earlier.iter().any(|other| other.birth != row.birth)),
            (Field::ChildNisCode, earlier.iter().any(|other| other.municipality != row.municipality)),
            (Field::ChildPostcode, earlier.iter().any(|other| other.postcode != row.postcode)),
        ] {
            if differs {
                return cell(field, CellProblem::Differs);
            }
        }
        let set = |row: &Row| sets.get(usize::from(row.sources));
        for (source, share) in set(row).map(|set| &*set.shares).unwrap_or_default() {
            let shares = earlier.iter().filter_map(|other| set(other)?.share(*source));
            let sum: u32 = shares.map(|share| u32::from(share.ten_thousandths())).sum();
            if sum + u32::from(share.ten_thousandths()) > u32::from(crate::domain::Share::WHOLE.ten_thousandths()) {
                return cell(Field::Sources, CellProblem::ShareSum);
            }
        }
    }
    Ok(())
}

/// The values of a kept text, in the order of the extract.
pub(super) fn values(text: &[u8]) -> impl Iterator<Item = &str> {
    // Only text that was checked is kept, hence never the default.
    text.split(|byte| *byte == SEPARATOR).map(|value| std::str::from_utf8(value).unwrap_or_default())
}
