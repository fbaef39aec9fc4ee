//! The overview of a run, in counts, for the local authority: with the run, and again as it stands later.

use std::io::Write;

use jiff::civil::Date;

use super::{AssignmentFault, commission::Commission, making::Making, run::MadeFile};
use crate::{
    documents::{
        overview::{Delivered, Letters, Overview},
        register_month_nl,
    },
    domain::{Amount, AssignmentId, Count, Ground, Kind, Statistics, TenantId, assignment::Product, brussels_date},
    dropbox::Area,
    exchange::{Exchange, ExchangeError, Orderer, delivery::Prepared},
    ledger::{DeliveryEnd, RunRow},
};

/// A file of a run, with what it owns.
struct Told {
    file: String,
    rows: Option<u64>,
    amount: Option<Amount>,
    delivered: Date,
    fetched: Option<Date>,
    withdrawn: bool,
}

/// What an overview tells of a run.
struct Facts<'a> {
    criteria: &'a [String],
    statistics: &'a Statistics,
    files: &'a [Told],
    letters: Option<Letters>,
    run_on: Date,
    register_month: &'a str,
}

/// The extensions of the overview's two forms.
const FORMS: [&str; 2] = ["pdf", "csv"];

impl Commission {
    /// The overview as PDF and as CSV.
    fn overview(&self, facts: &Facts<'_>) -> Result<[Vec<u8>; 2], AssignmentFault> {
        let catalogue = self.register.catalogue();
        let deliveries: Vec<Delivered<'_>> = facts
            .files
            .iter()
            .map(|Told { file, rows, amount, delivered, fetched, withdrawn }| Delivered {
                file,
                rows: *rows,
                amount: *amount,
                delivered: *delivered,
                fetched: *fetched,
                withdrawn: *withdrawn,
            })
            .collect();
        let overview = Overview {
            authority: &self.tenant.name,
            assignment: self.assignment.id.as_str(),
            purpose: &self.assignment.purpose,
            run_on: facts.run_on,
            day: self.today,
            register_month: &register_month_nl(facts.register_month),
            criteria: facts.criteria,
            statistics: facts.statistics,
            catalogue,
            deliveries: &deliveries,
            letters: facts.letters,
        };
        let pdf = overview.pdf().map_err(AssignmentFault::Report)?;
        Ok([pdf.to_vec(), overview.csv()])
    }

    /// A file for the local authority: its rows where it is a table of its own.
    fn told(&self, prepared: &Prepared) -> Option<Told> {
        let manifest = &prepared.staged.manifest;
        // What goes to the printer is told as letters.
        (manifest.tenant == self.tenant.id).then(|| Told {
            file: manifest.file.clone(),
            rows: is_table(manifest.kind).then_some(manifest.rows),
            amount: manifest.amount_total.as_deref().and_then(Amount::of_sum),
            delivered: self.today,
            fetched: None,
            withdrawn: false,
        })
    }
}

fn is_table(kind: Kind) -> bool {
    matches!(kind, Kind::Gegevens | Kind::Betaling | Kind::BetalingZonderRekening)
}

impl Making<'_> {
    pub(super) fn report(&mut self) -> Result<(), AssignmentFault> {
        (self.tell)("making the report".to_owned());
        let Self { commission, plan, exchange, .. } = *self;
        let statistics = commission.register.statistics(&plan.selection, commission.today);
        let files: Vec<Told> = self.prepared.iter().filter_map(|prepared| commission.told(prepared)).collect();
        let letters = commission.assignment.produces(Product::Brieven).then_some(Letters {
            letters: self.letters,
            pages: self.pages,
            without_address: Count::of(self.unaddressed),
            unprintable: Count::of(self.unprintable),
        });
        let forms = commission.overview(&Facts {
            criteria: &commission.criteria_nl(),
            statistics: &statistics,
            files: &files,
            letters,
            run_on: commission.today,
            register_month: &commission.register.month().to_string(),
        })?;
        for (form, extension) in forms.iter().zip(FORMS) {
            let outgoing = self.next(&plan.cleared.report, extension, None);
            self.prepared.push(exchange.stage(outgoing, |out| out.write_all(form).map(|()| 0))?);
        }
        Ok(())
    }
}

impl Exchange {
    /// Delivers the overview of an assignment's last run as it stands now.
    ///
    /// # Errors
    /// [`AssignmentFault`].
    pub fn report(&self, id: &AssignmentId, orderer: Orderer<'_>) -> Result<Vec<MadeFile>, AssignmentFault> {
        let (commission, _turn) = Commission::in_turn(self, id)?;
        let Commission { assignment, tenant, .. } = &commission;
        let runs = self.parts.ledger.runs(&tenant.id, Some(&assignment.id), None).map_err(ExchangeError::Ledger)?;
        let last = runs.last().ok_or_else(|| AssignmentFault::NeverRun(assignment.id.to_string()))?;
        self.require_room(tenant)?;
        let files = self.delivered(&tenant.id, last)?;
        let letters = (last.letters > 0 || assignment.produces(Product::Brieven)).then_some(Letters {
            letters: last.letters,
            pages: last.pages,
            without_address: last.unaddressed,
            unprintable: last.unprintable,
        });
        let forms = commission.overview(&Facts {
            criteria: &commission.criteria_of_run(last),
            statistics: &last.statistics,
            files: &files,
            letters,
            run_on: last.day,
            register_month: &last.register_month,
        })?;
        let ground = Ground::NoPersonalData(commission.reference());
        let clearance = commission.clear(self, tenant, ground, Kind::Rapport)?;
        let first = self.next_sequence(&tenant.id)?;
        let mut prepared = Vec::new();
        for ((form, extension), sequence) in forms.iter().zip(FORMS).zip(first..) {
            let outgoing = commission.outgoing(Area::Live, clearance.clone(), extension, (sequence, None));
            prepared.push(self.stage(outgoing, |out| out.write_all(form).map(|()| 0))?);
        }
        let made = prepared.iter().map(MadeFile::of).collect();
        orderer.require()?;
        self.commit(Vec::new(), prepared)?;
        Ok(made)
    }

    /// The files of a run that the local authority got, with when it fetched them.
    fn delivered(&self, tenant: &TenantId, run: &RunRow) -> Result<Vec<Told>, ExchangeError> {
        let deliveries = self.parts.ledger.deliveries_of_run(&run.id).map_err(ExchangeError::Ledger)?;
        let own = deliveries.into_iter().filter(|delivery| delivery.tenant == *tenant);
        Ok(own
            .map(|delivery| Told {
                rows: is_table(delivery.kind).then_some(delivery.rows),
                amount: delivery.amount_total,
                delivered: brussels_date(delivery.created_at),
                fetched: delivery.fetched_at.map(brussels_date),
                withdrawn: delivery.gone == Some(DeliveryEnd::Withdrawn),
                file: delivery.file,
            })
            .collect())
    }
}
