//! Matching a list with the register: who of its children has the allowance, and who gets it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    iter,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread,
};

use jiff::civil::Date;
use zeroize::Zeroizing;

use crate::{
    documents::{AnswerRow, Beneficiary, answer::Layout},
    domain::{
        AgeCheck, Birth, Column, NisCode, Niss, SourceId,
        protocol::{Outside, Reply},
        tells_beneficiaries,
    },
    lists::{AGE_LIMIT_YEARS, Line, List, Problem, Remark},
    register::{Child, Entitlement, Found, Household, Register, SharesOf},
};

/// On which terms a list is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Which children get a row.
    pub reply: Reply,
    /// What happens to children of elsewhere.
    pub outside_municipality: Outside,
    /// The municipality that asks.
    pub nis_code: NisCode,
    /// The allowance that is asked about.
    pub source: SourceId,
    /// The day in Brussels.
    pub today: Date,
    /// Whether the register is a synthetic one: who is not in it then is no child of a trial, and gets no row.
    pub trial: bool,
}

/// Children whose beneficiaries are read together. Those lie anywhere in the register's memory: asking for a block
/// before reading any of it waits for that memory once. One child in four has the allowance, so that a block has enough
/// of those to keep a core waiting for all of them at once.
const BLOCK: usize = 512;

/// Children that one thread answers at a time: long enough to be worth handing over, and short beside a list.
const PART_CHILDREN: usize = 2048;

/// Threads that answer a list, at most. Sealing, which is not divided, keeps up with no more.
const MOST_THREADS: usize = 4;

/// Parts that are ready before they are sealed, so that nobody waits for a single one: a megabyte or two. Where one thread
/// is held up and several others go on, it can be the rest of the answer: some 60 bytes for each of the list's rows.
const READY: usize = 8;

/// Room for one row, so that a part seldom has to move: numbers, a share, and a name of 20 letters.
const ROW_BYTES: usize = 64;

/// A list with what the register has of each of its children.
pub struct Matched<'register> {
    list: List,
    register: &'register Register,
    found: Found<'register>,
}

impl<'register> Matched<'register> {
    /// Looks a list up in the register. `beside` is worked out from it meanwhile.
    pub fn of<T: Send>(list: List, register: &'register Register, beside: impl FnOnce(&List) -> T + Send) -> (Self, T) {
        let (found, worked_out) = register.find_all(list.ascending(), || beside(&list));
        (Self { list, register, found }, worked_out)
    }

    /// The list.
    pub fn list(&self) -> &List {
        &self.list
    }

    /// The register.
    pub fn register(&self) -> &'register Register {
        self.register
    }
}

/// What an answer says, in figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answered {
    /// Rows of the answer.
    pub rows: u64,
    /// Children who are in the register.
    pub matched: u64,
    /// Children who have the allowance, of those that are answered.
    pub entitled: u64,
    /// Lines of children who get no answer by what the register knows of them.
    pub unanswered: Vec<Remark>,
}

/// Some of a list's children, answered.
struct Part {
    csv: Zeroizing<Vec<u8>>,
    answered: Answered,
}

/// Writes the answer to a list, in the list's order. A long list is matched on several threads.
///
/// # Errors
/// What `out` gives, or `InvalidInput` for a column that is not of the answer's layout.
pub fn write_answer(
    out: &mut impl Write,
    columns: &[Column],
    matched: &Matched<'_>,
    terms: Terms,
) -> io::Result<Answered> {
    let (layout, each_beneficiary) = (&Layout::of(columns)?, tells_beneficiaries(columns));
    out.write_all(layout.header().as_bytes())?;
    let parts = matched.list.children.len().div_ceil(PART_CHILDREN);
    let claimed = AtomicUsize::new(0);
    // Used again and again: memory that is new costs more than what is written to it.
    let spare = &Mutex::new(Vec::new());
    let answer_next = &|| {
        let number = claimed.fetch_add(1, Ordering::Relaxed);
        (number < parts).then(|| {
            let room = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let room = room.unwrap_or_else(|| Zeroizing::new(Vec::with_capacity(PART_CHILDREN * ROW_BYTES)));
            (number, Part::of(layout, room, Matching::new(matched, number, terms, each_beneficiary)))
        })
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(parts);
    thread::scope(|scope| {
        let (ready, made) = sync_channel(READY);
        for _ in 1..threads {
            let ready = ready.clone();
            // When there is no thread to be had, the others do its work; when sending fails nobody wants the rest.
            let _ = thread::Builder::new()
                .name("match".to_owned())
                .spawn_scoped(scope, move || iter::from_fn(answer_next).try_for_each(|part| ready.send(part)));
        }
        drop(ready);
        let mut answered = Answered::default();
        let mut waiting = BTreeMap::new();
        for number in 0..parts {
            let part = loop {
                waiting.extend(made.try_iter());
                if let Some(part) = waiting.remove(&number) {
                    break part;
                }
                // Rather than wait for the others this thread does some of their work, while few parts wait. They are taken
                // in order: when later ones are there, another thread works on this one.
                let own = if waiting.len() < READY { answer_next() } else { None };
                let stopped = |_| io::Error::other("a matching thread stopped");
                let (number, part) = own.map_or_else(|| made.recv().map_err(stopped), Ok)?;
                waiting.insert(number, part);
            };
            answered.add(part.answered);
            out.write_all(&part.csv)?;
            spare.lock().unwrap_or_else(PoisonError::into_inner).push(part.csv);
        }
        Ok(answered)
    })
}

impl Answered {
    fn add(&mut self, mut next: Self) {
        self.rows += next.rows;
        self.matched += next.matched;
        self.entitled += next.entitled;
        self.unanswered.append(&mut next.unanswered);
    }

    /// Children who get no answer for that reason.
    pub fn unanswered_for(&self, problem: Problem) -> usize {
        self.unanswered.iter().filter(|remark| remark.problem == problem).count()
    }
}

impl Part {
    fn of(layout: &Layout, mut csv: Zeroizing<Vec<u8>>, mut matching: Matching<'_, '_>) -> Self {
        csv.clear();
        let mut rows = 0;
        while matching.fill() {
            rows += layout.rows(&mut csv, matching.entitlements.drain(..).map(|(niss, found)| row(niss, found)));
        }
        Self { csv, answered: Answered { rows, ..matching.answered } }
    }
}

/// The rows for some children, in their order, a block at a time, so that whoever writes them finds them near.
struct Matching<'matched, 'register> {
    matched: &'matched Matched<'register>,
    /// The places in the list of who is still to be answered.
    left: Range<usize>,
    terms: Terms,
    shares: SharesOf,
    /// Whether each beneficiary of a child is on a row.
    each_beneficiary: bool,
    entitlements: Vec<(Niss, Option<Entitlement<'register>>)>,
    answered: Answered,
}

impl<'matched, 'register> Matching<'matched, 'register> {
    /// A part of the list, by its number.
    fn new(matched: &'matched Matched<'register>, part: usize, terms: Terms, each_beneficiary: bool) -> Self {
        let first = part * PART_CHILDREN;
        Self {
            matched,
            left: first..(first + PART_CHILDREN).min(matched.list.children.len()),
            terms,
            shares: matched.register.shares_of(terms.source),
            each_beneficiary,
            entitlements: Vec::with_capacity(2 * BLOCK),
            answered: Answered::default(),
        }
    }

    /// Makes the rows of the next block; false when there are no more children.
    fn fill(&mut self) -> bool {
        let places = self.left.start..(self.left.start + BLOCK).min(self.left.end);
        if places.is_empty() {
            return false;
        }
        self.left.start = places.end;
        let Matched { list, found, .. } = self.matched;
        let lines = list.children.get(places.clone()).unwrap_or_default();
        for (line, child) in lines.iter().zip(found.at(places)).filter(|(line, _)| line.is_within_age()) {
            self.take(line, child);
        }
        let households = self.entitlements.iter().filter_map(|(_, entitlement)| Some(entitlement.as_ref()?.household));
        Household::bring_near(households);
        true
    }

    fn take(&mut self, line: &Line, child: Option<Child<'register>>) {
        let mut entitled = false;
        let unanswerable = match child {
            Some(child) => self.unanswerable(line, child),
            None => self.terms.trial.then_some(Problem::NotSynthetic),
        };
        self.answered.matched += u64::from(child.is_some());
        if let Some(problem) = unanswerable {
            let column = self.matched.list.column;
            return self.answered.unanswered.push(Remark { line: line.line, column, problem });
        }
        if let Some(child) = child {
            let entitlements = &mut self.entitlements;
            let before = entitlements.len();
            entitled = child.each_entitlement(&self.shares, |found| entitlements.push((line.niss, Some(found))));
            if !self.each_beneficiary {
                entitlements.truncate(before + 1);
            }
        }
        if entitled {
            self.answered.entitled += 1;
        } else if self.terms.reply == Reply::EveryChild {
            self.entitlements.push((line.niss, None));
        }
    }
}

impl Matching<'_, '_> {
    /// Why a child of the register gets no answer, when it gets none.
    fn unanswerable(&self, line: &Line, child: Child<'_>) -> Option<Problem> {
        let withhold = self.terms.outside_municipality == Outside::Withhold;
        if withhold && child.nis_code() != Some(self.terms.nis_code) {
            return Some(Problem::OtherMunicipality);
        }
        if line.age != AgeCheck::Undecided {
            return None;
        }
        // The number does not tell the age; the register may. Its row lies far away: only few are asked.
        let age = Birth::Day(child.birth_date()?).age_check(AGE_LIMIT_YEARS, self.terms.today);
        (age == AgeCheck::Reached).then_some(Problem::OutsideAge)
    }
}

fn row(niss: Niss, entitlement: Option<Entitlement<'_>>) -> AnswerRow<'_> {
    AnswerRow {
        niss,
        entitled: entitlement.is_some(),
        beneficiary: entitlement.map(|Entitlement { household, share }| {
            let (last_name, first_name) = household.beneficiary_name_bytes();
            Beneficiary { niss: household.beneficiary(), last_name, first_name, share }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Kind, Municipalities, SourceCatalogue, source::Source},
        lists::{self, Limits},
    };
    use jiff::civil::date;

    const HEADER: &str = "reference_month;dossier;child_niss;child_last_name;child_first_name;birth_date;child_nis_code;\
        child_postcode;rank;family_size;single_parent;beneficiary_niss;beneficiary_last_name;beneficiary_first_name;street;\
        house_number;box;postcode;municipality;country;account_holder;iban;sources";

    /// The answer to a list of one number that tells no birth date, with that date in the register.
    fn answer(birth: &str, today: Date) -> (String, Answered) {
        answer_to(b"niss\n00000100195\n", birth, today, Reply::EntitledOnly, false)
    }

    fn answer_to(list: &[u8], birth: &str, today: Date, reply: Reply, trial: bool) -> (String, Answered) {
        let row = format!(
            "2026-11;D1;00000100195;Peeters;Jan;{birth};72004;3960;1;1;0;85073003328;Peeters;An;Kerkstraat;1;;3960;\
             Bree;BE;;;sociale_toeslag=1\n"
        );
        answer_from(&row, list, Kind::SocialeToeslag.columns(), today, reply, trial)
    }

    fn answer_from(
        rows: &str,
        list: &[u8],
        columns: &[Column],
        today: Date,
        reply: Reply,
        trial: bool,
    ) -> (String, Answered) {
        let source = Source { code: "sociale_toeslag".to_owned(), name: String::new() };
        let catalogue = SourceCatalogue::new(vec![source]).unwrap();
        let municipalities = Municipalities::parse(include_str!("../../config/municipalities.csv")).unwrap();
        let extract = format!("{HEADER}\n{rows}");
        let register = Register::read(extract.as_bytes(), &catalogue, &municipalities).unwrap();
        let list = lists::read(list, "lijst.csv", &Limits::default(), today).unwrap();
        let terms = Terms {
            reply,
            outside_municipality: Outside::Withhold,
            nis_code: "72004".parse().unwrap(),
            source: catalogue.id("sociale_toeslag").unwrap(),
            today,
            trial,
        };
        let (matched, ()) = Matched::of(list, &register, |_| ());
        let mut out = Vec::new();
        let answered = write_answer(&mut out, columns, &matched, terms).unwrap();
        (String::from_utf8(out).unwrap(), answered)
    }

    #[test]
    fn a_child_of_two_households_has_one_row_where_no_column_tells_of_them() {
        let row = |number: &str| {
            format!(
                "2026-11;D1;00000100195;Peeters;Jan;2017-01-01;72004;3960;1;1;0;{number};Peeters;An;Kerkstraat;1;;3960;Bree;\
                 BE;;;sociale_toeslag=0.5\n"
            )
        };
        let rows = row("85073003328") + &row("75060898009");
        let answer = |columns: &[&str]| {
            let columns: Vec<_> = columns.iter().map(|name| Kind::SocialeToeslag.column(name).unwrap()).collect();
            let today = date(2026, 11, 21);
            let (text, answered) =
                answer_from(&rows, b"niss\n00000100195\n", &columns, today, Reply::EntitledOnly, false);
            assert_eq!(answered.entitled, 1);
            (text, answered.rows)
        };
        assert_eq!(answer(&["niss", "sociale_toeslag"]), ("niss;sociale_toeslag\n00000100195;ja\n".to_owned(), 1));
        let (shares, count) = answer(&["niss", "sociale_toeslag", "aandeel"]);
        assert_eq!((shares.matches("00000100195;ja;0.5\n").count(), count), (2, 2));
        assert_eq!(answer(&["niss", "sociale_toeslag", "begunstigde_naam"]).1, 2);
    }

    /// FORMATS.md, section 2.1: who is 25 on the day of the answer is not answered.
    #[test]
    fn the_register_tells_the_age_that_a_number_does_not() {
        for (birth, today, rows) in [
            ("2001-11-22", date(2026, 11, 21), 1),
            ("2001-11-22", date(2026, 11, 22), 0),
            ("1999-05-01", date(2026, 11, 21), 0),
            ("", date(2026, 11, 21), 1),
        ] {
            let (text, answered) = answer(birth, today);
            assert_eq!((text.lines().count(), answered.rows), (1 + rows, rows as u64), "{birth} on {today}: {text}");
            assert_eq!(answered.unanswered_for(Problem::OutsideAge), 1 - rows, "{birth} on {today}");
        }
    }

    /// A "nee" for a number of nobody in the synthetic register would look like an answer.
    #[test]
    fn a_trial_answers_only_whom_its_register_has() {
        let list = b"niss\n00000100195\n17073003384\n";
        for (trial, rows, unanswered) in [(false, 2, 0), (true, 1, 1)] {
            let (text, answered) = answer_to(list, "", date(2026, 11, 21), Reply::EveryChild, trial);
            assert_eq!((answered.rows, answered.unanswered_for(Problem::NotSynthetic)), (rows, unanswered), "{text}");
            assert_eq!(text.contains("17073003384;nee"), !trial, "{text}");
        }
    }
}
