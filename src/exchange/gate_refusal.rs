//! What the release gate's no means for operators: each rule that is not met, in English, with what to do about it.
//!
//! What a municipality reads of it is in [`crate::documents::rejection`].

use jiff::civil::Date;

use crate::domain::{
    Ground, Kind, Protocol, ProtocolId, Rule, Tenant,
    protocol::{Advice, Agreement, BothParties, Period, Use, Validity},
    release::{Request, missing},
};

/// The gate's no, as operators are told it. Each sentence ends with the rule's code, which the log has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} for {tenant} may not leave: {}", sentences.join("; "))]
pub struct GateRefusal {
    kind: Kind,
    tenant: String,
    sentences: Vec<String>,
}

impl GateRefusal {
    /// Of what was asked and refused.
    pub fn of(request: Request<'_>) -> Self {
        let told: Vec<(String, Rule)> =
            missing(request).into_iter().map(|rule| (Unmet { request }.told(rule), rule)).collect();
        // Two rules may ask for the same.
        let sentences = told.chunk_by(|(one, _), (next, _)| one == next).map(|same| {
            let rules: Vec<String> = same.iter().map(|(_, rule)| rule.to_string()).collect();
            let sentence = same.first().map_or("", |(sentence, _)| sentence);
            format!("{sentence} ({})", rules.join(", "))
        });
        let sentences = sentences.collect();
        Self { kind: request.kind, tenant: request.tenant.id.to_string(), sentences }
    }
}

/// What the gate was asked.
struct Unmet<'a> {
    request: Request<'a>,
}

impl Unmet<'_> {
    /// What a rule that is not met means here.
    fn told(&self, rule: Rule) -> String {
        let Request { tenant, kind, .. } = self.request;
        let (id, file) = (&tenant.id, self.file());
        let ground = self.ground();
        match rule {
            Rule::Recipients => {
                format!("{id} has no key to seal to: put its age or SSH public key under `recipients` in its file")
            }
            Rule::GroundFitsKind => {
                "letters leave by an agreement, other personal data by a protocol, and the rest by neither".to_owned()
            }
            Rule::PrintPartner => format!("letters go to a tenant of kind print-partner, and {id} is none"),
            Rule::KnownReference => self.unknown_reference(),
            Rule::RouteFitsKind => format!("{ground} is not of the route that gives {kind}"),
            Rule::StatusSigned => {
                let status = self.protocol().map_or("", |protocol| protocol.status.name());
                format!("{ground} is {status}, not signed: `status` in {file} says how far it is")
            }
            Rule::SignedByAgency => {
                self.paper(&format!("{ground} is not signed by the agency"), "signed.agency", self.signed().agency)
            }
            Rule::SignedByAuthority => {
                let what = format!("{ground} is not signed by the local authority");
                self.paper(&what, "signed.authority", self.signed().authority)
            }
            Rule::Started | Rule::NotEnded => self.outside_days(rule),
            Rule::AdviceOfAgency => self.advice("agency", "dpo_advice.agency", self.advices().agency),
            Rule::AdviceOfAuthority => self.advice("local authority", "dpo_advice.authority", self.advices().authority),
            Rule::CouncilDecision => {
                let day = self.protocol().and_then(|protocol| protocol.council_decision);
                self.paper("the college's decision is missing", "council_decision", day)
            }
            Rule::Regulation => format!("the regulation is missing: name it under `regulation` in {file}"),
            Rule::Publication => {
                format!("the protocol is not published: put the address under `publication_url` in {file}")
            }
            Rule::KindAllowed => {
                let kinds = self.protocol().map(|protocol| protocol.kinds.keys().map(|kind| kind.name()));
                format!("{ground} does not allow {kind}; it allows {}", listed(kinds.into_iter().flatten()))
            }
            Rule::ColumnsAllowed => self.columns(),
            Rule::TechnicalTest => format!(
                "the technical test is not passed: it is once {id} fetches a file of /test/outbox whole, the answer to a \
                 list that it put in /test/inbox or what `groeikluis assignment test … --technical` makes"
            ),
            Rule::FunctionalTest => self.paper(
                &format!("the functional test is not passed: {id} reads a test file into its own program"),
                "onboarding.functional_test",
                tenant.onboarding.functional_test,
            ),
            Rule::UseLeft => self.used_up(),
        }
    }

    /// What is not there, or is of a day to come.
    fn paper(&self, what: &str, key: &str, day: Option<Date>) -> String {
        let file = self.file();
        match day.filter(|day| *day > self.request.today) {
            Some(day) => format!("{what}: `{key}` in {file} is {day}, which is to come"),
            None => format!("{what}: when it is there, put its day under `{key}` in {file}"),
        }
    }

    fn advice(&self, whose: &str, key: &str, given: Option<Advice>) -> String {
        let officer = format!("the {whose}'s data protection officer");
        match given {
            Some(Advice { positive: false, .. }) => {
                format!(
                    "the advice of {officer} is negative: nothing leaves without a positive one (`{key}` in {})",
                    self.file()
                )
            }
            _ => self.paper(
                &format!("the positive advice of {officer} is missing"),
                key,
                given.map(|advice| advice.date),
            ),
        }
    }

    fn signed(&self) -> BothParties<Date> {
        let protocol = self.protocol().map(|protocol| protocol.signed);
        protocol.or_else(|| self.agreement().map(|agreement| agreement.signed)).unwrap_or_default()
    }

    fn advices(&self) -> BothParties<Advice> {
        self.protocol().map(|protocol| protocol.dpo_advice).unwrap_or_default()
    }

    /// The file that says what is signed.
    fn file(&self) -> String {
        format!("tenants/{}.yaml", self.signer().id)
    }

    /// Whose protocol or agreement it is: letters go to a printer.
    fn signer(&self) -> &Tenant {
        match self.request.ground {
            Ground::Agreement { of, .. } => of,
            Ground::Protocol(_) | Ground::NoPersonalData(_) | Ground::Trial(_) => self.request.tenant,
        }
    }

    fn reference(&self) -> &ProtocolId {
        match self.request.ground {
            Ground::Agreement { id, .. } | Ground::Protocol(id) | Ground::NoPersonalData(id) | Ground::Trial(id) => id,
        }
    }

    fn is_agreement(&self) -> bool {
        matches!(self.request.ground, Ground::Agreement { .. })
    }

    fn protocol(&self) -> Option<&Protocol> {
        if self.is_agreement() { None } else { self.signer().protocol(self.reference()) }
    }

    fn agreement(&self) -> Option<&Agreement> {
        let own = self.signer().agreements.iter().find(|agreement| agreement.id == *self.reference());
        own.filter(|_| self.is_agreement())
    }

    /// The protocol or agreement, in words.
    fn ground(&self) -> String {
        let what = if self.is_agreement() { "agreement" } else { "protocol" };
        format!("{what} {}", self.reference())
    }

    fn unknown_reference(&self) -> String {
        let signer = self.signer();
        let known = if self.is_agreement() {
            listed(signer.agreements.iter().map(|agreement| agreement.id.as_str()))
        } else {
            listed(signer.protocols.iter().map(|protocol| protocol.id.as_str()))
        };
        format!("{} has no {}; it has {known}", signer.id, self.ground())
    }

    fn outside_days(&self, rule: Rule) -> String {
        let ground = self.ground();
        let valid = self.protocol().and_then(|protocol| protocol.valid);
        let valid = valid.or_else(|| self.agreement().map(|agreement| agreement.valid));
        match (valid, rule) {
            (None, _) => format!("{ground} has no days on which it holds: put them under `valid`"),
            (Some(Validity { from, .. }), Rule::Started) => {
                format!("{ground} holds from {from} on: nothing leaves under it before")
            }
            (Some(Validity { until, .. }), _) => format!("{ground} held until {until}: another is needed"),
        }
    }

    fn columns(&self) -> String {
        let allowed = self.protocol().and_then(|protocol| protocol.kinds.get(&self.request.kind));
        let is_allowed = |column| allowed.is_some_and(|allowed| allowed.contains(column));
        let asked = self.request.columns.unwrap_or_default().iter();
        let others = listed(asked.filter(|column| !is_allowed(column)).map(|column| column.name()));
        format!("{} does not allow the columns {others}: leave them out", self.ground())
    }

    fn used_up(&self) -> String {
        let (ground, uses) = (self.ground(), self.request.uses);
        match self.protocol().map(|protocol| protocol.usage) {
            Some(Use::Periodic { times, per }) => {
                let per = match per {
                    Period::Year => "year",
                    Period::Month => "month",
                };
                format!("{ground} was used {uses} of {times} times this {per}: wait for the next, or have it amended")
            }
            Some(Use::Once) | None => format!("{ground} was used, and is for once: another is needed"),
        }
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Column, TenantKind,
        protocol::{BothParties, Outside, Reply, Route, Status},
        tenant::TenantLimits,
    };
    use jiff::civil::date;

    fn reference(text: &str) -> ProtocolId {
        text.parse().unwrap()
    }

    fn bree() -> Tenant {
        let limits = TenantLimits { upload_bytes: 1, inbox_bytes: 1, outbox_bytes: 1 };
        Tenant::new("bree".parse().unwrap(), "Stad Bree".to_owned(), TenantKind::Municipality, limits)
    }

    /// A tenant with one protocol, of which most is missing.
    fn tenant() -> Tenant {
        let days = BothParties { agency: Some(date(2026, 9, 1)), authority: None };
        let protocol = Protocol {
            id: reference("VUTG-2026-004"),
            route: Route::Vutg,
            status: Status::Draft,
            purpose: String::new(),
            legal_basis: String::new(),
            council_decision: None,
            regulation: None,
            dpo_advice: BothParties { agency: None, authority: None },
            signed: days,
            publication_url: None,
            valid: Some(Validity { from: date(2026, 1, 1), until: date(2026, 9, 1) }),
            usage: Use::Once,
            kinds: [(Kind::Betaling, vec![Kind::Betaling.column("iban").unwrap()])].into(),
            reply: Reply::EntitledOnly,
            outside_municipality: Outside::Withhold,
            retention_days: 90,
        };
        Tenant { protocols: vec![protocol], ..bree() }
    }

    fn told(tenant: &Tenant, ground: Ground<'_>, kind: Kind, columns: Option<&[Column]>) -> String {
        let request = Request { tenant, ground, kind, columns, today: date(2026, 11, 23), uses: 1 };
        GateRefusal::of(request).to_string()
    }

    #[test]
    fn each_rule_that_is_not_met_is_a_sentence_with_what_to_do() {
        let (tenant, id) = (tenant(), reference("VUTG-2026-004"));
        let columns = Kind::Betaling.columns();
        let text = told(&tenant, Ground::Protocol(&id), Kind::Betaling, Some(columns));
        assert!(text.starts_with("betaling for bree may not leave: bree has no key to seal to: "), "{text}");
        for part in [
            "protocol VUTG-2026-004 is draft, not signed",
            "`signed.authority` in tenants/bree.yaml (signed-by-authority); ",
            "protocol VUTG-2026-004 held until 2026-09-01: another is needed (not-ended)",
            "under `dpo_advice.agency`",
            "the regulation is missing: name it",
            "does not allow the columns volgnummer, rekeninghouder, bedrag",
            "the technical test is not passed: it is once bree fetches",
            "(functional-test)",
            "protocol VUTG-2026-004 was used, and is for once",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let text = told(&tenant, Ground::Protocol(&id), Kind::Gegevens, None);
        assert!(text.contains("does not allow gegevens; it allows betaling (kind-allowed)"), "{text}");
    }

    #[test]
    fn what_is_there_and_does_not_do_is_not_told_as_missing() {
        let (mut tenant, id) = (tenant(), reference("VUTG-2026-004"));
        let Some(protocol) = tenant.protocols.first_mut() else { panic!() };
        protocol.dpo_advice.agency = Some(Advice { date: date(2026, 8, 1), positive: false });
        protocol.signed.authority = Some(date(2027, 1, 4));
        protocol.valid = None;
        tenant.onboarding.functional_test = Some(date(2026, 12, 1));
        let text = told(&tenant, Ground::Protocol(&id), Kind::Betaling, None);
        for part in [
            "the advice of the agency's data protection officer is negative",
            "`signed.authority` in tenants/bree.yaml is 2027-01-04, which is to come (signed-by-authority)",
            "put them under `valid` (started, not-ended); ",
            "`onboarding.functional_test` in tenants/bree.yaml is 2026-12-01, which is to come",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_reference_that_is_not_known_is_told_with_those_that_are() {
        let tenant = tenant();
        let typed = reference("VUTG-2026-99");
        let text = told(&tenant, Ground::Protocol(&typed), Kind::Betaling, None);
        assert!(text.ends_with("bree has no protocol VUTG-2026-99; it has VUTG-2026-004 (known-reference)"), "{text}");
        let ground = Ground::Agreement { of: &tenant, id: &typed, purpose: "" };
        let text = told(&bree(), ground, Kind::Brieven, None);
        assert!(text.contains("bree has no agreement VUTG-2026-99; it has none"), "{text}");
    }
}
