//! Every kind of fault, with its line and column.

use super::*;
use crate::domain::IbanFault;

const FIRST: &str = "2026-11;D1;17073003384;Maes;Emma;2017-07-30;72004;3960;1;1;0;85073003328;Maes;An;Kerkstraat;1;;\
    3960;Bree;BE;Maes An;BE68539007547034;basisbedrag=1|sociale_toeslag=0.5";
const SECOND: &str = "2026-11;D2;17073003384;Maes;Emma;2017-07-30;72004;3960;1;1;1;93051822361;Claes;Jan;Bosstraat;2;3;\
    3960;Bree;BE;;;sociale_toeslag=0.5";

fn header() -> String {
    Field::ALL.map(Field::name).join(";")
}

fn extract(rows: &[&str]) -> String {
    format!("{}\n{}\n", header(), rows.join("\n"))
}

/// A row with one value changed.
fn with(row: &str, field: Field, value: &str) -> String {
    let mut values: Vec<&str> = row.split(';').collect();
    values[field as usize] = value;
    values.join(";")
}

fn cell(outcome: Result<Register, RegisterFault>) -> (u64, Field, CellProblem) {
    match outcome {
        Err(RegisterFault::Cell { line, field, problem }) => (line, field, problem),
        other => panic!("{other:?}"),
    }
}

fn line(outcome: Result<Register, RegisterFault>) -> (u64, LineProblem) {
    match outcome {
        Err(RegisterFault::Line { line, problem }) => (line, problem),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rows_that_faults_are_put_into_are_right() {
    let register = read(extract(&[FIRST, SECOND])).unwrap();
    let child = register.find(Niss::parse("17073003384").unwrap()).unwrap();
    let mut beneficiaries = Vec::new();
    child.each_entitlement(&register.shares_of(sociale_toeslag()), |found| {
        beneficiaries.push(text(found.household.beneficiary().digits()));
    });
    assert_eq!(beneficiaries, ["85073003328", "93051822361"]);
    assert_eq!((register.rows(), register.children()), (2, 1));
}

#[test]
fn a_value_at_fault_is_told_by_line_and_column() {
    use CellProblem as P;
    use Field as F;
    let table: &[(Field, &str, CellProblem)] = &[
        (F::ReferenceMonth, "2026-12", P::OtherMonth),
        (F::ReferenceMonth, "", P::OtherMonth),
        (F::Dossier, "", P::Empty),
        (F::ChildNiss, "17073003385", P::Niss(NissFault::CheckDigits)),
        (F::ChildNiss, "17.07.30-033.84", P::Niss(NissFault::Format)),
        (F::ChildLastName, "", P::Empty),
        (F::ChildFirstName, "a\tb", P::ControlCharacter),
        (F::ChildFirstName, "a\u{1f}b", P::ControlCharacter),
        (F::ChildFirstName, "a\u{7f}b", P::ControlCharacter),
        (F::BirthDate, "30-07-2017", P::Date),
        (F::BirthDate, "2017-02-29", P::Date),
        (F::BirthDate, "1949-12-31", P::Date),
        (F::ChildNisCode, "7200", P::NisCode),
        (F::ChildNisCode, "7200a", P::NisCode),
        (F::ChildNisCode, "72025", P::UnknownMunicipality),
        (F::ChildPostcode, "0999", P::Postcode),
        (F::ChildPostcode, "39600", P::Postcode),
        (F::Rank, "0", P::Number),
        (F::Rank, "", P::Number),
        (F::Rank, "100", P::Number),
        (F::Rank, "99999999999999999999", P::Number),
        (F::FamilySize, "-1", P::Number),
        (F::SingleParent, "ja", P::Flag),
        (F::SingleParent, "", P::Flag),
        (F::BeneficiaryNiss, "", P::Niss(NissFault::Format)),
        (F::BeneficiaryNiss, "85133000105", P::Niss(NissFault::Month)),
        (F::BeneficiaryLastName, "", P::Empty),
        (F::Country, "be", P::Country),
        (F::Country, "", P::Country),
        (F::Iban, "BE68539007547035", P::Iban(IbanFault::CheckDigits)),
        (F::Iban, "geen", P::Iban(IbanFault::Format)),
        (F::Sources, "sociale_toeslag", P::SourceShape),
        (F::Sources, "kindergeld=1", P::UnknownSource),
        (F::Sources, "sociale_toeslag=0.5|sociale_toeslag=0.5", P::SourceTwice),
        (F::Sources, "sociale_toeslag=0", P::Share),
        (F::Sources, "sociale_toeslag=0.5001", P::ShareSum),
        (F::BirthDate, "2017-07-31", P::Differs),
        (F::ChildNisCode, "72003", P::Differs),
        (F::ChildPostcode, "3961", P::Differs),
        (F::BeneficiaryNiss, "85073003328", P::Twice),
    ];
    for (field, value, problem) in table {
        let outcome = read(extract(&[FIRST, &with(SECOND, *field, value)]));
        assert_eq!(cell(outcome), (3, *field, *problem), "{field} {value:?}");
    }
    let outcome = read(extract(&[&with(FIRST, F::ReferenceMonth, "11/2026")]));
    assert_eq!(cell(outcome), (2, F::ReferenceMonth, P::Month));
}

#[test]
fn dossiers_of_any_shape_are_told_apart() {
    let dossiers = ["123456789", "0123456789", "1234567890", "D-1", "1", "01", "2147483649", "123456789"];
    let rows: Vec<String> = (0..)
        .zip(dossiers)
        .map(|(n, dossier)| {
            let child = Niss::from_key(1_170_730_601 + 2 * n).unwrap();
            with(&with(FIRST, Field::Dossier, dossier), Field::ChildNiss, &text(child.digits()))
        })
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let register = read(extract(&rows)).unwrap();
    let numbers: Vec<u32> = register.households().map(Household::dossier).collect();
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 7);
    assert_eq!(numbers[0], numbers[7]);
}

#[test]
fn a_fault_never_tells_a_value() {
    let outcome = read(extract(&[FIRST, &with(SECOND, Field::BeneficiaryNiss, "93051822362")]));
    let fault = outcome.unwrap_err();
    let mut chain = vec![fault.to_string()];
    let mut source = std::error::Error::source(&fault);
    while let Some(cause) = source {
        chain.push(cause.to_string());
        source = cause.source();
    }
    assert_eq!(chain, ["line 3, column beneficiary_niss", "not a NISS", "the check digits do not fit"]);
    assert!(!format!("{fault:?}").contains("930518"));
}

#[test]
fn bytes_that_are_no_text_are_told_by_line_and_column() {
    let good = extract(&[FIRST, SECOND]);
    let at = good.find("Bosstraat").unwrap();
    let mut bytes = good.into_bytes();
    bytes[at + 1] = 0xf6;
    assert_eq!(cell(read(bytes)), (3, Field::Street, CellProblem::NotUtf8));
}

#[test]
fn a_line_at_fault_is_told() {
    let long = with(SECOND, Field::Street, &"x".repeat(LINE_LIMIT_BYTES));
    let endless = with(SECOND, Field::Street, &"x".repeat(1 << 20));
    for (row, problem) in [
        ("", LineProblem::FieldCount { found: 1 }),
        (&format!("{SECOND};"), LineProblem::FieldCount { found: 24 }),
        (&with(SECOND, Field::Street, "\"open"), LineProblem::Quotes),
        (&with(SECOND, Field::Street, "\"two\nlines\""), LineProblem::Quotes),
        (&long, LineProblem::TooLong),
        (&endless, LineProblem::TooLong),
    ] {
        assert_eq!(line(read(extract(&[FIRST, row]))), (3, problem), "{problem}");
    }
    let cut = extract(&[FIRST, SECOND]);
    assert_eq!(line(read(&cut[..cut.len() - 1])), (3, LineProblem::NoLineEnd));
    assert_eq!(line(read(header())), (1, LineProblem::NoLineEnd));
}

#[test]
fn an_extract_without_rows_or_header_is_refused() {
    assert!(matches!(read(format!("{}\n", header())), Err(RegisterFault::Empty)));
    assert!(matches!(read(""), Err(RegisterFault::Empty)));
    let problem = HeaderProblem::Unknown { place: 1 };
    assert!(matches!(read(format!("{FIRST}\n")), Err(RegisterFault::Header(found)) if found == problem));
}

#[test]
fn a_child_with_too_many_beneficiaries_is_refused() {
    let mut rows = Vec::new();
    for n in 0..=MOST_HOUSEHOLDS {
        let niss = Niss::from_key(850_730_601 + 2 * u32::try_from(n).unwrap()).unwrap();
        let row = with(SECOND, Field::BeneficiaryNiss, &text(niss.digits()));
        rows.push(with(&row, Field::Sources, ""));
    }
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert!(read(extract(&rows[..MOST_HOUSEHOLDS])).is_ok());
    assert_eq!(line(read(extract(&rows))), (18, LineProblem::TooManyHouseholds));
}

#[test]
fn an_input_that_fails_is_told_whatever_came_before() {
    struct Cut<'a>(&'a [u8]);
    impl io::Read for Cut<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                Err(io::ErrorKind::UnexpectedEof.into())
            } else {
                io::Read::read(&mut self.0, buffer)
            }
        }
    }
    let whole = extract(&[FIRST, SECOND]);
    let outcome = Register::read(Cut(whole.as_bytes()), &CATALOGUE, &MUNICIPALITIES);
    assert!(matches!(outcome, Err(RegisterFault::Input(fault)) if fault.kind() == io::ErrorKind::UnexpectedEof));
}
