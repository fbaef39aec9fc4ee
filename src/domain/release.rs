//! The release gate: the one place that decides whether a file may leave, for every kind of file.
//!
//! A pure function of what the agency's configuration says, the day in Brussels and the uses so far. Its yes is a
//! [`Clearance`], which nothing else can make and without which nothing can be sealed to a tenant; its no is a
//! [`Refusal`] that names the rule. Rules are tried in the order of [`Rule`], and the first that fails is the answer.

use std::fmt;

use jiff::civil::Date;

use super::{
    Column, Kind, Protocol, ProtocolId, Tenant, TenantId, TenantKind,
    protocol::{Route, Status, Use},
};

/// On which ground a file is to leave.
#[derive(Debug, Clone, Copy)]
pub enum Ground<'a> {
    /// A protocol: data.
    Protocol(&'a ProtocolId),
    /// An agreement with a local authority: letters in its name, which go to a printer.
    Agreement {
        /// The local authority. It never gets the letters itself: they would tell it who is selected.
        of: &'a Tenant,
        /// The agreement's reference.
        id: &'a ProtocolId,
        /// What the letters are for.
        purpose: &'a str,
    },
    /// None: the file holds no personal data. The reference is only for its name.
    NoPersonalData(&'a ProtocolId),
    /// Synthetic data from the test register, in the test outbox.
    Trial(&'a ProtocolId),
}

/// What the gate is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who would get the file.
    pub tenant: &'a Tenant,
    /// The ground that is claimed.
    pub ground: Ground<'a>,
    /// The kind of file.
    pub kind: Kind,
    /// The columns that the file would have, or none to take what the protocol allows.
    pub columns: Option<&'a [Column]>,
    /// The day in Brussels.
    pub today: Date,
    /// How often the protocol was used: ever for `once`, in the current period for `periodic`.
    pub uses: u32,
}

/// The gate's yes. It exists only as an answer of [`release`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clearance {
    tenant: TenantId,
    reference: ProtocolId,
    kind: Kind,
    columns: Vec<Column>,
    purpose: String,
    legal_basis: String,
    retention_days: Option<u32>,
}

impl Clearance {
    /// Who may get the file.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The reference of its ground.
    pub fn reference(&self) -> &ProtocolId {
        &self.reference
    }

    /// The kind of file that may leave.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The columns that may leave, in the layout's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Why it may leave.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// The law behind the protocol; empty where none is needed.
    pub fn legal_basis(&self) -> &str {
        &self.legal_basis
    }

    /// How long it may stay in the outbox, days; the general retention where the ground says nothing.
    pub fn retention_days(&self) -> Option<u32> {
        self.retention_days
    }
}

/// A rule of the gate, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The tenant has a key to seal to.
    Recipients,
    /// Only files without personal data, or synthetic ones, leave without protocol or agreement.
    GroundFitsKind,
    /// Letters with addresses go to a printer and to nobody else.
    PrintPartner,
    /// The tenant has a protocol or agreement of that name.
    KnownReference,
    /// The protocol's route gives this kind of file.
    RouteFitsKind,
    /// The protocol is signed, not interested, draft or ended.
    StatusSigned,
    /// The agency signed, and not in the future.
    SignedByAgency,
    /// The local authority signed, and not in the future.
    SignedByAuthority,
    /// The protocol's first day has come.
    Started,
    /// The protocol's last day has not passed.
    NotEnded,
    /// The agency's data protection officer advised positively, before today or today.
    AdviceOfAgency,
    /// The local authority's data protection officer advised positively, before today or today.
    AdviceOfAuthority,
    /// The college decided (Opgroeien route).
    CouncilDecision,
    /// There is a regulation (VUTG route).
    Regulation,
    /// The protocol is published (VUTG route).
    Publication,
    /// The protocol names the kind.
    KindAllowed,
    /// The protocol allows each column.
    ColumnsAllowed,
    /// The technical onboarding test was passed.
    TechnicalTest,
    /// The functional onboarding test was passed.
    FunctionalTest,
    /// A use is left.
    UseLeft,
}

impl Rule {
    /// The code in the transfer log: part of its closed set of reasons.
    pub fn code(self) -> &'static str {
        match self {
            Self::Recipients => "recipients",
            Self::GroundFitsKind => "ground-fits-kind",
            Self::PrintPartner => "print-partner",
            Self::KnownReference => "known-reference",
            Self::RouteFitsKind => "route-fits-kind",
            Self::StatusSigned => "status-signed",
            Self::SignedByAgency => "signed-by-agency",
            Self::SignedByAuthority => "signed-by-authority",
            Self::Started => "started",
            Self::NotEnded => "not-ended",
            Self::AdviceOfAgency => "advice-of-agency",
            Self::AdviceOfAuthority => "advice-of-authority",
            Self::CouncilDecision => "council-decision",
            Self::Regulation => "regulation",
            Self::Publication => "publication",
            Self::KindAllowed => "kind-allowed",
            Self::ColumnsAllowed => "columns-allowed",
            Self::TechnicalTest => "technical-test",
            Self::FunctionalTest => "functional-test",
            Self::UseLeft => "use-left",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// The gate's no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("release refused by rule {rule}")]
pub struct Refusal {
    /// The rule that was not met.
    pub rule: Rule,
}

/// Decides whether a file may leave.
///
/// # Errors
/// [`Refusal`] with the first rule that is not met.
pub fn release(request: Request<'_>) -> Result<Clearance, Refusal> {
    judge(request).map_err(|unmet| Refusal { rule: unmet.first })
}

/// Every rule that is not met, in the order in which they are tried; empty where the file may leave. What cannot be
/// judged for want of something else, such as the days of a protocol that is not there, is not named.
pub fn missing(request: Request<'_>) -> Vec<Rule> {
    match judge(request) {
        Ok(_) => Vec::new(),
        Err(Unmet { first, others }) => std::iter::once(first).chain(others).collect(),
    }
}

/// The rules that are not met, at least one.
struct Unmet {
    first: Rule,
    others: Vec<Rule>,
}

/// The rules that were tried so far and are not met.
#[derive(Default)]
struct Tried(Vec<Rule>);

impl Tried {
    fn require(&mut self, met: bool, rule: Rule) {
        if !met {
            self.0.push(rule);
        }
    }

    /// No further rule can be tried without this one.
    fn ending_with(mut self, rule: Rule) -> Unmet {
        self.0.push(rule);
        let mut rules = self.0.into_iter();
        Unmet { first: rules.next().unwrap_or(rule), others: rules.collect() }
    }

    fn outcome(self, clearance: Clearance) -> Result<Clearance, Unmet> {
        let mut rules = self.0.into_iter();
        match rules.next() {
            None => Ok(clearance),
            Some(first) => Err(Unmet { first, others: rules.collect() }),
        }
    }
}

fn judge(request: Request<'_>) -> Result<Clearance, Unmet> {
    let Request { tenant, ground, kind, columns, today, uses } = request;
    let mut tried = Tried::default();
    tried.require(!tenant.recipients.is_empty(), Rule::Recipients);
    match ground {
        Ground::Protocol(id) => {
            tried.require(kind != Kind::Brieven, Rule::GroundFitsKind);
            let Some(protocol) = tenant.protocol(id) else { return Err(tried.ending_with(Rule::KnownReference)) };
            in_force(&mut tried, protocol, kind, today);
            let columns = allowed_columns(&mut tried, protocol, kind, columns);
            onboarded(&mut tried, tenant, today);
            let left = match protocol.usage {
                Use::Once => uses == 0,
                Use::Periodic { times, .. } => uses < times,
            };
            tried.require(left, Rule::UseLeft);
            tried.outcome(Clearance {
                tenant: tenant.id.clone(),
                reference: id.clone(),
                kind,
                columns,
                purpose: protocol.purpose.clone(),
                legal_basis: protocol.legal_basis.clone(),
                retention_days: Some(protocol.retention_days),
            })
        }
        Ground::Agreement { of, id, purpose } => {
            tried.require(kind == Kind::Brieven, Rule::GroundFitsKind);
            tried.require(tenant.kind == TenantKind::PrintPartner, Rule::PrintPartner);
            let agreement = of.agreements.iter().find(|agreement| agreement.id == *id);
            let Some(agreement) = agreement else { return Err(tried.ending_with(Rule::KnownReference)) };
            tried.require(agreement.signed.agency.is_some_and(|day| day <= today), Rule::SignedByAgency);
            tried.require(agreement.signed.authority.is_some_and(|day| day <= today), Rule::SignedByAuthority);
            tried.require(agreement.valid.from <= today, Rule::Started);
            tried.require(today <= agreement.valid.until, Rule::NotEnded);
            tried.outcome(Clearance { purpose: purpose.to_owned(), ..groundless(tenant, id, kind) })
        }
        Ground::NoPersonalData(id) => {
            tried.require(!kind.has_personal_data(), Rule::GroundFitsKind);
            tried.outcome(groundless(tenant, id, kind))
        }
        Ground::Trial(id) => {
            tried.outcome(Clearance { columns: kind.columns().to_vec(), ..groundless(tenant, id, kind) })
        }
    }
}

/// A yes that rests on the absence of personal data in what the receiver gets.
fn groundless(tenant: &Tenant, reference: &ProtocolId, kind: Kind) -> Clearance {
    Clearance {
        tenant: tenant.id.clone(),
        reference: reference.clone(),
        kind,
        columns: Vec::new(),
        purpose: String::new(),
        legal_basis: String::new(),
        retention_days: None,
    }
}

/// The protocol itself: its route, signatures, days, advice and papers.
fn in_force(tried: &mut Tried, protocol: &Protocol, kind: Kind, today: Date) {
    let route = if kind == Kind::SocialeToeslag { Route::Opgroeien } else { Route::Vutg };
    tried.require(protocol.route == route || !kind.has_personal_data(), Rule::RouteFitsKind);
    tried.require(protocol.status == Status::Signed, Rule::StatusSigned);
    tried.require(protocol.signed.agency.is_some_and(|day| day <= today), Rule::SignedByAgency);
    tried.require(protocol.signed.authority.is_some_and(|day| day <= today), Rule::SignedByAuthority);
    tried.require(protocol.valid.is_some_and(|valid| valid.from <= today), Rule::Started);
    tried.require(protocol.valid.is_some_and(|valid| today <= valid.until), Rule::NotEnded);
    let advised =
        |advice: Option<super::protocol::Advice>| advice.is_some_and(|given| given.positive && given.date <= today);
    tried.require(advised(protocol.dpo_advice.agency), Rule::AdviceOfAgency);
    tried.require(advised(protocol.dpo_advice.authority), Rule::AdviceOfAuthority);
    match protocol.route {
        Route::Opgroeien => {
            tried.require(protocol.council_decision.is_some_and(|day| day <= today), Rule::CouncilDecision);
        }
        Route::Vutg => {
            let given = |text: Option<&String>| text.is_some_and(|text| !text.trim().is_empty());
            tried.require(given(protocol.regulation.as_ref()), Rule::Regulation);
            tried.require(given(protocol.publication_url.as_ref()), Rule::Publication);
        }
    }
}

/// The columns asked for, or those that the protocol allows; each within the protocol.
fn allowed_columns(tried: &mut Tried, protocol: &Protocol, kind: Kind, asked: Option<&[Column]>) -> Vec<Column> {
    let Some(allowed) = protocol.kinds.get(&kind) else {
        tried.require(false, Rule::KindAllowed);
        return Vec::new();
    };
    let asked = asked.unwrap_or(allowed);
    tried.require(asked.iter().all(|column| allowed.contains(column)), Rule::ColumnsAllowed);
    kind.columns().iter().copied().filter(|column| asked.contains(column)).collect()
}

fn onboarded(tried: &mut Tried, tenant: &Tenant, today: Date) {
    let passed = |day: Option<Date>| day.is_some_and(|day| day <= today);
    tried.require(passed(tenant.onboarding.technical_test), Rule::TechnicalTest);
    tried.require(passed(tenant.onboarding.functional_test), Rule::FunctionalTest);
}

#[cfg(test)]
mod tests;
