//! What a run would make, cleared by the gate: everything is asked before anything is made.

use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{
    AssignmentFault,
    commission::Commission,
    letters::letter_design,
    payout::{Claim, Claims, Payouts, total},
};
use crate::{
    documents::letters::LetterDesign,
    domain::{
        Amount, Clearance, Ground, Kind, Tenant,
        assignment::{PaymentFormat, Product},
        tells_beneficiaries,
    },
    exchange::{Exchange, ExchangeError},
    ledger::RunRow,
    register::Selection,
};

/// A run of the same assignment in the same period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// The day in Brussels.
    pub day: Date,
    /// The register's month, `yyyy-mm`.
    pub register_month: String,
    /// Files that it made.
    pub files: u64,
    /// Letters that it made.
    pub letters: u64,
}

/// A file that a run would make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFile {
    /// Its kind.
    pub kind: String,
    /// Its extension, without that of sealing.
    pub extension: String,
    /// Whom it is for.
    pub tenant: String,
    /// Rows; letters of all their files together; none for a report.
    pub rows: Option<u64>,
    /// The sum of its payments, euros with two decimals.
    pub amount_total: Option<String>,
}

/// The gate's yes for each kind that a run makes.
pub(super) struct Cleared {
    pub data: Option<Clearance>,
    pub payment: Option<Clearance>,
    /// There where somebody has no account.
    pub without_account: Option<Clearance>,
    /// With the printer.
    pub letters: Option<(Arc<Tenant>, Clearance)>,
    /// For reports, which hold no personal data.
    pub report: Clearance,
}

/// What a run makes, and from what.
pub(super) struct Plan<'a> {
    pub selection: Selection<'a>,
    pub payouts: Option<Payouts<'a>>,
    pub cleared: Cleared,
    pub earlier: Vec<Earlier>,
    pub design: Option<LetterDesign>,
}

impl<'a> Plan<'a> {
    /// Selects, and asks the gate.
    pub fn of(exchange: &Exchange, commission: &'a Commission) -> Result<Self, AssignmentFault> {
        let Commission { assignment, municipality, register, .. } = commission;
        let earlier = earlier(exchange, commission)?;
        let selection = register.select(municipality.nis_code, &assignment.criteria);
        if selection.children().is_empty() {
            return Err(AssignmentFault::NobodySelected { register_month: register.month().to_string() });
        }
        let ordered = assignment.payment.as_ref().filter(|terms| terms.formats.iter().any(|format| format.is_order()));
        let passed = |day: &Date| *day < commission.today;
        if let Some(day) = ordered.and_then(|terms| terms.execution_date).filter(passed) {
            return Err(AssignmentFault::ExecutionDatePassed { day });
        }
        let payouts = assignment.payment.as_ref().map(|terms| Payouts::of(&selection, assignment.unit, terms.amount));
        let cleared = Cleared::of(exchange, commission, payouts.as_ref())?;
        exchange.require_room(&commission.tenant)?;
        if let Some((printer, _)) = &cleared.letters {
            exchange.require_room(printer)?;
        }
        let design = letter_design(assignment, &commission.tenant.name)?;
        Ok(Self { selection, payouts, cleared, earlier, design })
    }

    /// What each family is written, in the order of the extract.
    pub fn letters(&self, commission: &Commission) -> Vec<Claim<'a>> {
        let amount = commission.assignment.payment.as_ref().map_or(Amount::ZERO, |terms| terms.amount);
        Claims::of(&self.selection, commission.assignment.unit, amount).by_family()
    }

    /// The files that it makes.
    pub fn files(&self, commission: &Commission) -> Vec<PlannedFile> {
        let Cleared { data, payment, without_account, letters: printer, report } = &self.cleared;
        let file = |clearance: &Clearance, extension: &str, rows, amount: Option<Amount>| PlannedFile {
            kind: clearance.kind().to_string(),
            extension: extension.to_owned(),
            tenant: clearance.tenant().to_string(),
            rows,
            amount_total: amount.map(|amount| amount.to_string()),
        };
        let mut files = Vec::new();
        if let Some(clearance) = data {
            let rights = self.selection.all_rights(tells_beneficiaries(clearance.columns())).count() as u64;
            files.push(file(clearance, "csv", Some(rights), None));
        }
        let formats = commission.assignment.payment.iter().flat_map(|terms| &terms.formats);
        if let (Some(clearance), Some(payouts)) = (payment, &self.payouts) {
            let (rows, sum) = (payouts.to_accounts.len() as u64, total(&payouts.to_accounts));
            files.extend(
                formats.map(|format| file(clearance, PaymentFormat::extension(*format), Some(rows), Some(sum))),
            );
        }
        if let (Some(clearance), Some(payouts)) = (without_account, &self.payouts) {
            let (rows, sum) = (payouts.without_account.len() as u64, total(&payouts.without_account));
            files.push(file(clearance, "csv", Some(rows), Some(sum)));
        }
        if let Some((_, clearance)) = printer {
            let letters = self.letters(commission).len() as u64;
            files.push(file(clearance, "pdf", Some(letters), None));
            files.push(file(clearance, "csv", Some(letters), None));
            files.push(file(report, "proefbrief.pdf", None, None));
        }
        if commission.assignment.produces(Product::Rapport) {
            files.push(file(report, "pdf", None, None));
            files.push(file(report, "csv", None, None));
        }
        files
    }
}

impl Cleared {
    fn of(
        exchange: &Exchange,
        commission: &Commission,
        payouts: Option<&Payouts<'_>>,
    ) -> Result<Self, AssignmentFault> {
        let Commission { assignment, tenant, .. } = commission;
        let reference = commission.reference();
        // An assignment without a protocol is refused by the gate, under its own name.
        let protocol = assignment.protocol.as_ref().unwrap_or(reference);
        let of_protocol = |kind| commission.clear(exchange, tenant, Ground::Protocol(protocol), kind);
        let data = assignment.produces(Product::Gegevens).then(|| of_protocol(Kind::Gegevens)).transpose()?;
        let pays = assignment.produces(Product::Betaling);
        let payment = pays.then(|| of_protocol(Kind::Betaling)).transpose()?;
        let lacks = pays && payouts.is_some_and(|payouts| !payouts.without_account.is_empty());
        let without_account = lacks.then(|| of_protocol(Kind::BetalingZonderRekening)).transpose()?;
        let terms = assignment.letters.as_ref().filter(|_| assignment.produces(Product::Brieven));
        let letters = terms.map(|terms| {
            let printer = exchange.parts.tenants.tenant(&terms.print_partner);
            let printer = printer.ok_or_else(|| ExchangeError::TenantGone(terms.print_partner.to_string()))?;
            let id = assignment.agreement.as_ref().unwrap_or(reference);
            let ground = Ground::Agreement { of: tenant, id, purpose: &assignment.purpose };
            let clearance = commission.clear(exchange, &printer, ground, Kind::Brieven)?;
            Ok::<_, AssignmentFault>((printer, clearance))
        });
        let letters = letters.transpose()?;
        let report = commission.clear(exchange, tenant, Ground::NoPersonalData(reference), Kind::Rapport)?;
        Ok(Self { data, payment, without_account, letters, report })
    }
}

impl Exchange {
    /// Nothing new is published to a full outbox.
    pub(super) fn require_room(&self, tenant: &Tenant) -> Result<(), AssignmentFault> {
        let limit_bytes = tenant.limits.outbox_bytes;
        match self.full_outbox(tenant)? {
            None => Ok(()),
            Some(used_bytes) => {
                Err(AssignmentFault::OutboxFull { tenant: tenant.id.to_string(), used_bytes, limit_bytes })
            }
        }
    }
}

/// Runs of the assignment in the period that today is in.
fn earlier(exchange: &Exchange, commission: &Commission) -> Result<Vec<Earlier>, ExchangeError> {
    let Commission { assignment, tenant, today, .. } = commission;
    let since = assignment.recurrence.start(*today);
    let runs = exchange.parts.ledger.runs(&tenant.id, Some(&assignment.id), since).map_err(ExchangeError::Ledger)?;
    let earlier = runs.into_iter().map(|RunRow { day, register_month, files, letters, .. }| Earlier {
        day,
        register_month,
        files,
        letters,
    });
    Ok(earlier.collect())
}
