//! The report of a small made log, as files.

use jiff::{Timestamp, civil::date};

use super::*;
use crate::documents::golden;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn delivery(seq: u64, tenant: &str, kind: Kind, created: &str) -> Delivery {
    let file = format!("{kind}_72004_OPG-2026-017_20261121_{seq:04}.csv.age");
    Delivery {
        seq,
        id: format!("{seq:032x}"),
        created: at(created),
        available: Some(at(created)),
        fetched: None,
        fetched_by: Vec::new(),
        times_fetched: 0,
        unfinished: 0,
        removed: None,
        tenant: tenant.to_owned(),
        on_behalf_of: None,
        protocol: "OPG-2026-017".to_owned(),
        kind,
        file,
        rows: 1_208,
        amount_total: None,
        purpose: String::new(),
        legal_basis: String::new(),
        columns: Vec::new(),
        recipients: vec!["1f5c0a77e2b94d3c8a6b12de90f3c455".to_owned()],
        test: false,
        list: None,
    }
}

fn answer(seq: u64, tenant: &str, created: &str) -> Delivery {
    Delivery {
        purpose: "automatische toekenning van de Uitpas met kansentarief".to_owned(),
        legal_basis: "decreet van 27 april 2018, art. 7".to_owned(),
        columns: ["niss", "sociale_toeslag", "begunstigde_niss"].map(str::to_owned).into(),
        list: Some(List { rows: 5_702, matched: 5_690, entitled: 1_208, register_month: "2026-10".to_owned() }),
        ..delivery(seq, tenant, Kind::SocialeToeslag, created)
    }
}

fn fetched(mut delivery: Delivery, when: &str, key: &str) -> Delivery {
    delivery.fetched = Some(at(when));
    delivery.fetched_by.push(key.to_owned());
    delivery.times_fetched = 2;
    delivery
}

fn refusal(seq: u64, reason: &str, protocol: Option<&str>, when: &str) -> Refusal {
    Refusal {
        seq,
        at: at(when),
        tenant: "bree".to_owned(),
        protocol: protocol.map(str::to_owned),
        agreement: false,
        subject: Subject::List,
        reason: reason.to_owned(),
        rows: None,
        invalid: None,
        file: Some(format!("weigering_72004_zonder-protocol_20261121_{seq:04}.txt.age")),
        test: false,
    }
}

/// What a printer got on behalf of a municipality.
fn letters() -> Delivery {
    Delivery {
        protocol: "VUTG-2026-001".to_owned(),
        on_behalf_of: Some(Authority { tenant: "torhout".to_owned(), name: Some("Stad Torhout".to_owned()) }),
        file: "brieven_31033_torhout-schoolpremie_20261112_0001.pdf.age".to_owned(),
        rows: 212,
        purpose: "gemeentelijke schoolpremie".to_owned(),
        ..delivery(46, "drukkerij", Kind::Brieven, "2026-11-12T09:00:00Z")
    }
}

/// One of everything, with names that would be markup or formulas.
pub(super) fn made() -> AuditReport {
    let payment = Delivery {
        protocol: "VUTG-2026-003".to_owned(),
        amount_total: Some("30200.00".to_owned()),
        removed: Some(at("2026-11-20T02:00:01Z")),
        purpose: "<script>alert('x')</script> & \"premie\"".to_owned(),
        legal_basis: "=1+1".to_owned(),
        unfinished: 1,
        ..delivery(44, "lokeren", Kind::Betaling, "2026-10-31T23:30:00Z")
    };
    let rejection = Delivery {
        protocol: "zonder-protocol".to_owned(),
        file: "weigering_72004_zonder-protocol_20261121_0031.txt.age".to_owned(),
        rows: 9,
        ..delivery(32, "bree", Kind::Weigering, "2026-09-03T08:00:00Z")
    };
    let trial = Delivery { test: true, protocol: "TEST".to_owned(), ..answer(12, "bree", "2026-09-02T09:00:00Z") };
    AuditReport {
        made_at: at("2026-11-22T03:00:00Z"),
        from: date(2026, 9, 1),
        until: date(2026, 11, 30),
        tenant: None,
        former: Vec::new(),
        protocol: None,
        logs: vec![VerifiedLog {
            origin: "groeikluis.example/2026".to_owned(),
            entries: 1_234,
            root: "d1ed17865836fbdfd076b7b47dab2b71a5816b3563f36e0d66e90013a4f055e5".to_owned(),
            key: "groeikluis.example/2026+8f3a2c11+AYp0u2b8s1V0Q1y7m9mXk3n0b1l7a4d6f8h2j4k6m8Q=".to_owned(),
            unsigned: 2,
            first_at: Some(at("2026-09-01T06:00:00Z")),
            last_at: Some(at("2026-11-21T22:59:59Z")),
        }],
        deliveries: vec![
            fetched(trial, "2026-09-02T09:05:00Z", "ict-bree"),
            fetched(rejection, "2026-09-03T08:01:00Z", "ict-bree"),
            fetched(answer(40, "bree", "2026-10-01T10:00:00Z"), "2026-10-01T10:02:13Z", "ict-bree"),
            fetched(answer(42, "lokeren", "2026-10-05T10:00:00Z"), "2026-10-09T06:02:13Z", "@robot"),
            payment,
            fetched(letters(), "2026-11-12T10:30:00Z", "prepress"),
        ],
        refusals: vec![
            Refusal {
                rows: Some(40),
                invalid: Some(31),
                ..refusal(31, "list-too-many-invalid", None, "2026-09-03T08:00:00Z")
            },
            refusal(50, "use-left", Some("OPG-2026-017"), "2026-11-20T08:00:00Z"),
        ],
        logins: vec![
            Logins {
                month: "2026-10".to_owned(),
                tenant: Some("bree".to_owned()),
                key: Some("ict-bree".to_owned()),
                refused: None,
                count: 14,
                last: at("2026-10-30T10:00:00Z"),
            },
            Logins {
                month: "2026-11".to_owned(),
                tenant: None,
                key: None,
                refused: Some("unknown-user".to_owned()),
                count: 1_422,
                last: at("2026-11-20T10:00:00Z"),
            },
        ],
        changes: vec![Change {
            seq: 3,
            at: at("2026-09-01T06:00:00Z"),
            event: "protocol.opened",
            tenant: Some("bree".to_owned()),
            subject: "OPG-2026-017".to_owned(),
            before: None,
            after: Some("0c".repeat(32)),
        }],
        readings: vec![Reading {
            seq: 60,
            at: at("2026-11-20T09:00:00Z"),
            event: "disclosure.opened",
            tenant: Some("bree".to_owned()),
            key: None,
            count: 12,
            about: "klacht van 12 november, 01/11/2026 tot en met 30/11/2026".to_owned(),
        }],
        hints: vec![Hint {
            seq: 44,
            at: at("2026-10-31T23:30:00Z"),
            tenant: "lokeren".to_owned(),
            kind: HintKind::Volume,
            about: "betaling_72004_VUTG-2026-003_20261121_0044.csv.age: 1208 rijen, gewoonlijk 310".to_owned(),
        }],
    }
}

#[test]
fn the_page_is_as_it_was() {
    let page = page(&made());
    golden::compare("auditverslag.html", &page);
    // Nothing is fetched from elsewhere, and nothing of the log is markup.
    for elsewhere in ["http:", "https:", "//cdn", "src=", "url(h", "@import"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
}

#[test]
fn the_sheet_is_as_it_was() {
    let sheet = String::from_utf8(sheet(&made())).unwrap();
    golden::compare("auditverslag.csv", &sheet);
    assert!(sheet.contains(";'=1+1;") && sheet.contains(";'@robot;"), "{sheet}");
}

#[test]
fn a_protocol_with_the_reference_of_an_agreement_stands_apart() {
    let mut report = made();
    let namesake = Delivery { protocol: "VUTG-2026-001".to_owned(), ..answer(52, "bree", "2026-11-14T09:00:00Z") };
    report.deliveries.push(namesake);
    let page = page(&report);
    assert!(page.contains("Overeenkomst VUTG-2026-001 van Stad Torhout") && page.contains("Protocol VUTG-2026-001"));
    let sheet = String::from_utf8(sheet(&report)).unwrap();
    let row = |begin: &str| sheet.lines().find(|line| line.starts_with(begin)).unwrap();
    assert!(row("46;").ends_with(";torhout;ja") && row("52;").ends_with(";;nee"), "{sheet}");
}

#[test]
fn the_paper_is_as_it_was() {
    golden::compare_pdf("auditverslag.txt", &paper(&made()).unwrap());
}

#[test]
fn elements_are_closed_in_their_order() {
    let page = page(&made());
    let body = page.split_once("<body>").unwrap().1.split_once("<script>").unwrap().0;
    let mut open = Vec::new();
    for tag in body.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0) {
        let name = tag.split(' ').next().unwrap();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed)),
            None if tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_report_on_a_merged_tenant_names_who_it_was_merged_of() {
    let former = vec!["bilzen".to_owned(), "hoeselt".to_owned()];
    let merged = AuditReport { tenant: Some("bilzen-hoeselt".to_owned()), former, ..made() };
    let told = "alleen bestuur bilzen-hoeselt (met wat daarin opging: bilzen, hoeselt)";
    assert!(page(&merged).contains(told));
    let sheet = String::from_utf8(sheet(&merged)).unwrap();
    assert!(sheet.lines().any(|line| line.trim_end() == "opgegaan in dat bestuur;bilzen"), "{sheet}");
}

#[test]
fn a_period_without_anything_is_a_report_too() {
    let made = made();
    let empty = AuditReport {
        deliveries: Vec::new(),
        refusals: Vec::new(),
        logins: Vec::new(),
        changes: Vec::new(),
        readings: Vec::new(),
        hints: Vec::new(),
        ..made
    };
    let page = page(&empty);
    assert!(page.contains("Alle bestanden van deze periode zijn opgehaald.") && page.contains("Geen in deze periode."));
    assert!(sheet(&empty).len() > 100 && empty.to_json().unwrap().ends_with(b"}\n"));
}
