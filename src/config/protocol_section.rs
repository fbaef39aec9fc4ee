//! A tenant's protocols and agreements.
//!
//! A signed protocol must say what leaves, when, why and by whose signature. Whether it may be used on a given day
//! (advice, decisions, publication) is the release gate's question, since those papers may follow the signature.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{
    fault::{Faults, shown},
    fields::{Fields, Item},
    keys::{self, Positive, UseKind, nearest},
};
use crate::domain::{
    Column, Kind, Protocol, ProtocolId,
    protocol::{Advice, Agreement, BothParties, Outside, Period, Reply, Route, Status, Use, Validity},
};

/// How long files may be kept where a protocol says nothing, days.
const RETENTION_DAYS: u32 = 90;

/// Reads the protocols of a tenant.
pub(super) fn protocols(tenant: &Fields<'_>, faults: &Faults) -> Vec<Protocol> {
    tenant.list("protocols").iter().filter_map(|item| protocol(item, faults)).collect()
}

/// Reads the agreements of a tenant.
pub(super) fn agreements(tenant: &Fields<'_>) -> Vec<Agreement> {
    let read = |item: Item<'_>| {
        let fields = item.mapping(&keys::AGREEMENT)?;
        let (id, valid) = (fields.parsed("id"), validity(&fields));
        let signed = signatures(&fields);
        Some(Agreement { id: id?, signed, valid: valid? })
    };
    tenant.list("agreements").into_iter().filter_map(read).collect()
}

/// The SHA-256 of each protocol and agreement as it is written, hexadecimal. Layout and comments do not count.
pub(super) fn documents(tenant: &Fields<'_>) -> Vec<(ProtocolId, String)> {
    let mut documents = Vec::new();
    for (list, keys) in [("agreements", &keys::AGREEMENT), ("protocols", &keys::PROTOCOL)] {
        for item in tenant.list(list) {
            let id = item.mapping(keys).and_then(|fields| fields.parsed::<ProtocolId>("id"));
            documents.extend(id.map(|id| (id, hex::encode(Sha256::digest(item.node.canonical())))));
        }
    }
    documents
}

/// Notes references that stand twice: a file's name must tell its ground.
pub(super) fn check_references(tenant: &Fields<'_>, faults: &Faults) {
    let mut seen: Vec<ProtocolId> = Vec::new();
    for (list, keys) in [("agreements", &keys::AGREEMENT), ("protocols", &keys::PROTOCOL)] {
        for item in tenant.list(list) {
            let Some(fields) = item.mapping(keys) else { continue };
            match fields.parsed::<ProtocolId>("id") {
                Some(id) if seen.contains(&id) => {
                    faults.add(fields.place("id"), format!("reference {} stands twice", shown(id.as_str())));
                }
                Some(id) => seen.push(id),
                None => {}
            }
        }
    }
}

fn protocol(item: &Item<'_>, faults: &Faults) -> Option<Protocol> {
    let fields = item.mapping(&keys::PROTOCOL)?;
    let (id, route, status) = (fields.parsed("id"), fields.word("route"), fields.word("status"));
    let advice = fields.mapping("dpo_advice", &keys::ADVICES);
    let kinds = fields.item("kinds").map(|item| kinds(&item, route)).unwrap_or_default();
    let signed = signatures(&fields);
    if status == Some(Status::Signed) {
        check_signed(&fields, signed, faults);
    }
    let protocol = Protocol {
        id: id?,
        route: route?,
        status: status?,
        purpose: fields.text("purpose").unwrap_or_default(),
        legal_basis: fields.text("legal_basis").unwrap_or_default(),
        council_decision: fields.date("council_decision"),
        regulation: fields.text("regulation"),
        dpo_advice: BothParties {
            agency: advice.as_ref().and_then(|both| self::advice(both, "agency")),
            authority: advice.as_ref().and_then(|both| self::advice(both, "authority")),
        },
        signed,
        publication_url: fields.item("publication_url").and_then(|item| url(&item)),
        valid: validity(&fields),
        usage: fields.mapping("use", &keys::USE).map_or(Use::Once, |fields| usage(&fields, faults)),
        kinds,
        reply: fields.word("reply").unwrap_or(Reply::EntitledOnly),
        outside_municipality: fields.word("outside_municipality").unwrap_or(Outside::Withhold),
        retention_days: fields.number("retention_days", 1..=3650, RETENTION_DAYS),
    };
    Some(protocol)
}

/// What a protocol must say once it is signed.
fn check_signed(fields: &Fields<'_>, signed: BothParties<jiff::civil::Date>, faults: &Faults) {
    for key in ["purpose", "legal_basis", "signed", "valid", "use", "kinds"] {
        if fields.item(key).is_none() {
            faults.add(fields.at, format!("a signed protocol has no `{key}`"));
        }
    }
    if let Some(item) = fields.item("signed") {
        for (party, day) in [("agency", signed.agency), ("authority", signed.authority)] {
            if day.is_none() {
                let hint = "give its day, or set `status` to draft";
                item.fault(format!("a signed protocol has no signature of the {party}"), Some(hint));
            }
        }
    }
    if let Some(item) = fields.item("kinds")
        && matches!(&item.node.content, super::tree::Content::Mapping(entries) if entries.is_empty())
    {
        item.fault("a signed protocol allows no kind of file", None);
    }
}

fn signatures(fields: &Fields<'_>) -> BothParties<jiff::civil::Date> {
    fields.mapping("signed", &keys::SIGNATURES).map_or_else(BothParties::default, |both| BothParties {
        agency: both.date("agency"),
        authority: both.date("authority"),
    })
}

fn advice(both: &Fields<'_>, party: &'static str) -> Option<Advice> {
    let fields = both.mapping(party, &keys::ADVICE)?;
    let (date, advice) = (fields.date("date"), fields.word("advice"));
    advice.and_then(|Positive(positive)| Some(Advice { date: date?, positive }))
}

fn validity(fields: &Fields<'_>) -> Option<Validity> {
    let valid = fields.mapping("valid", &keys::VALIDITY)?;
    let (from, until) = (valid.date("from"), valid.date("until"));
    let (from, until) = (from?, until?);
    if until < from {
        valid.item("until").iter().for_each(|item| item.fault(format!("ends on {until}, before it begins"), None));
    }
    Some(Validity { from, until })
}

fn usage(fields: &Fields<'_>, faults: &Faults) -> Use {
    match fields.word("kind") {
        Some(UseKind::Periodic) => {
            for key in ["times", "per"] {
                if fields.item(key).is_none() {
                    let hint = "write {kind: periodic, times: 12, per: year}";
                    faults.add_with_hint(fields.at, format!("a periodic use has no `{key}`"), hint);
                }
            }
            let times = fields.number("times", 1..=1000, 1);
            Use::Periodic { times, per: fields.word("per").unwrap_or(Period::Year) }
        }
        Some(UseKind::Once) | None => {
            for item in ["times", "per"].into_iter().filter_map(|key| fields.item(key)) {
                item.fault(format!("`{}` belongs to a periodic use", item.key), Some("leave it out"));
            }
            Use::Once
        }
    }
}

fn url(item: &Item<'_>) -> Option<String> {
    let url = item.text()?;
    let shaped =
        ["https://", "http://"].iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    if !shaped || url.contains(char::is_whitespace) {
        item.fault(format!("`{}` {} is not a web address", item.key, shown(&url)), Some("begin with https://"));
    }
    Some(url)
}

fn kinds(item: &Item<'_>, route: Option<Route>) -> BTreeMap<Kind, Vec<Column>> {
    let mut kinds = BTreeMap::new();
    for entry in item.entries() {
        let Ok(kind) = entry.key.parse::<Kind>() else {
            let hint = match nearest(&entry.key, keys::kind_names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known: {}", keys::kind_names().collect::<Vec<_>>().join(", ")),
            };
            let problem = format!("{} is not a kind of file", shown(&entry.key));
            item.faults.add_with_hint(&entry.key_at, problem, hint);
            continue;
        };
        let of_route = if kind == Kind::SocialeToeslag { Route::Opgroeien } else { Route::Vutg };
        if route.is_some_and(|route| route != of_route) && kind.has_personal_data() {
            let problem = format!("`{kind}` does not leave by this route, but by {}", of_route.name());
            item.faults.add(&entry.key_at, problem);
        }
        let inner = Item { node: &entry.value, key: kind.name(), faults: item.faults };
        let Some(fields) = inner.mapping(&keys::KIND) else { continue };
        let columns = fields.item("columns").map_or_else(|| kind.columns().to_vec(), |item| columns(&item, kind));
        kinds.insert(kind, columns);
    }
    kinds
}

/// Reads the columns that a kind may have, in the layout's order (FORMATS.md, section 6).
fn columns(item: &Item<'_>, kind: Kind) -> Vec<Column> {
    let mut named: Vec<Column> = Vec::new();
    let mut strange = false;
    for column in item.list().unwrap_or_default() {
        let Some(name) = column.text() else { continue };
        match kind.column(&name) {
            Some(known) if named.contains(&known) => column.fault(format!("column `{name}` stands twice"), None),
            Some(known) => named.push(known),
            None => {
                strange = true;
                let meant = nearest(&name, kind.columns().iter().map(|column| column.name()));
                let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
                column.fault(format!("`{kind}` has no column {}", shown(&name)), hint.as_deref());
            }
        }
    }
    let missing = kind.minimum().iter().filter(|name| !named.iter().any(|column| column.name() == **name));
    let missing: Vec<&str> = missing.copied().collect();
    // A misspelt column would be reported twice.
    if !missing.is_empty() && !strange {
        item.fault(format!("`{kind}` makes no sense without {}", missing.join(" and ")), Some("add what is missing"));
    }
    kind.columns().iter().copied().filter(|column| named.contains(column)).collect()
}
