//! Matching a list with the register: who of its children has the allowance, and who gets it.

use std::hint::black_box;

use zeroize::Zeroizing;

use crate::{
    documents::{AnswerRow, Beneficiary},
    domain::{
        NisCode, Niss, SourceId,
        protocol::{Outside, Reply},
    },
    lists::{List, Problem, Remark},
    register::{Child, Entitlement, Register},
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

/// Numbers that are looked up together, and rows whose beneficiaries are read together. What is asked for lies anywhere
/// in the register's memory: asking for a block before reading any of it waits for that memory once.
const BLOCK: usize = 64;

/// The answer to a list, row by row, in the list's order. Rows are made when they are asked for, a block at a time, so
/// that whoever writes them finds them near; the counts are whole once all rows were taken.
pub struct Matching<'list, 'register> {
    list: &'list List,
    register: &'register Register,
    terms: Terms,
    /// The next line of the list.
    next_line: usize,
    rows: std::vec::IntoIter<AnswerRow<'register>>,
    numbers: Zeroizing<Vec<Niss>>,
    lines: Vec<u32>,
    found: Vec<(Niss, Option<Entitlement<'register>>)>,
    outside: Vec<Remark>,
    matched: u64,
    entitled: u64,
}

impl<'list, 'register> Matching<'list, 'register> {
    /// Begins to match the children of a list who are within the age.
    pub fn new(list: &'list List, register: &'register Register, terms: Terms) -> Self {
        Self {
            list,
            register,
            terms,
            next_line: 0,
            rows: Vec::new().into_iter(),
            numbers: Zeroizing::new(Vec::with_capacity(BLOCK)),
            lines: Vec::with_capacity(BLOCK),
            found: Vec::with_capacity(2 * BLOCK),
            outside: Vec::new(),
            matched: 0,
            entitled: 0,
        }
    }

    /// Lines of children who live elsewhere and were not answered, so far.
    pub fn outside(&self) -> &[Remark] {
        &self.outside
    }

    /// Different children of the list who are in the register, so far.
    pub fn matched(&self) -> u64 {
        self.matched
    }

    /// Children who have the allowance, of those that were answered, so far.
    pub fn entitled(&self) -> u64 {
        self.entitled
    }

    /// Makes the rows of the next block of lines; false when there are no more.
    fn fill(&mut self) -> bool {
        self.numbers.clear();
        self.lines.clear();
        let rest = self.list.children.get(self.next_line..).unwrap_or_default();
        let mut taken = 0;
        for line in rest {
            taken += 1;
            if line.is_within_age() {
                self.numbers.push(line.niss);
                self.lines.push(line.line);
            }
            if self.numbers.len() == BLOCK {
                break;
            }
        }
        self.next_line += taken;
        let register = self.register;
        let numbers = std::mem::take(&mut self.numbers);
        register.find_each(&numbers, |at, child| {
            if let (Some(niss), Some(line)) = (numbers.get(at), self.lines.get(at)) {
                self.take(*niss, *line, child);
            }
        });
        self.numbers = numbers;
        let texts = self.found.iter().filter_map(|(_, entitlement)| *entitlement);
        black_box(texts.fold(0, |mixed, entitlement| mixed ^ entitlement.household.text_bytes()));
        let rows: Vec<_> = self.found.drain(..).map(|(niss, entitlement)| row(niss, entitlement)).collect();
        self.rows = rows.into_iter();
        taken > 0
    }

    fn take(&mut self, niss: Niss, line: u32, child: Option<Child<'register>>) {
        let mut entitled = false;
        if let Some(child) = child {
            self.matched += 1;
            let elsewhere = child.nis_code() != Some(self.terms.nis_code);
            if elsewhere && self.terms.outside_municipality == Outside::Withhold {
                let column = self.list.column;
                self.outside.push(Remark { line, column, problem: Problem::OtherMunicipality });
                return;
            }
            for entitlement in child.entitlements(self.terms.source) {
                entitled = true;
                self.found.push((niss, Some(entitlement)));
            }
        }
        if entitled {
            self.entitled += 1;
        } else if self.terms.reply == Reply::EveryChild {
            self.found.push((niss, None));
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
