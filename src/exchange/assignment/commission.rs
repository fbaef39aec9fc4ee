//! An assignment with everything that it stands on, as all of it is now.

use std::{fmt::Write, sync::Arc};

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::{
    AssignmentFault,
    variation::{Around, read},
};
use crate::{
    documents::criteria::criteria_nl,
    domain::{
        Amount, Assignment, AssignmentId, Clearance, Criteria, Ground, Kind, Municipality, ProtocolId, SourceCatalogue,
        SourceId, Tenant,
        assignment::Between,
        release::{Request, release},
    },
    dropbox::Area,
    exchange::{
        Exchange, ExchangeError, GateRefusal,
        delivery::{Origin, Outgoing},
        queue::Reserved,
    },
    ledger::RunRow,
    register::Register,
    transfer_log::{Actor, Context},
};

/// What an order for an assignment works with.
pub(super) struct Commission {
    pub assignment: Arc<Assignment>,
    /// Whose onboarding tests include those that the log knows to be passed.
    pub tenant: Arc<Tenant>,
    pub municipality: Municipality,
    pub register: Arc<Register>,
    pub today: Date,
}

impl Commission {
    /// The assignment of that name, its tenant, and the register in use.
    pub fn of(exchange: &Exchange, id: &AssignmentId) -> Result<Self, AssignmentFault> {
        let parts = &exchange.parts;
        let assignment = parts.tenants.assignment(id).ok_or_else(|| AssignmentFault::Unknown(id.to_string()))?;
        let tenant = exchange.onboarded(&assignment.tenant)?;
        let problem = "it is no municipality of the table";
        let unfit = || ExchangeError::TenantUnfit { tenant: tenant.id.to_string(), problem };
        let nis_code = tenant.nis_code.ok_or_else(unfit)?;
        let municipality = parts.registers.municipalities().by_code(nis_code).ok_or_else(unfit)?.clone();
        let register = parts.registers.live().ok_or(ExchangeError::NoRegister)?;
        Ok(Self { assignment, tenant, municipality, register, today: parts.clock.today() })
    }

    /// The same, with the turn of its tenant, which it waits for: nobody else works for that tenant, and all of it is as it
    /// is after the wait. What speaks against it before is told without one.
    pub fn in_turn<'a>(exchange: &'a Exchange, id: &AssignmentId) -> Result<(Self, Reserved<'a>), AssignmentFault> {
        let mut commission = Self::of(exchange, id)?;
        loop {
            let of = commission.tenant.id.clone();
            let turn = exchange.queue.reserve(&of).ok_or(AssignmentFault::Stopping)?;
            // Its protocol may have ended since, or a recipient's key; or it is another tenant's.
            commission = Self::of(exchange, id)?;
            if commission.tenant.id == of {
                return Ok((commission, turn));
            }
        }
    }

    /// The reference of what leaves without a ground: the assignment's protocol or agreement.
    pub fn reference(&self) -> &ProtocolId {
        let Assignment { protocol, agreement, id, .. } = &*self.assignment;
        protocol.as_ref().or(agreement.as_ref()).unwrap_or(id.as_reference())
    }

    /// Entries of an order: about the tenant, its ground and a run, where there is one.
    pub fn context(&self, run: Option<&str>) -> Context {
        Context {
            tenant: Some(self.tenant.id.clone()),
            protocol: Some(self.reference().clone()),
            correlation: run.map(str::to_owned),
            ..Context::of(Actor::Operator)
        }
    }

    /// Asks the gate; a no is entered in the log.
    pub fn clear(
        &self,
        exchange: &Exchange,
        receiver: &Tenant,
        ground: Ground<'_>,
        kind: Kind,
    ) -> Result<Clearance, AssignmentFault> {
        let uses = match ground {
            Ground::Protocol(id) => exchange.uses_of(&self.tenant, id, self.today)?,
            Ground::Agreement { .. } | Ground::NoPersonalData(_) | Ground::Trial(_) => 0,
        };
        let request = Request { tenant: receiver, ground, kind, columns: None, today: self.today, uses };
        let refusal = match release(request) {
            Ok(clearance) => return Ok(clearance),
            Err(refusal) => refusal,
        };
        exchange.enter_refusal(refusal.rule, self.context(None), None)?;
        Err(AssignmentFault::Gate(GateRefusal::of(request)))
    }

    /// A file for the local authority itself, of no run.
    pub fn outgoing(
        &self,
        area: Area,
        clearance: Clearance,
        extension: &'static str,
        (sequence, amount_total): (u32, Option<Amount>),
    ) -> Outgoing<'_> {
        Outgoing {
            tenant: &self.tenant,
            clearance,
            area,
            sequence,
            extension,
            origin: Origin::Assignment {
                id: &self.assignment.id,
                nis_code: self.municipality.nis_code,
                run: None,
                amount_total,
            },
        }
    }

    /// The criteria as text.
    pub fn criteria_text(&self) -> String {
        text(&self.assignment.criteria, self.register.catalogue())
    }

    /// The SHA-256 of the criteria as text, hexadecimal: the same for the same criteria, whatever else changes.
    pub fn criteria_sha256(&self) -> String {
        digest_of(&self.assignment.criteria, self.register.catalogue())
    }

    /// The criteria of today in Dutch, a line for each.
    pub fn criteria_nl(&self) -> Vec<String> {
        criteria_nl(&self.assignment.criteria, self.register.catalogue())
    }

    /// The criteria that a run had, in Dutch.
    pub fn criteria_of_run(&self, run: &RunRow) -> Vec<String> {
        let around = Around { catalogue: self.register.catalogue(), municipality: &self.municipality };
        run_criteria_nl((&run.criteria_sha256, run.criteria.as_deref()), &self.assignment.criteria, &around)
    }
}

/// What a report says of a run whose entry has no criteria, and others than today's.
const NOT_RECORDED: &str = "De criteria van deze uitvoering zijn niet vastgelegd.";

/// The criteria of a run, by what its entry has of them: their digest and, where it was recorded, their text. They are
/// shown as they were recorded where they name what is not there today.
fn run_criteria_nl((digest, text): (&str, Option<&str>), today: &Criteria, around: &Around<'_>) -> Vec<String> {
    if digest == digest_of(today, around.catalogue) {
        return criteria_nl(today, around.catalogue);
    }
    let Some(text) = text else { return vec![NOT_RECORDED.to_owned()] };
    match read(text, around) {
        Ok(criteria) => criteria_nl(&criteria, around.catalogue),
        Err(_) => text.lines().map(str::to_owned).collect(),
    }
}

fn digest_of(criteria: &Criteria, catalogue: &SourceCatalogue) -> String {
    hex::encode(Sha256::digest(text(criteria, catalogue)))
}

/// Criteria as text, a line for each; what demands nothing has none. [`read`] reads it again.
fn text(criteria: &Criteria, catalogue: &SourceCatalogue) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{key}={value}");
        }
    };
    let codes = |sources: &[SourceId]| {
        let mut codes: Vec<&str> =
            sources.iter().filter_map(|id| catalogue.source(*id)).map(|source| source.code.as_str()).collect();
        codes.sort_unstable();
        codes.join("+")
    };
    let number = |number: Option<u8>| number.map(|number| number.to_string()).unwrap_or_default();
    let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
    let Criteria { postcodes, any_of, all_of, none_of, born, rank, family_size, single_parent } = criteria;
    let mut postcodes: Vec<String> = postcodes.iter().map(ToString::to_string).collect();
    postcodes.sort_unstable();
    line("postcodes", postcodes.join("+"));
    line("any_of", codes(any_of));
    line("all_of", codes(all_of));
    line("none_of", codes(none_of));
    line("born.from", day(born.from));
    line("born.until", day(born.until));
    for (key, Between { at_least, at_most }) in [("rank", rank), ("family_size", family_size)] {
        line(&format!("{key}.at_least"), number(*at_least));
        line(&format!("{key}.at_most"), number(*at_most));
    }
    line("single_parent", single_parent.map(|single| single.to_string()).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{assignment::Born, source::Source};
    use jiff::civil::date;

    fn catalogue() -> SourceCatalogue {
        let source = |code: &str| Source { code: code.to_owned(), name: code.to_owned() };
        SourceCatalogue::new(["sociale_toeslag", "schooltoeslag"].map(source).to_vec()).unwrap()
    }

    #[test]
    fn criteria_read_the_same_in_any_order() {
        let catalogue = catalogue();
        let ids: Vec<SourceId> = catalogue.iter().map(|(id, _)| id).collect();
        let criteria = Criteria {
            any_of: ids.clone(),
            born: Born { from: Some(date(2014, 1, 1)), until: None },
            rank: Between { at_least: Some(1), at_most: None },
            postcodes: vec![8820, 8600],
            ..Criteria::default()
        };
        let other =
            Criteria { any_of: ids.into_iter().rev().collect(), postcodes: vec![8600, 8820], ..criteria.clone() };
        assert_eq!(text(&criteria, &catalogue), text(&other, &catalogue));
        assert_eq!(
            text(&criteria, &catalogue),
            "postcodes=8600+8820\nany_of=schooltoeslag+sociale_toeslag\nborn.from=2014-01-01\nrank.at_least=1\n"
        );
    }

    fn torhout() -> Municipality {
        Municipality {
            nis_code: "31033".parse().unwrap(),
            name: "Torhout".to_owned(),
            province: String::new(),
            postcodes: vec![8820],
        }
    }

    #[test]
    fn criteria_that_were_recorded_are_read_again() {
        let (catalogue, municipality) = (catalogue(), torhout());
        let around = Around { catalogue: &catalogue, municipality: &municipality };
        let id = |code| catalogue.id(code).unwrap();
        let whole = Criteria {
            postcodes: vec![8820],
            any_of: vec![id("schooltoeslag"), id("sociale_toeslag")],
            all_of: vec![id("schooltoeslag")],
            none_of: vec![id("sociale_toeslag")],
            born: Born { from: Some(date(2014, 1, 1)), until: Some(date(2020, 12, 31)) },
            rank: Between { at_least: Some(1), at_most: Some(2) },
            family_size: Between { at_least: Some(0), at_most: Some(255) },
            single_parent: Some(false),
        };
        for criteria in [whole, Criteria::default()] {
            assert_eq!(read(&text(&criteria, &catalogue), &around), Ok(criteria));
        }
    }

    #[test]
    fn a_run_is_told_with_its_own_criteria() {
        let (catalogue, municipality) = (catalogue(), torhout());
        let around = Around { catalogue: &catalogue, municipality: &municipality };
        let today = Criteria { rank: Between { at_least: Some(2), at_most: None }, ..Criteria::default() };
        let (same, other) = (digest_of(&today, &catalogue), hex::encode([1; 32]));
        for (digest, recorded, told) in [
            // The digest tells that they were today's, also where the text was not recorded.
            (&same, None, "Plaats in het gezin: minstens 2"),
            (&other, Some("any_of=sociale_toeslag\n"), "Heeft recht op sociale_toeslag"),
            (&other, Some(""), "Alle kinderen die in de gemeente wonen."),
            (&other, Some("any_of=kindergeld\n"), "any_of=kindergeld"),
            (&other, None, NOT_RECORDED),
        ] {
            assert_eq!(run_criteria_nl((digest, recorded), &today, &around), [told]);
        }
    }
}
