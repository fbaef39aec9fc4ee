//! One assignment's file: for whom, on what ground, which children, and what a run makes.
//!
//! Whether it may be run on a given day is the release gate's question; what is asked here is that the file says
//! something that can be run at all.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    fault::{Faults, Position, shown},
    fields::{Fields, Item},
    files::Files,
    keys::{self, Word, nearest},
    terms_section,
    tree::Node,
};
use crate::domain::{
    Assignment, AssignmentId, Criteria, Municipalities, ProtocolId, SourceCatalogue, SourceId, Tenant, TenantId,
    assignment::{Between, Born, Product, Recurrence, Unit},
    protocol::Route,
};

/// What assignments' files are read against. What is at fault itself is none, and then not looked into.
pub(super) struct Parties<'a> {
    pub tenants: &'a BTreeMap<TenantId, Arc<Tenant>>,
    pub tenants_dir: &'a Path,
    pub municipalities: Option<&'a Municipalities>,
    pub sources: Option<&'a SourceCatalogue>,
    pub files: &'a Files<'a>,
    pub faults: &'a Faults,
}

impl Parties<'_> {
    /// The tenant that a key names. A tenant whose own file is at fault is not reported as missing.
    pub fn tenant(&self, item: &Item<'_>) -> Option<&Tenant> {
        let id: TenantId = item.parsed()?;
        let found = self.tenants.get(&id);
        if found.is_none() && self.files.is_absent(&self.tenants_dir.join(format!("{id}.yaml"))) {
            let meant = nearest(id.as_str(), self.tenants.keys().map(TenantId::as_str));
            let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
            item.fault(format!("`{}` {id} is no tenant", item.key), hint.as_deref());
        }
        found.map(Arc::as_ref)
    }
}

/// Reads an assignment's file, with the place of its id; none when so much is at fault that there is no assignment.
pub(super) fn read(root: &Node, parties: &Parties<'_>) -> Option<(Assignment, Position)> {
    let fields = Fields::of_file(root, &keys::ASSIGNMENT, parties.faults)?;
    let tenant = fields.item("tenant").and_then(|item| local_authority(&item, parties));
    let grounds = grounds(&fields, tenant);
    let produce = fields.item("produce").map(|item| distinct::<Product>(&item, Product::name)).unwrap_or_default();
    let unit = fields.word("unit");
    let criteria = fields.mapping("criteria", &keys::CRITERIA).map(|fields| criteria(&fields, tenant, parties));
    let payment = fields.mapping("payment", &keys::PAYMENT).map(|payment| terms_section::payment(&payment, parties));
    let letters =
        fields.mapping("letters", &keys::LETTERS).map(|letters| terms_section::letter_terms(&letters, parties));
    if tenant.is_some() {
        check_grounds(&fields, &produce, &grounds);
    }
    for (product, key) in [(Product::Betaling, "payment"), (Product::Brieven, "letters")] {
        if produce.contains(&product) && fields.item(key).is_none() {
            let problem = format!("`produce` names {}, but there is no `{key}`", product.name());
            parties.faults.add(fields.place("produce"), problem);
        }
    }
    let id = fields.item("id").and_then(|item| own_name(&item, tenant));
    let purpose = fields.text("purpose");
    let assignment = Assignment {
        id: id?,
        tenant: tenant?.id.clone(),
        protocol: grounds.protocol,
        agreement: grounds.agreement,
        purpose: purpose?,
        criteria: criteria?,
        unit: unit.unwrap_or(Unit::Child),
        recurrence: fields.word("recurrence").unwrap_or(Recurrence::Once),
        produce,
        payment: payment.flatten(),
        letters: letters.flatten(),
    };
    Some((assignment, fields.place("id").clone()))
}

/// Only a local authority has assignments.
fn local_authority<'a>(item: &Item<'_>, parties: &'a Parties<'_>) -> Option<&'a Tenant> {
    let tenant = parties.tenant(item)?;
    if !tenant.kind.uploads() {
        let problem = format!("`tenant` {} is of kind {}", tenant.id, tenant.kind.name());
        item.fault(problem, Some("assignments are for a municipality or an ocmw"));
        return None;
    }
    Some(tenant)
}

/// The assignment's name: the reference of its files, so that it cannot be that of a protocol or agreement too.
fn own_name(item: &Item<'_>, tenant: Option<&Tenant>) -> Option<AssignmentId> {
    let id: AssignmentId = item.parsed()?;
    let reference = id.as_reference();
    let taken = |tenant: &Tenant| tenant.protocol(reference).is_some() || is_agreement(tenant, reference);
    if tenant.is_some_and(taken) {
        item.fault(format!("`id` {id} is a protocol or agreement of the tenant"), Some("give it a name of its own"));
    }
    Some(id)
}

fn is_agreement(tenant: &Tenant, id: &ProtocolId) -> bool {
    tenant.agreements.iter().any(|agreement| agreement.id == *id)
}

/// What an assignment stands on.
#[derive(Default)]
struct Grounds {
    /// For data.
    protocol: Option<ProtocolId>,
    /// For letters.
    agreement: Option<ProtocolId>,
    /// Whether the reference is that of an agreement, and so no ground for data.
    letters_only: bool,
}

fn grounds(fields: &Fields<'_>, tenant: Option<&Tenant>) -> Grounds {
    let reference = fields.item("reference").and_then(|item| item.parsed::<ProtocolId>().map(|id| (item, id)));
    let named = fields.item("agreement").and_then(|item| item.parsed::<ProtocolId>().map(|id| (item, id)));
    let Some(tenant) = tenant else { return Grounds::default() };
    if let Some((item, id)) = named.as_ref().filter(|(_, id)| !is_agreement(tenant, id)) {
        let hint = known(tenant.agreements.iter().map(|agreement| &agreement.id));
        item.fault(format!("tenant {} has no agreement {id}", tenant.id), hint.as_deref());
    }
    let only = match tenant.agreements.as_slice() {
        [only] => Some(only.id.clone()),
        _ => None,
    };
    let agreement = named.as_ref().map(|(_, id)| id.clone()).or(only);
    let Some((item, id)) = reference else { return Grounds { agreement, ..Grounds::default() } };
    if let Some(protocol) = tenant.protocol(&id) {
        if protocol.route != Route::Vutg {
            let problem = format!("protocol {id} is for the route {}", protocol.route.name());
            item.fault(problem, Some("assignments go by the route vutg"));
        }
        return Grounds { protocol: Some(id), agreement, letters_only: false };
    }
    if is_agreement(tenant, &id) {
        if let Some((item, other)) = named.filter(|(_, other)| *other != id) {
            item.fault(format!("`agreement` is {other}, and `reference` names agreement {id}"), None);
        }
        return Grounds { protocol: None, agreement: Some(id), letters_only: true };
    }
    let own = tenant.protocols.iter().map(|protocol| &protocol.id);
    let hint = known(own.chain(tenant.agreements.iter().map(|agreement| &agreement.id)));
    item.fault(format!("tenant {} has no protocol or agreement {id}", tenant.id), hint.as_deref());
    Grounds { agreement, ..Grounds::default() }
}

fn known<'a>(references: impl Iterator<Item = &'a ProtocolId>) -> Option<String> {
    let references: Vec<&str> = references.map(ProtocolId::as_str).collect();
    (!references.is_empty()).then(|| format!("known: {}", references.join(", ")))
}

/// That there is a ground of the right sort; whether it holds is the gate's question.
fn check_grounds(fields: &Fields<'_>, produce: &[Product], grounds: &Grounds) {
    let Some(item) = fields.item("produce") else { return };
    for product in produce {
        match product {
            Product::Gegevens | Product::Betaling if grounds.letters_only => {
                let problem = format!("{} needs a protocol, and `reference` names an agreement", product.name());
                item.fault(problem, Some("name the protocol in `reference`, and the agreement in `agreement`"));
            }
            Product::Brieven if grounds.agreement.is_none() => {
                let hint = "name one of the tenant's agreements in `agreement`";
                item.fault("brieven needs an agreement, and none is named", Some(hint));
            }
            Product::Gegevens | Product::Betaling | Product::Brieven | Product::Rapport => {}
        }
    }
}

/// A list of words, each once, at least one; in the words' own order.
pub(super) fn distinct<T: Word + PartialEq>(item: &Item<'_>, name: fn(T) -> &'static str) -> Vec<T> {
    let Some(items) = item.list() else { return Vec::new() };
    if items.is_empty() {
        item.fault(format!("`{}` is empty", item.key), None);
    }
    let mut named: Vec<T> = Vec::new();
    for entry in items {
        match entry.word::<T>() {
            Some(word) if named.contains(&word) => entry.fault(format!("{} stands twice", name(word)), None),
            Some(word) => named.push(word),
            None => {}
        }
    }
    T::WORDS.iter().map(|(_, word)| *word).filter(|word| named.contains(word)).collect()
}

fn criteria(fields: &Fields<'_>, tenant: Option<&Tenant>, parties: &Parties<'_>) -> Criteria {
    let sources = |key| sources(fields, key, parties.sources);
    let criteria = Criteria {
        postcodes: postcodes(fields, tenant, parties),
        any_of: sources("any_of"),
        all_of: sources("all_of"),
        none_of: sources("none_of"),
        born: fields.mapping("born", &keys::BORN).map_or_else(Born::default, |born| read_born(&born)),
        rank: between(fields, "rank"),
        family_size: between(fields, "family_size"),
        single_parent: fields.leaf("single_parent"),
    };
    for item in fields.list("none_of") {
        let asked = |source: &SourceId| criteria.any_of.contains(source) || criteria.all_of.contains(source);
        let Some(code) = item.text() else { continue };
        if parties.sources.and_then(|sources| sources.id(&code)).is_some_and(|source| asked(&source)) {
            item.fault(format!("{} is both asked for and ruled out", shown(&code)), Some("leave one of them out"));
        }
    }
    criteria
}

fn postcodes(fields: &Fields<'_>, tenant: Option<&Tenant>, parties: &Parties<'_>) -> Vec<u16> {
    let code = tenant.and_then(|tenant| tenant.nis_code);
    let municipality = code.and_then(|code| parties.municipalities?.by_code(code));
    let mut postcodes = Vec::new();
    for item in fields.list("postcodes") {
        let Some(number) = item.leaf::<u32>() else { continue };
        let Some(postcode) = u16::try_from(number).ok().filter(|code| (1000..=9999).contains(code)) else {
            item.fault(format!("`postcodes` {number} is not a postcode of 1000 to 9999"), None);
            continue;
        };
        if postcodes.contains(&postcode) {
            item.fault(format!("postcode {postcode} stands twice"), None);
            continue;
        }
        if let Some(municipality) = municipality.filter(|found| !found.postcodes.contains(&postcode)) {
            let own: Vec<String> = municipality.postcodes.iter().map(ToString::to_string).collect();
            let problem = format!("postcode {postcode} is not of {}", municipality.name);
            item.fault(problem, Some(&format!("its postcodes: {}", own.join(", "))));
        }
        postcodes.push(postcode);
    }
    postcodes
}

fn sources(fields: &Fields<'_>, key: &'static str, catalogue: Option<&SourceCatalogue>) -> Vec<SourceId> {
    let mut sources = Vec::new();
    for item in fields.list(key) {
        let (Some(code), Some(catalogue)) = (item.text(), catalogue) else { continue };
        match catalogue.id(&code) {
            Some(source) if sources.contains(&source) => item.fault(format!("{} stands twice", shown(&code)), None),
            Some(source) => sources.push(source),
            None => {
                let meant = nearest(&code, catalogue.iter().map(|(_, source)| source.code.as_str()));
                let hint = meant.map_or("see the sources file".to_owned(), |meant| format!("did you mean `{meant}`?"));
                item.fault(format!("`{key}` {} is not a source of the catalogue", shown(&code)), Some(&hint));
            }
        }
    }
    sources
}

fn read_born(fields: &Fields<'_>) -> Born {
    let born = Born { from: fields.date("from"), until: fields.date("until") };
    if let (Some(from), Some(until)) = (born.from, born.until)
        && until < from
        && let Some(item) = fields.item("until")
    {
        item.fault(format!("`until` is {until}, before `from`"), None);
    }
    born
}

/// Numbers of children: no family has more than 255, and none fewer than one.
fn between(fields: &Fields<'_>, key: &'static str) -> Between {
    let Some(fields) = fields.mapping(key, &keys::BETWEEN) else { return Between::default() };
    let end = |key| {
        let number = fields.item(key).map(|_| fields.number(key, 1..=255, 1));
        number.and_then(|number| u8::try_from(number).ok())
    };
    let range = Between { at_least: end("at_least"), at_most: end("at_most") };
    if let (Some(least), Some(most)) = (range.at_least, range.at_most)
        && most < least
        && let Some(item) = fields.item("at_most")
    {
        item.fault(format!("`at_most` is {most}, less than `at_least`"), None);
    }
    range
}
