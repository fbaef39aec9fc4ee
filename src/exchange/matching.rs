//! Matching a list with the register: who of its children has the allowance, and who gets it.

use std::hint::black_box;

use crate::{
    documents::{AnswerRow, Beneficiary},
    domain::{
        NisCode, Niss, SourceId,
        protocol::{Outside, Reply},
    },
    lists::{Line, List, Problem, Remark},
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

/// A list, matched.
pub struct Matches<'register> {
    /// The answer's rows, in the list's order.
    pub rows: Vec<AnswerRow<'register>>,
    /// Lines of children who live elsewhere and were not answered.
    pub outside: Vec<Remark>,
    /// Different children of the list who are in the register.
    pub matched: u64,
    /// Children who have the allowance, of those that were answered.
    pub entitled: u64,
}

/// Rows whose beneficiaries are read together: their texts lie anywhere in the register's memory, and asking for all
/// of them before reading any waits for that memory once.
const BLOCK: usize = 64;

/// Rows of the answer, with what is still to be read of them.
struct Answer<'list, 'register> {
    terms: Terms,
    list: &'list List,
    pending: Vec<(Niss, Option<Entitlement<'register>>)>,
    matches: Matches<'register>,
}

/// Matches the children of a list who are within the age.
pub fn match_list<'register>(list: &List, register: &'register Register, terms: Terms) -> Matches<'register> {
    let every_child = terms.reply == Reply::EveryChild;
    // About a quarter of all children has the allowance; some of them twice.
    let rows = Vec::with_capacity(if every_child { list.children.len() } else { list.children.len() / 3 });
    let matches = Matches { rows, outside: Vec::new(), matched: 0, entitled: 0 };
    let mut answer = Answer { terms, list, pending: Vec::with_capacity(2 * BLOCK), matches };
    let lines: Vec<&Line> = list.children.iter().filter(|line| line.is_within_age()).collect();
    let numbers: Vec<Niss> = lines.iter().map(|line| line.niss).collect();
    register.find_each(&numbers, |at, child| {
        if let Some(line) = lines.get(at) {
            answer.take(line, child);
        }
    });
    answer.read_pending();
    answer.matches
}

impl<'register> Answer<'_, 'register> {
    fn take(&mut self, line: &Line, child: Option<Child<'register>>) {
        let niss = line.niss;
        let mut entitled = false;
        if let Some(child) = child {
            self.matches.matched += 1;
            let elsewhere = child.nis_code() != Some(self.terms.nis_code);
            if elsewhere && self.terms.outside_municipality == Outside::Withhold {
                let (line, column) = (line.line, self.list.column);
                self.matches.outside.push(Remark { line, column, problem: Problem::OtherMunicipality });
                return;
            }
            for entitlement in child.entitlements(self.terms.source) {
                entitled = true;
                self.pending.push((niss, Some(entitlement)));
            }
        }
        if entitled {
            self.matches.entitled += 1;
        } else if self.terms.reply == Reply::EveryChild {
            self.pending.push((niss, None));
        }
        if self.pending.len() >= BLOCK {
            self.read_pending();
        }
    }

    fn read_pending(&mut self) {
        let texts = self.pending.iter().filter_map(|(_, entitlement)| *entitlement);
        black_box(texts.fold(0, |mixed, entitlement| mixed ^ entitlement.household.text_bytes()));
        self.matches.rows.extend(self.pending.drain(..).map(|(niss, entitlement)| AnswerRow {
            niss,
            entitled: entitlement.is_some(),
            beneficiary: entitlement.map(|Entitlement { household, share }| {
                let (last_name, first_name) = household.beneficiary_name();
                Beneficiary { niss: household.beneficiary(), last_name, first_name, share }
            }),
        }));
    }
}
