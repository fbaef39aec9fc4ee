//! Tenants and their protocols, as the YAML of ops.

use jiff::{ToSpan, civil::Date};

/// A tenant to be laid out. Its keys are made when it is.
#[derive(Clone)]
pub struct Tenant {
    pub id: String,
    kind: &'static str,
    nis_code: Option<String>,
    protocols: Vec<Protocol>,
    /// The onboarding tests that it passed, as YAML; by default both.
    onboarding: Option<String>,
    more: Vec<String>,
}

/// A protocol: by default of the Opgroeien route, signed, in force, for many lists and entitled children only.
#[derive(Clone)]
pub struct Protocol {
    pub id: String,
    status: &'static str,
    usage: String,
    reply: &'static str,
    outside: &'static str,
    valid: (Date, Date),
    kinds: String,
    route: &'static str,
    retention_days: u32,
}

impl Tenant {
    pub fn municipality(id: &str, nis_code: &str) -> Self {
        Self { nis_code: Some(nis_code.to_owned()), ..Self::of_kind(id, "municipality") }
    }

    /// The social services of a municipality.
    pub fn ocmw(id: &str, nis_code: &str) -> Self {
        Self { nis_code: Some(nis_code.to_owned()), ..Self::of_kind(id, "ocmw") }
    }

    pub fn print_partner(id: &str) -> Self {
        Self::of_kind(id, "print-partner")
    }

    pub fn auditor(id: &str) -> Self {
        Self::of_kind(id, "auditor")
    }

    fn of_kind(id: &str, kind: &'static str) -> Self {
        Self { id: id.to_owned(), kind, nis_code: None, protocols: Vec::new(), onboarding: None, more: Vec::new() }
    }

    /// The onboarding tests that it passed, as `functional_test: 2026-11-01`.
    #[must_use]
    pub fn onboarding(self, passed: &str) -> Self {
        Self { onboarding: Some(passed.to_owned()), ..self }
    }

    /// Signed, and in force for years.
    #[must_use]
    pub fn agreement(self, id: &str) -> Self {
        let today = groeikluis::durable::Clock::system().today();
        let (past, until) = (today.saturating_sub(2.months()), today.saturating_add(2.years()));
        self.line(&format!(
            "agreements: [{{id: {id}, signed: {{agency: {past}, authority: {past}}}, valid: {{from: {past}, until: {until}}}}}]"
        ))
    }

    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocols.push(protocol);
        self
    }

    /// Plaintext uploads are refused.
    #[must_use]
    pub fn sealed_only(self) -> Self {
        self.line("uploads: sealed-only")
    }

    #[must_use]
    pub fn may_delete(self) -> Self {
        self.line("may_delete: true")
    }

    /// Bounds of its own, as `upload_bytes: 1KiB`.
    #[must_use]
    pub fn limits(self, limits: &str) -> Self {
        self.line(&format!("limits: {{{limits}}}"))
    }

    /// Any other line of its file.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.more.push(line.to_owned());
        self
    }

    /// Its file, with the public keys that it logs in with and that its files are sealed to.
    pub fn yaml(&self, login: &str, recipient: &str, today: Date) -> String {
        let Self { id, kind, .. } = self;
        let past = today.saturating_sub(2.months());
        let mut lines = vec![
            format!("id: {id}"),
            format!("name: Bestuur {id}"),
            format!("kind: {kind}"),
            format!("keys: [{{label: ict-{id}, owner: \"ICT, {id}\", key: \"{login}\"}}]"),
            format!("recipients: [\"{recipient}\"]"),
            format!("contacts: [\"ict@{id}.example\"]"),
        ];
        if let Some(nis_code) = &self.nis_code {
            lines.push(format!("nis_code: \"{nis_code}\""));
            let both = format!("technical_test: {past}, functional_test: {past}");
            lines.push(format!("onboarding: {{{}}}", self.onboarding.as_ref().unwrap_or(&both)));
        }
        lines.extend(self.more.iter().cloned());
        if !self.protocols.is_empty() {
            lines.push("protocols:".to_owned());
            lines.extend(self.protocols.iter().map(|protocol| protocol.yaml(past)));
        }
        lines.join("\n") + "\n"
    }
}

impl Protocol {
    pub fn new(id: &str) -> Self {
        let today = groeikluis::durable::Clock::system().today();
        Self {
            id: id.to_owned(),
            status: "signed",
            usage: "{kind: periodic, times: 1000, per: year}".to_owned(),
            reply: "entitled-only",
            outside: "withhold",
            valid: (today.saturating_sub(2.months()), today.saturating_add(1.year())),
            kinds: "{sociale-toeslag: {}}".to_owned(),
            route: "opgroeien",
            retention_days: 90,
        }
    }

    /// One of the VUTG route, for data and payments.
    pub fn vutg(id: &str) -> Self {
        let kinds = "{gegevens: {}, betaling: {}, betaling-zonder-rekening: {}}".to_owned();
        Self { kinds, route: "vutg", ..Self::new(id) }
    }

    /// The kinds that it allows, as `{betaling: {columns: [volgnummer, iban]}}`.
    #[must_use]
    pub fn kinds(self, kinds: &str) -> Self {
        Self { kinds: kinds.to_owned(), ..self }
    }

    #[must_use]
    pub fn once(self) -> Self {
        Self { usage: "{kind: once}".to_owned(), ..self }
    }

    #[must_use]
    pub fn every_child(self) -> Self {
        Self { reply: "every-child", ..self }
    }

    #[must_use]
    pub fn answer_outside(self) -> Self {
        Self { outside: "answer", ..self }
    }

    #[must_use]
    pub fn status(self, status: &'static str) -> Self {
        Self { status, ..self }
    }

    #[must_use]
    pub fn valid(self, from: Date, until: Date) -> Self {
        Self { valid: (from, until), ..self }
    }

    /// How long its files stay in the outbox.
    #[must_use]
    pub fn retention_days(self, days: u32) -> Self {
        Self { retention_days: days, ..self }
    }

    fn yaml(&self, past: Date) -> String {
        let Self { id, status, usage, reply, outside, valid: (from, until), kinds, route, retention_days } = self;
        let paper = if *route == "vutg" { "regulation" } else { "council_decision" };
        format!(
            "  - id: {id}\n\
             \x20   route: {route}\n\
             \x20   status: {status}\n\
             \x20   purpose: \"automatische toekenning van een aanvullende toelage\"\n\
             \x20   legal_basis: \"decreet van 27 april 2018, artikel 8 van het e-govdecreet\"\n\
             \x20   {paper}: {past}\n\
             \x20   dpo_advice: {{agency: {{date: {past}, advice: positive}}, authority: {{date: {past}, advice: positive}}}}\n\
             \x20   signed: {{agency: {past}, authority: {past}}}\n\
             \x20   publication_url: \"https://www.example.be/protocollen\"\n\
             \x20   valid: {{from: {from}, until: {until}}}\n\
             \x20   use: {usage}\n\
             \x20   kinds: {kinds}\n\
             \x20   reply: {reply}\n\
             \x20   outside_municipality: {outside}\n\
             \x20   retention_days: {retention_days}"
        )
    }
}
