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
    let Request { tenant, ground, kind, columns, today, uses } = request;
    require(!tenant.recipients.is_empty(), Rule::Recipients)?;
    match ground {
        Ground::Protocol(id) => {
            require(kind != Kind::Brieven, Rule::GroundFitsKind)?;
            let protocol = tenant.protocol(id).ok_or(Refusal { rule: Rule::KnownReference })?;
            in_force(protocol, kind, today)?;
            let columns = allowed_columns(protocol, kind, columns)?;
            onboarded(tenant, today)?;
            let left = match protocol.usage {
                Use::Once => uses == 0,
                Use::Periodic { times, .. } => uses < times,
            };
            require(left, Rule::UseLeft)?;
            Ok(Clearance {
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
            require(kind == Kind::Brieven, Rule::GroundFitsKind)?;
            require(tenant.kind == TenantKind::PrintPartner, Rule::PrintPartner)?;
            let agreement = of.agreements.iter().find(|agreement| agreement.id == *id);
            let agreement = agreement.ok_or(Refusal { rule: Rule::KnownReference })?;
            require(agreement.signed.agency.is_some_and(|day| day <= today), Rule::SignedByAgency)?;
            require(agreement.signed.authority.is_some_and(|day| day <= today), Rule::SignedByAuthority)?;
            require(agreement.valid.from <= today, Rule::Started)?;
            require(today <= agreement.valid.until, Rule::NotEnded)?;
            Ok(Clearance { purpose: purpose.to_owned(), ..groundless(tenant, id, kind) })
        }
        Ground::NoPersonalData(id) => {
            require(!kind.has_personal_data(), Rule::GroundFitsKind)?;
            Ok(groundless(tenant, id, kind))
        }
        Ground::Trial(id) => Ok(Clearance { columns: kind.columns().to_vec(), ..groundless(tenant, id, kind) }),
    }
}

fn require(met: bool, rule: Rule) -> Result<(), Refusal> {
    if met { Ok(()) } else { Err(Refusal { rule }) }
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
fn in_force(protocol: &Protocol, kind: Kind, today: Date) -> Result<(), Refusal> {
    let route = if kind == Kind::SocialeToeslag { Route::Opgroeien } else { Route::Vutg };
    require(protocol.route == route || !kind.has_personal_data(), Rule::RouteFitsKind)?;
    require(protocol.status == Status::Signed, Rule::StatusSigned)?;
    require(protocol.signed.agency.is_some_and(|day| day <= today), Rule::SignedByAgency)?;
    require(protocol.signed.authority.is_some_and(|day| day <= today), Rule::SignedByAuthority)?;
    require(protocol.valid.is_some_and(|valid| valid.from <= today), Rule::Started)?;
    require(protocol.valid.is_some_and(|valid| today <= valid.until), Rule::NotEnded)?;
    let advised =
        |advice: Option<super::protocol::Advice>| advice.is_some_and(|given| given.positive && given.date <= today);
    require(advised(protocol.dpo_advice.agency), Rule::AdviceOfAgency)?;
    require(advised(protocol.dpo_advice.authority), Rule::AdviceOfAuthority)?;
    match protocol.route {
        Route::Opgroeien => require(protocol.council_decision.is_some_and(|day| day <= today), Rule::CouncilDecision),
        Route::Vutg => {
            require(protocol.regulation.as_ref().is_some_and(|text| !text.trim().is_empty()), Rule::Regulation)?;
            require(protocol.publication_url.as_ref().is_some_and(|url| !url.trim().is_empty()), Rule::Publication)
        }
    }
}

/// The columns asked for, or those that the protocol allows; each within the protocol.
fn allowed_columns(protocol: &Protocol, kind: Kind, asked: Option<&[Column]>) -> Result<Vec<Column>, Refusal> {
    let allowed = protocol.kinds.get(&kind).ok_or(Refusal { rule: Rule::KindAllowed })?;
    let asked = asked.unwrap_or(allowed);
    require(asked.iter().all(|column| allowed.contains(column)), Rule::ColumnsAllowed)?;
    Ok(kind.columns().iter().copied().filter(|column| asked.contains(column)).collect())
}

fn onboarded(tenant: &Tenant, today: Date) -> Result<(), Refusal> {
    let passed = |day: Option<Date>| day.is_some_and(|day| day <= today);
    require(passed(tenant.onboarding.technical_test), Rule::TechnicalTest)?;
    require(passed(tenant.onboarding.functional_test), Rule::FunctionalTest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        brussels_date,
        protocol::{Advice, Agreement, BothParties, Outside, Period, Reply, Validity},
        tenant::{LoginStep, Onboarding, TenantLimits, UploadRule},
    };
    use jiff::civil::date;

    const TODAY: Date = date(2026, 11, 21);

    fn id(text: &str) -> ProtocolId {
        text.parse().unwrap()
    }

    fn protocol(name: &str, route: Route, kind: Kind) -> Protocol {
        let advice = Some(Advice { date: date(2026, 8, 1), positive: true });
        Protocol {
            id: id(name),
            route,
            status: Status::Signed,
            purpose: "toelage".to_owned(),
            legal_basis: "decreet".to_owned(),
            council_decision: Some(date(2026, 8, 24)),
            regulation: Some("reglement van 2026-06-30".to_owned()),
            dpo_advice: BothParties { agency: advice, authority: advice },
            signed: BothParties { agency: Some(date(2026, 9, 1)), authority: Some(date(2026, 9, 2)) },
            publication_url: Some("https://www.bree.be/protocollen".to_owned()),
            valid: Some(Validity { from: date(2026, 9, 2), until: date(2027, 9, 1) }),
            usage: Use::Once,
            kinds: [(kind, kind.columns().to_vec())].into(),
            reply: Reply::EntitledOnly,
            outside_municipality: Outside::Withhold,
            retention_days: 90,
        }
    }

    fn tenant() -> Tenant {
        Tenant {
            id: "bree".parse().unwrap(),
            name: "Stad Bree".to_owned(),
            kind: TenantKind::Municipality,
            nis_code: Some("72004".parse().unwrap()),
            keys: Vec::new(),
            certificate_authorities: Vec::new(),
            passwords: Vec::new(),
            require: vec![LoginStep::PublicKey],
            allow_from: Vec::new(),
            recipients: vec!["age1".to_owned()],
            contacts: Vec::new(),
            limits: TenantLimits { upload_bytes: 1, outbox_bytes: 1 },
            uploads: UploadRule::Any,
            may_delete: false,
            onboarding: Onboarding { technical_test: Some(date(2026, 9, 1)), functional_test: Some(date(2026, 9, 15)) },
            agreements: vec![Agreement {
                id: id("AKK-1"),
                signed: BothParties { agency: Some(date(2026, 9, 1)), authority: Some(date(2026, 9, 2)) },
                valid: Validity { from: date(2026, 9, 2), until: date(2027, 9, 1) },
            }],
            protocols: vec![
                protocol("OPG-1", Route::Opgroeien, Kind::SocialeToeslag),
                protocol("VUTG-1", Route::Vutg, Kind::Gegevens),
            ],
            interests: Vec::new(),
        }
    }

    fn printer() -> Tenant {
        let id = "drukkerij".parse().unwrap();
        Tenant { id, kind: TenantKind::PrintPartner, nis_code: None, agreements: Vec::new(), ..tenant() }
    }

    struct Case {
        tenant: Tenant,
        /// Who gets letters.
        receiver: Tenant,
        reference: &'static str,
        kind: Kind,
        today: Date,
        uses: u32,
    }

    fn ask(case: &Case) -> Result<Clearance, Rule> {
        let reference = id(case.reference);
        let (tenant, ground) = match case.kind {
            Kind::Brieven => {
                (&case.receiver, Ground::Agreement { of: &case.tenant, id: &reference, purpose: "schoolpremie" })
            }
            _ => (&case.tenant, Ground::Protocol(&reference)),
        };
        release(Request { tenant, ground, kind: case.kind, columns: None, today: case.today, uses: case.uses })
            .map_err(|refusal| refusal.rule)
    }

    fn list() -> Case {
        Case {
            tenant: tenant(),
            receiver: printer(),
            reference: "OPG-1",
            kind: Kind::SocialeToeslag,
            today: TODAY,
            uses: 0,
        }
    }

    fn data() -> Case {
        Case { reference: "VUTG-1", kind: Kind::Gegevens, ..list() }
    }

    fn letters() -> Case {
        Case { reference: "AKK-1", kind: Kind::Brieven, ..list() }
    }

    #[test]
    fn what_is_in_order_is_released_with_its_terms() {
        let clearance = ask(&list()).unwrap();
        assert_eq!((clearance.tenant().as_str(), clearance.reference().as_str()), ("bree", "OPG-1"));
        assert_eq!(clearance.columns(), Kind::SocialeToeslag.columns());
        assert_eq!((clearance.purpose(), clearance.retention_days()), ("toelage", Some(90)));
        assert!(ask(&data()).is_ok());
        let clearance = ask(&letters()).unwrap();
        assert_eq!((clearance.tenant().as_str(), clearance.purpose()), ("drukkerij", "schoolpremie"));
    }

    #[test]
    fn each_rule_refuses_alone() {
        type Make = fn() -> Case;
        type Spoil = fn(&mut Case);
        let table: &[(Make, Rule, Spoil)] = &[
            (list, Rule::Recipients, |case| case.tenant.recipients.clear()),
            (list, Rule::KnownReference, |case| case.reference = "OPG-2"),
            (list, Rule::RouteFitsKind, |case| case.reference = "VUTG-1"),
            (data, Rule::RouteFitsKind, |case| case.reference = "OPG-1"),
            (list, Rule::StatusSigned, |case| case.tenant.protocols[0].status = Status::Interested),
            (list, Rule::StatusSigned, |case| case.tenant.protocols[0].status = Status::Draft),
            (list, Rule::StatusSigned, |case| case.tenant.protocols[0].status = Status::Ended),
            (list, Rule::SignedByAgency, |case| case.tenant.protocols[0].signed.agency = None),
            (list, Rule::SignedByAgency, |case| case.tenant.protocols[0].signed.agency = Some(date(2026, 11, 22))),
            (list, Rule::SignedByAuthority, |case| case.tenant.protocols[0].signed.authority = None),
            (list, Rule::Started, |case| case.tenant.protocols[0].valid = None),
            (list, Rule::AdviceOfAgency, |case| case.tenant.protocols[0].dpo_advice.agency = None),
            (list, Rule::AdviceOfAgency, |case| {
                case.tenant.protocols[0].dpo_advice.agency = Some(Advice { date: TODAY, positive: false });
            }),
            (list, Rule::AdviceOfAuthority, |case| case.tenant.protocols[0].dpo_advice.authority = None),
            (list, Rule::AdviceOfAuthority, |case| {
                let advice = Advice { date: date(2026, 11, 22), positive: true };
                case.tenant.protocols[0].dpo_advice.authority = Some(advice);
            }),
            (list, Rule::CouncilDecision, |case| case.tenant.protocols[0].council_decision = None),
            (data, Rule::Regulation, |case| case.tenant.protocols[1].regulation = None),
            (data, Rule::Regulation, |case| case.tenant.protocols[1].regulation = Some(" ".to_owned())),
            (data, Rule::Publication, |case| case.tenant.protocols[1].publication_url = None),
            (list, Rule::KindAllowed, |case| case.tenant.protocols[0].kinds.clear()),
            (list, Rule::TechnicalTest, |case| case.tenant.onboarding.technical_test = None),
            (list, Rule::FunctionalTest, |case| case.tenant.onboarding.functional_test = Some(date(2026, 11, 22))),
            (list, Rule::UseLeft, |case| case.uses = 1),
            (letters, Rule::KnownReference, |case| case.reference = "AKK-2"),
            (letters, Rule::SignedByAgency, |case| case.tenant.agreements[0].signed.agency = None),
            (letters, Rule::SignedByAuthority, |case| case.tenant.agreements[0].signed.authority = None),
            (letters, Rule::Recipients, |case| case.receiver.recipients.clear()),
            (letters, Rule::PrintPartner, |case| case.receiver.kind = TenantKind::Municipality),
        ];
        for (at, (case, rule, spoil)) in table.iter().enumerate() {
            let mut case = case();
            spoil(&mut case);
            assert_eq!(ask(&case), Err(*rule), "row {at}");
        }
    }

    #[test]
    fn papers_of_the_other_route_are_not_asked_for() {
        let mut case = list();
        case.tenant.protocols[0].regulation = None;
        case.tenant.protocols[0].publication_url = None;
        assert!(ask(&case).is_ok());
        let mut case = data();
        case.tenant.protocols[1].council_decision = None;
        assert!(ask(&case).is_ok());
    }

    #[test]
    fn each_boundary_of_time_is_a_day_in_brussels() {
        for (instant, answer) in [
            ("2026-09-01T21:59:59Z", Err(Rule::SignedByAuthority)),
            ("2027-09-01T21:59:59Z", Ok(())),
            ("2027-09-01T22:00:00Z", Err(Rule::NotEnded)),
        ] {
            let case = Case { today: brussels_date(instant.parse().unwrap()), ..list() };
            assert_eq!(ask(&case).map(|_| ()), answer, "{instant}");
        }
        let mut case = list();
        case.tenant.protocols[0].valid = Some(Validity { from: date(2026, 12, 1), until: date(2026, 12, 1) });
        for (instant, answer) in [
            ("2026-11-30T22:59:59Z", Err(Rule::Started)),
            ("2026-11-30T23:00:00Z", Ok(())),
            ("2026-12-01T22:59:59Z", Ok(())),
            ("2026-12-01T23:00:00Z", Err(Rule::NotEnded)),
        ] {
            case.today = brussels_date(instant.parse().unwrap());
            assert_eq!(ask(&case).map(|_| ()), answer, "{instant}");
        }
        let case = Case { today: date(2026, 9, 1), ..letters() };
        assert_eq!(ask(&case), Err(Rule::SignedByAuthority));
        let case = Case { today: date(2027, 9, 2), ..letters() };
        assert_eq!(ask(&case), Err(Rule::NotEnded));
    }

    #[test]
    fn periodic_use_ends_with_its_last_time() {
        let mut case = list();
        case.tenant.protocols[0].usage = Use::Periodic { times: 12, per: Period::Year };
        case.uses = 11;
        assert!(ask(&case).is_ok());
        case.uses = 12;
        assert_eq!(ask(&case), Err(Rule::UseLeft));
    }

    #[test]
    fn columns_outside_the_protocol_do_not_leave() {
        let kind = Kind::SocialeToeslag;
        let mut tenant = tenant();
        let narrow = ["aandeel", "niss", "sociale_toeslag"].map(|name| kind.column(name).unwrap());
        tenant.protocols[0].kinds.insert(kind, narrow.to_vec());
        let reference = id("OPG-1");
        let request = Request {
            tenant: &tenant,
            ground: Ground::Protocol(&reference),
            kind,
            columns: None,
            today: TODAY,
            uses: 0,
        };
        let names: Vec<_> = release(request).unwrap().columns().iter().map(|column| column.name()).collect();
        assert_eq!(names, ["niss", "sociale_toeslag", "aandeel"]);
        let wide = Request { columns: Some(kind.columns()), ..request };
        assert_eq!(release(wide), Err(Refusal { rule: Rule::ColumnsAllowed }));
    }

    #[test]
    fn personal_data_need_a_ground_and_letters_an_agreement() {
        let tenant = tenant();
        let reference = id("OPG-1");
        for kind in Kind::ALL {
            let request = |ground| Request { tenant: &tenant, ground, kind, columns: None, today: TODAY, uses: 0 };
            let free = release(request(Ground::NoPersonalData(&reference)));
            assert_eq!(free.is_ok(), !kind.has_personal_data(), "{kind}");
            assert!(release(request(Ground::Trial(&reference))).is_ok(), "{kind}");
        }
        let request = Request {
            tenant: &tenant,
            ground: Ground::Protocol(&reference),
            kind: Kind::Brieven,
            columns: None,
            today: TODAY,
            uses: 0,
        };
        assert_eq!(release(request), Err(Refusal { rule: Rule::GroundFitsKind }));
        let ground = Ground::Agreement { of: &tenant, id: &reference, purpose: "" };
        let request = Request { ground, kind: Kind::Gegevens, ..request };
        assert_eq!(release(request), Err(Refusal { rule: Rule::GroundFitsKind }));
    }
}
