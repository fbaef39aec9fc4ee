//! Matching a list with the register: who of its children has the allowance, and who gets it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    iter,
    ops::Range,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread,
};

use zeroize::Zeroizing;

use crate::{
    documents::{AnswerRow, Beneficiary, answer::Layout},
    domain::{
        Column, NisCode, Niss, SourceId,
        protocol::{Outside, Reply},
    },
    lists::{Line, List, Problem, Remark},
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

/// What was found of a list's children.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matched {
    /// Rows of the answer.
    pub rows: u64,
    /// Children who are in the register.
    pub matched: u64,
    /// Children who have the allowance, of those that are answered.
    pub entitled: u64,
    /// Lines of children who live elsewhere and are not answered.
    pub outside: Vec<Remark>,
}

/// Some of a list's children, answered.
struct Part {
    csv: Zeroizing<Vec<u8>>,
    found: Matched,
}

/// Writes the answer to a list, in the list's order. A long list is matched on several threads.
///
/// # Errors
/// What `out` gives, or `InvalidInput` for a column that is not of the answer's layout.
pub fn write_answer(
    out: &mut impl Write,
    columns: &[Column],
    list: &List,
    register: &Register,
    terms: Terms,
) -> io::Result<Matched> {
    let layout = &Layout::of(columns)?;
    out.write_all(layout.header().as_bytes())?;
    let children = &register.find_all(list.ascending());
    let parts = list.children.len().div_ceil(PART_CHILDREN);
    let claimed = AtomicUsize::new(0);
    let answer_next = &|| {
        let number = claimed.fetch_add(1, Ordering::Relaxed);
        let matching =
            (number < parts).then(|| Matching::new(list, children, number, register.shares_of(terms.source), terms));
        matching.map(|matching| (number, Part::of(layout, matching)))
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(parts);
    thread::scope(|scope| {
        let (ready, answered) = sync_channel(READY);
        for _ in 1..threads {
            let ready = ready.clone();
            // When there is no thread to be had, the others do its work; when sending fails nobody wants the rest.
            let _ = thread::Builder::new()
                .name("match".to_owned())
                .spawn_scoped(scope, move || iter::from_fn(answer_next).try_for_each(|part| ready.send(part)));
        }
        drop(ready);
        let mut found = Matched::default();
        let mut waiting = BTreeMap::new();
        for number in 0..parts {
            let part = loop {
                waiting.extend(answered.try_iter());
                if let Some(part) = waiting.remove(&number) {
                    break part;
                }
                // Rather than wait for the others this thread does some of their work, while few parts wait. They are taken
                // in order: when later ones are there, another thread works on this one.
                let own = if waiting.len() < READY { answer_next() } else { None };
                let stopped = |_| io::Error::other("a matching thread stopped");
                let (number, part) = own.map_or_else(|| answered.recv().map_err(stopped), Ok)?;
                waiting.insert(number, part);
            };
            found.add(part.found);
            out.write_all(&part.csv)?;
        }
        Ok(found)
    })
}

impl Matched {
    fn add(&mut self, mut next: Self) {
        self.rows += next.rows;
        self.matched += next.matched;
        self.entitled += next.entitled;
        self.outside.append(&mut next.outside);
    }
}

impl Part {
    fn of(layout: &Layout, mut matching: Matching<'_, '_>) -> Self {
        let mut csv = Zeroizing::new(Vec::with_capacity(matching.left.len() * ROW_BYTES));
        let rows = layout.rows(&mut csv, &mut matching);
        let Matching { found: Matched { matched, entitled, outside, .. }, .. } = matching;
        Self { csv, found: Matched { rows, matched, entitled, outside } }
    }
}

/// The rows for some children, in their order. They are made when they are asked for, a block at a time, so that
/// whoever writes them finds them near; the counts are whole once all rows were taken.
struct Matching<'list, 'register> {
    list: &'list List,
    children: &'list Found<'register>,
    /// The places in the list of who is still to be answered.
    left: Range<usize>,
    terms: Terms,
    shares: SharesOf,
    rows: std::vec::IntoIter<AnswerRow<'register>>,
    entitlements: Vec<(Niss, Option<Entitlement<'register>>)>,
    found: Matched,
}

impl<'list, 'register> Matching<'list, 'register> {
    /// A part of the list, by its number.
    fn new(list: &'list List, children: &'list Found<'register>, part: usize, shares: SharesOf, terms: Terms) -> Self {
        let first = part * PART_CHILDREN;
        Self {
            list,
            children,
            left: first..(first + PART_CHILDREN).min(list.children.len()),
            terms,
            shares,
            rows: Vec::new().into_iter(),
            entitlements: Vec::with_capacity(2 * BLOCK),
            found: Matched::default(),
        }
    }

    /// Makes the rows of the next block; false when there are no more children.
    fn fill(&mut self) -> bool {
        let places = self.left.start..(self.left.start + BLOCK).min(self.left.end);
        if places.is_empty() {
            return false;
        }
        self.left.start = places.end;
        let lines = self.list.children.get(places.clone()).unwrap_or_default();
        for (line, child) in lines.iter().zip(self.children.at(places)).filter(|(line, _)| line.is_within_age()) {
            self.take(line, child);
        }
        let households = self.entitlements.iter().filter_map(|(_, entitlement)| Some(entitlement.as_ref()?.household));
        Household::bring_near(households);
        let rows: Vec<_> = self.entitlements.drain(..).map(|(niss, entitlement)| row(niss, entitlement)).collect();
        self.rows = rows.into_iter();
        true
    }

    fn take(&mut self, line: &Line, child: Option<Child<'register>>) {
        let mut entitled = false;
        if let Some(child) = child {
            self.found.matched += 1;
            let elsewhere = child.nis_code() != Some(self.terms.nis_code);
            if elsewhere && self.terms.outside_municipality == Outside::Withhold {
                let problem = Problem::OtherMunicipality;
                return self.found.outside.push(Remark { line: line.line, column: self.list.column, problem });
            }
            for entitlement in child.entitlements(&self.shares) {
                entitled = true;
                self.entitlements.push((line.niss, Some(entitlement)));
            }
        }
        if entitled {
            self.found.entitled += 1;
        } else if self.terms.reply == Reply::EveryChild {
            self.entitlements.push((line.niss, None));
        }
    }
}

impl<'register> Iterator for Matching<'_, 'register> {
    type Item = AnswerRow<'register>;

    fn next(&mut self) -> Option<AnswerRow<'register>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(row);
            }
            if !self.fill() {
                return None;
            }
        }
    }
}

fn row(niss: Niss, entitlement: Option<Entitlement<'_>>) -> AnswerRow<'_> {
    AnswerRow {
        niss,
        entitled: entitlement.is_some(),
        beneficiary: entitlement.map(|Entitlement { household, share }| {
            let (last_name, first_name) = household.beneficiary_name();
            Beneficiary { niss: household.beneficiary(), last_name, first_name, share }
        }),
    }
}
