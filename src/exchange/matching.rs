//! Matching a list with the register: who of its children has the allowance, and who gets it.

use crate::{
    domain::{
        NisCode, Niss, SourceId,
        protocol::{Outside, Reply},
    },
    lists::{List, Problem, Remark},
    register::{Entitlement, Register},
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

/// A row of the answer.
#[derive(Clone, Copy)]
pub struct MatchedRow<'register> {
    /// The child.
    pub niss: Niss,
    /// Who gets the allowance, and which part; none for a `nee`.
    pub entitlement: Option<Entitlement<'register>>,
}

/// A list, matched.
pub struct Matches<'register> {
    /// The answer's rows, in the list's order.
    pub rows: Vec<MatchedRow<'register>>,
    /// Lines of children who live elsewhere and were not answered.
    pub outside: Vec<Remark>,
    /// Different children of the list who are in the register.
    pub matched: u64,
    /// Children who have the allowance, of those that were answered.
    pub entitled: u64,
}

/// Matches the children of a list who are within the age.
pub fn match_list<'register>(list: &List, register: &'register Register, terms: Terms) -> Matches<'register> {
    let mut matches = Matches { rows: Vec::new(), outside: Vec::new(), matched: 0, entitled: 0 };
    let every_child = terms.reply == Reply::EveryChild;
    // About a quarter of all children has the allowance; some of them twice.
    matches.rows.reserve(if every_child { list.children.len() } else { list.children.len() / 3 });
    for line in list.children.iter().filter(|line| line.is_within_age()) {
        let niss = line.niss;
        let mut entitled = false;
        if let Some(child) = register.find(niss) {
            matches.matched += 1;
            let elsewhere = child.nis_code() != Some(terms.nis_code);
            if elsewhere && terms.outside_municipality == Outside::Withhold {
                matches.outside.push(Remark {
                    line: line.line,
                    column: list.column,
                    problem: Problem::OtherMunicipality,
                });
                continue;
            }
            for entitlement in child.entitlements(terms.source) {
                entitled = true;
                matches.rows.push(MatchedRow { niss, entitlement: Some(entitlement) });
            }
        }
        if entitled {
            matches.entitled += 1;
        } else if every_child {
            matches.rows.push(MatchedRow { niss, entitlement: None });
        }
    }
    matches
}
