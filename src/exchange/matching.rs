//! Matching a list with the register: who of its children has the allowance, and who gets it.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, sync_channel},
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
    register::{Child, Entitlement, Household, Register, SharesOf},
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

/// Numbers that are looked up together, and whose beneficiaries are read together. What is asked for lies anywhere in
/// the register's memory: asking for a block before reading any of it waits for that memory once. One child in four
/// has the allowance, so that a block has enough of those to keep a core waiting for all of them at once.
const BLOCK: usize = 512;

/// Children that one thread answers at a time: long enough to be worth handing over, and short beside a list.
const PART_CHILDREN: usize = 2048;

/// Threads that answer a list, at most. Sealing, which is not divided, keeps up with no more.
const MOST_THREADS: usize = 4;

/// Parts that a thread may have ready: it need not wait for the sealing of one.
const READY: usize = 1;

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
    let parts: Vec<&[Line]> = list.children.chunks(PART_CHILDREN).collect();
    let answer = |children| Part::of(layout, children, list.column, register, terms);
    let mut found = Matched::default();
    let mut take = |part: Part| {
        found.add(part.found);
        out.write_all(&part.csv)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(parts.len());
    if threads < 2 {
        parts.iter().try_for_each(|children| take(answer(children)))?;
        return Ok(found);
    }
    thread::scope(|scope| {
        let mut answered: Vec<Receiver<Part>> = Vec::new();
        for first in 0..threads {
            let (ready, parts) = (sync_channel(READY), parts.iter().skip(first).step_by(threads));
            answered.push(ready.1);
            let (ready, answer) = (ready.0, &answer);
            // When sending fails nobody wants the rest.
            thread::Builder::new().name("match".to_owned()).spawn_scoped(scope, move || {
                parts.map(|children| answer(children)).try_for_each(|part| ready.send(part))
            })?;
        }
        for next in answered.iter().cycle().take(parts.len()) {
            take(next.recv().map_err(|_| io::Error::other("a matching thread stopped"))?)?;
        }
        Ok(())
    })
    .map(|()| found)
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
    fn of(layout: &Layout, children: &[Line], column: u32, register: &Register, terms: Terms) -> Self {
        let mut matching = Matching::new(children, column, register, terms);
        let mut csv = Zeroizing::new(Vec::with_capacity(children.len() * ROW_BYTES));
        let rows = layout.rows(&mut csv, &mut matching);
        let Matching { found: Matched { matched, entitled, outside, .. }, .. } = matching;
        Self { csv, found: Matched { rows, matched, entitled, outside } }
    }
}

/// The rows for some children, in their order. They are made when they are asked for, a block at a time, so that
/// whoever writes them finds them near; the counts are whole once all rows were taken.
struct Matching<'list, 'register> {
    children: &'list [Line],
    /// The list's column of numbers, from 1.
    column: u32,
    register: &'register Register,
    terms: Terms,
    shares: SharesOf,
    rows: std::vec::IntoIter<AnswerRow<'register>>,
    numbers: Zeroizing<Vec<Niss>>,
    lines: Vec<u32>,
    entitlements: Vec<(Niss, Option<Entitlement<'register>>)>,
    found: Matched,
}

impl<'list, 'register> Matching<'list, 'register> {
    fn new(children: &'list [Line], column: u32, register: &'register Register, terms: Terms) -> Self {
        Self {
            children,
            column,
            register,
            terms,
            shares: register.shares_of(terms.source),
            rows: Vec::new().into_iter(),
            numbers: Zeroizing::new(Vec::with_capacity(BLOCK)),
            lines: Vec::with_capacity(BLOCK),
            entitlements: Vec::with_capacity(2 * BLOCK),
            found: Matched::default(),
        }
    }

    /// Makes the rows of the next block; false when there are no more children.
    fn fill(&mut self) -> bool {
        let Some((block, rest)) = self.children.split_at_checked(BLOCK.min(self.children.len())) else { return false };
        self.children = rest;
        self.numbers.clear();
        self.lines.clear();
        for child in block.iter().filter(|child| child.is_within_age()) {
            self.numbers.push(child.niss);
            self.lines.push(child.line);
        }
        let register = self.register;
        let (numbers, lines) = (std::mem::take(&mut self.numbers), std::mem::take(&mut self.lines));
        register.find_each(&numbers, |at, child| {
            if let (Some(niss), Some(line)) = (numbers.get(at), lines.get(at)) {
                self.take(*niss, *line, child);
            }
        });
        (self.numbers, self.lines) = (numbers, lines);
        let households = self.entitlements.iter().filter_map(|(_, entitlement)| Some(entitlement.as_ref()?.household));
        Household::bring_near(households);
        let rows: Vec<_> = self.entitlements.drain(..).map(|(niss, entitlement)| row(niss, entitlement)).collect();
        self.rows = rows.into_iter();
        !block.is_empty()
    }

    fn take(&mut self, niss: Niss, line: u32, child: Option<Child<'register>>) {
        let mut entitled = false;
        if let Some(child) = child {
            self.found.matched += 1;
            let elsewhere = child.nis_code() != Some(self.terms.nis_code);
            if elsewhere && self.terms.outside_municipality == Outside::Withhold {
                let remark = Remark { line, column: self.column, problem: Problem::OtherMunicipality };
                return self.found.outside.push(remark);
            }
            for entitlement in child.entitlements(&self.shares) {
                entitled = true;
                self.entitlements.push((niss, Some(entitlement)));
            }
        }
        if entitled {
            self.found.entitled += 1;
        } else if self.terms.reply == Reply::EveryChild {
            self.entitlements.push((niss, None));
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
