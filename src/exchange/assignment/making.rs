//! Making the files of a run: each is sealed and on disk when it is made, where nobody sees it yet.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use jiff::{Timestamp, civil::Date};

use super::{
    AssignmentFault,
    commission::Commission,
    payout::{Payout, total},
    plan::Plan,
};
use crate::{
    documents::{
        data::{DataRow, gegevens},
        pain::{self, Order, Version},
        payment::{Payment, RemittanceLine, WithoutAccount, betaling, betaling_zonder_rekening},
    },
    domain::{
        Amount, Clearance, Column, Iban, Kind, StructuredCommunication, Tenant, TenantKind,
        assignment::{PaymentFormat, PaymentTerms, Product, Remittance},
        tells_beneficiaries,
    },
    dropbox::Area,
    exchange::{
        Exchange, ExchangeError,
        delivery::{Origin, Outgoing, Prepared},
    },
    register::{Household, Register, Right},
};

/// The files of a run, as far as they are made.
pub(super) struct Making<'a> {
    pub exchange: &'a Exchange,
    pub commission: &'a Commission,
    pub plan: &'a Plan<'a>,
    pub run: &'a str,
    pub tell: &'a (dyn Fn(String) + Sync),
    /// The number of the local authority's next file today.
    pub sequence: u32,
    pub prepared: Vec<Prepared>,
    pub letters: u64,
    pub pages: u64,
    /// Families whose address cannot be on an envelope.
    pub unaddressed: u64,
    /// Families with a name that no font has.
    pub unprintable: u64,
}

impl<'a> Making<'a> {
    pub fn begin(
        exchange: &'a Exchange,
        commission: &'a Commission,
        plan: &'a Plan<'a>,
        run: &'a str,
        tell: &'a (dyn Fn(String) + Sync),
    ) -> Result<Self, AssignmentFault> {
        let sequence = exchange.next_sequence(&commission.tenant.id)?;
        Ok(Self {
            exchange,
            commission,
            plan,
            run,
            tell,
            sequence,
            prepared: Vec::new(),
            letters: 0,
            pages: 0,
            unaddressed: 0,
            unprintable: 0,
        })
    }

    /// Makes the files of a product.
    pub fn make(&mut self, product: Product) -> Result<(), AssignmentFault> {
        match product {
            Product::Gegevens => self.data(),
            Product::Betaling => self.payments(),
            Product::Brieven => self.print_letters(),
            Product::Rapport => self.report(),
        }
    }

    /// What a file of this run for that tenant is.
    pub fn outgoing<'f>(
        &self,
        tenant: &'f Tenant,
        clearance: &Clearance,
        extension: &'static str,
        (sequence, amount_total): (u32, Option<Amount>),
    ) -> Outgoing<'f>
    where
        'a: 'f,
    {
        Outgoing {
            tenant,
            clearance: clearance.clone(),
            area: Area::Live,
            sequence,
            extension,
            origin: Origin::Assignment {
                id: &self.commission.assignment.id,
                nis_code: self.commission.municipality.nis_code,
                run: Some(self.run),
                amount_total,
            },
        }
    }

    /// The next file for the local authority itself.
    pub fn next(
        &mut self,
        clearance: &Clearance,
        extension: &'static str,
        amount_total: Option<Amount>,
    ) -> Outgoing<'a> {
        let outgoing = self.outgoing(&self.commission.tenant, clearance, extension, (self.sequence, amount_total));
        self.sequence += 1;
        outgoing
    }

    fn data(&mut self) -> Result<(), AssignmentFault> {
        let Some(clearance) = &self.plan.cleared.data else { return Ok(()) };
        (self.tell)("making the data file".to_owned());
        let (selection, register) = (&self.plan.selection, &*self.commission.register);
        let rows = selection.all_rights(tells_beneficiaries(clearance.columns()));
        let outgoing = self.next(clearance, "csv", None);
        let made = self
            .exchange
            .stage(outgoing, |out| gegevens(out, clearance.columns(), rows.map(|right| data_row(register, right))))?;
        self.prepared.push(made);
        Ok(())
    }

    fn payments(&mut self) -> Result<(), AssignmentFault> {
        let (plan, assignment) = (self.plan, &self.commission.assignment);
        let (Some(clearance), Some(terms), Some(payouts)) = (&plan.cleared.payment, &assignment.payment, &plan.payouts)
        else {
            return Ok(());
        };
        (self.tell)("making the payment files".to_owned());
        if !payouts.to_accounts.is_empty() {
            let numbers = Numbers {
                day: self.commission.today,
                mark: mark(self.commission),
                sequence: self.sequence,
                lines_before: self.lines_before()?,
            };
            let lines = lines(terms, &payouts.to_accounts, &numbers)?;
            let sum = total(&payouts.to_accounts);
            for format in &terms.formats {
                let message_id = message_id(self.commission, self.sequence);
                let outgoing = self.next(clearance, format.extension(), Some(sum));
                let created_at = self.exchange.parts.clock.now();
                let file = PaymentFile { terms, format: *format, columns: clearance.columns(), message_id, created_at };
                let made = self.exchange.stage(outgoing, |out| file.write(out, &lines))?;
                self.prepared.push(made);
            }
        }
        let Some(clearance) = &plan.cleared.without_account else { return Ok(()) };
        let outgoing = self.next(clearance, "csv", Some(total(&payouts.without_account)));
        let made = self.exchange.stage(outgoing, |out| {
            let people = payouts.without_account.iter().map(without_account);
            betaling_zonder_rekening(out, clearance.columns(), people).map(|written| written.rows)
        })?;
        self.prepared.push(made);
        Ok(())
    }

    /// Payment lines of the tenant's earlier runs this year: structured communications go on from there.
    fn lines_before(&self) -> Result<u64, ExchangeError> {
        let Commission { tenant, today, .. } = self.commission;
        let ledger = &self.exchange.parts.ledger;
        let runs = ledger.runs(&tenant.id, None, Some(today.first_of_year())).map_err(ExchangeError::Ledger)?;
        let mut lines = 0;
        for run in runs {
            let deliveries = ledger.deliveries_of_run(&run.id).map_err(ExchangeError::Ledger)?;
            let payments = deliveries.iter().filter(|delivery| delivery.kind == Kind::Betaling);
            // Each format has the same lines.
            lines += payments.map(|delivery| delivery.rows).max().unwrap_or_default();
        }
        Ok(lines)
    }
}

/// A file of payments, in one format.
pub(super) struct PaymentFile<'a> {
    pub terms: &'a PaymentTerms,
    pub format: PaymentFormat,
    /// Of the CSV.
    pub columns: &'a [Column],
    /// Of an order to a bank.
    pub message_id: String,
    pub created_at: Timestamp,
}

impl PaymentFile<'_> {
    /// Writes it; returns the number of payments.
    pub fn write(&self, out: &mut impl Write, lines: &[Line<'_>]) -> io::Result<u64> {
        let Self { terms, format, columns, message_id, created_at } = self;
        let payments = lines.iter().map(Line::payment);
        // Whoever asks for an order to a bank names the account and the day: the configuration was checked for it.
        let written = match (Version::of(*format), &terms.debtor, terms.execution_date) {
            (Some(version), Some(debtor), Some(execution_date)) => {
                let created_at = *created_at;
                let order = Order { message_id, created_at, debtor, execution_date, category_purpose: None };
                pain::write(out, version, &order, payments)?
            }
            _ => betaling(out, columns, payments)?,
        };
        Ok(written.rows)
    }
}

pub(super) fn message_id(commission: &Commission, sequence: u32) -> String {
    let (nis_code, day) = (commission.municipality.nis_code, commission.today.strftime("%Y%m%d"));
    format!("{nis_code}{}-{day}-{sequence:04}", mark(commission))
}

/// What tells the identifiers of a centre for social welfare from those of its municipality: both have the same code and
/// count their files alike, and often one bank.
pub(super) fn mark(commission: &Commission) -> &'static str {
    if commission.tenant.kind == TenantKind::Ocmw { "O" } else { "" }
}

pub(super) fn data_row<'a>(register: &'a Register, right: Right<'a>) -> DataRow<'a> {
    let Right { household, source, share } = right;
    let (child_last_name, child_first_name) = household.child_name();
    let (last_name, first_name) = household.beneficiary_name();
    DataRow {
        child: household.child_niss(),
        child_last_name,
        child_first_name,
        birth_date: household.child_birth_date(),
        beneficiary: household.beneficiary(),
        last_name,
        first_name,
        address: household.address(),
        source: register.catalogue().source(source).map_or("", |source| &source.code),
        share,
        month: register.month(),
    }
}

fn without_account<'a>(payout: &Payout<'a>) -> WithoutAccount<'a> {
    let (last_name, first_name) = payout.household.beneficiary_name();
    WithoutAccount { last_name, first_name, address: payout.household.address(), amount: payout.amount }
}

/// What payment lines are numbered with.
pub(super) struct Numbers {
    pub day: Date,
    /// As in [`mark`].
    pub mark: &'static str,
    /// Of the first payment file, among the tenant's files of that day.
    pub sequence: u32,
    /// Lines that this year had before.
    pub lines_before: u64,
}

/// A payment with what it owns.
pub(super) struct Line<'a> {
    holder: Cow<'a, str>,
    iban: Iban,
    amount: Amount,
    end_to_end_id: String,
    remittance: RemittanceLine<'a>,
}

impl Line<'_> {
    pub fn payment(&self) -> Payment<'_> {
        let Self { holder, iban, amount, end_to_end_id, remittance } = self;
        Payment { holder, iban, amount: *amount, end_to_end_id, remittance: *remittance }
    }
}

/// Whose account it is: the beneficiary's where the register does not say. Banks compare it with the account.
fn holder(household: Household<'_>) -> Cow<'_, str> {
    match household.account_holder() {
        "" => {
            let (last_name, first_name) = household.beneficiary_name();
            Cow::Owned(format!("{last_name} {first_name}").trim().to_owned())
        }
        named => Cow::Borrowed(named),
    }
}

/// A line for each payout to an account.
pub(super) fn lines<'a>(
    terms: &'a PaymentTerms,
    payouts: &[Payout<'a>],
    numbers: &Numbers,
) -> Result<Vec<Line<'a>>, AssignmentFault> {
    let (day, mark, sequence) = (numbers.day.strftime("%Y%m%d"), numbers.mark, numbers.sequence);
    let line = |(at, payout): (u64, &Payout<'a>)| {
        let iban = payout.household.iban()?;
        let remittance = match &terms.remittance {
            Remittance::Text(text) => Some(RemittanceLine::Text(text)),
            Remittance::Structured => {
                let number = u32::try_from(numbers.lines_before + at).ok()?;
                StructuredCommunication::of_line(numbers.day.year(), number).map(RemittanceLine::Structured)
            }
        };
        Some(Line {
            holder: holder(payout.household),
            iban,
            amount: payout.amount,
            end_to_end_id: format!("{mark}{day}-{sequence:04}-{at:06}"),
            remittance: remittance?,
        })
    };
    (1..).zip(payouts).map(line).collect::<Option<_>>().ok_or(AssignmentFault::NoCommunicationLeft)
}
