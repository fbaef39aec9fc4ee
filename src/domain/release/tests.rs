//! Each rule of the gate refuses alone, and all that is missing is named.

use super::*;
use crate::domain::{
    brussels_date,
    protocol::{Advice, Agreement, BothParties, Outside, Period, Reply, Validity},
    tenant::{Onboarding, TenantLimits},
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
    let limits = TenantLimits { upload_bytes: 1, inbox_bytes: 1, outbox_bytes: 1 };
    Tenant {
        nis_code: Some("72004".parse().unwrap()),
        recipients: vec!["age1".to_owned()],
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
        ..Tenant::new("bree".parse().unwrap(), "Stad Bree".to_owned(), TenantKind::Municipality, limits)
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
    let request =
        Request { tenant: &tenant, ground: Ground::Protocol(&reference), kind, columns: None, today: TODAY, uses: 0 };
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

#[test]
fn all_that_is_missing_is_named_in_order() {
    let mut tenant = tenant();
    tenant.recipients.clear();
    tenant.onboarding = Onboarding::default();
    tenant.protocols[1].status = Status::Draft;
    tenant.protocols[1].valid = None;
    tenant.protocols[1].dpo_advice.authority = None;
    tenant.protocols[1].publication_url = None;
    let reference = id("VUTG-1");
    let ground = Ground::Protocol(&reference);
    let request = Request { tenant: &tenant, ground, kind: Kind::Betaling, columns: None, today: TODAY, uses: 1 };
    let expected = [
        Rule::Recipients,
        Rule::StatusSigned,
        Rule::Started,
        Rule::NotEnded,
        Rule::AdviceOfAuthority,
        Rule::Publication,
        Rule::KindAllowed,
        Rule::TechnicalTest,
        Rule::FunctionalTest,
        Rule::UseLeft,
    ];
    assert_eq!(missing(request), expected);
    let unknown = id("VUTG-2");
    let request = Request { ground: Ground::Protocol(&unknown), ..request };
    assert_eq!(missing(request), [Rule::Recipients, Rule::KnownReference]);
    let whole = self::tenant();
    let request = Request { tenant: &whole, ground, kind: Kind::Gegevens, uses: 0, ..request };
    assert_eq!(missing(request), []);
}
