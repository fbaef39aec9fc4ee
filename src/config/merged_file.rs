//! The file of a tenant that others were merged into, drafted from theirs for somebody to review.
//!
//! What they had is carried over as it was written, without layout and comments: keys, recipients, contacts, protocols.
//! Where they differ in what one tenant has once, the stricter holds, and the draft says so. Nothing is put in force here.

use std::{collections::BTreeSet, path::PathBuf};

use jiff::civil::Date;
use serde_yaml::Value;

use super::{
    Fault, Settings,
    fault::Faults,
    files, load,
    tree::{self, Content, Entry, Node},
};
use crate::domain::{
    ByteSize, NisCode, Tenant, TenantId, TenantKind, merger_of,
    tenant::{LoginStep, UploadRule},
};

/// A merger, as somebody orders it.
#[derive(Debug, Clone)]
pub struct Merger<'a> {
    /// Tenants that end.
    pub former: &'a BTreeSet<TenantId>,
    /// Who goes on: a new tenant, or one that is there.
    pub into: &'a TenantId,
    /// Its name for people; left out: as it is, or that of its municipality.
    pub name: Option<&'a str>,
    /// Its municipality; left out: as it is, or what is known of the former ones.
    pub nis_code: Option<NisCode>,
    /// The day, for the comment.
    pub day: Date,
}

/// A file to be reviewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Where it belongs.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The files that it takes the place of.
    pub former_files: Vec<PathBuf>,
    /// What somebody has to decide, in words; the text has it, too.
    pub review: Vec<String>,
    /// What the configuration would be at fault in with it, and without the former files.
    pub faults: Vec<Fault>,
}

/// Why there is no draft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftFault {
    /// The main file, or what it needs, cannot be read; `check` tells what is wrong.
    #[error("the configuration cannot be read")]
    Unreadable,
    /// Tenants that have a file and such that have none.
    #[error("{there} is in the configuration and {gone} is not: both, or neither")]
    Half {
        /// One that is.
        there: TenantId,
        /// One that is not.
        gone: TenantId,
    },
    /// Something that is not merged.
    #[error("{0} is neither a municipality nor an ocmw")]
    Kind(TenantId),
    /// The municipality is not known.
    #[error("what {0} is the municipality of is not known: give its code")]
    NisCode(TenantId),
    /// The name is not known.
    #[error("the name of {0} for people is not known: give it")]
    Name(TenantId),
}

/// Drafts the file; none when no former tenant has one any more, so that the drop-boxes can be carried over.
///
/// # Errors
/// [`DraftFault`].
pub fn draft(main: &std::path::Path, merger: &Merger<'_>) -> Result<Option<Draft>, DraftFault> {
    let settings = load::load_as_far(main).0.ok_or(DraftFault::Unreadable)?;
    let is_there = |id: &&TenantId| settings.tenants.contains_key(*id);
    let (there, gone) = (merger.former.iter().find(is_there), merger.former.iter().find(|id| !is_there(id)));
    let former_files = match (there, gone) {
        (None, _) => return Ok(None),
        (Some(there), Some(gone)) => return Err(DraftFault::Half { there: there.clone(), gone: gone.clone() }),
        (Some(_), None) => merger.former.iter().map(|id| files::absolute(&file_of(&settings, id))).collect::<Vec<_>>(),
    };
    let mut parts = Vec::new();
    // Whoever goes on stands first: what is theirs keeps its names.
    for id in [merger.into].into_iter().chain(merger.former).filter(is_there) {
        parts.push(Part::of(&settings, id)?);
    }
    let mut writing = Writing { lines: Vec::new(), review: Vec::new(), labels: BTreeSet::new() };
    writing.file(&parts, merger, &settings)?;
    let path = files::absolute(&file_of(&settings, merger.into));
    let Writing { lines, review, .. } = writing;
    let text = lines.join("\n") + "\n";
    let faults = load::faults_with(main, (&path, &text), &former_files);
    Ok(Some(Draft { path, text, former_files, review, faults }))
}

fn file_of(settings: &Settings, id: &TenantId) -> PathBuf {
    settings.tenants_dir.join(format!("{id}.yaml"))
}

/// A tenant that is carried over, with its file.
struct Part<'a> {
    tenant: &'a Tenant,
    root: Node,
}

impl<'a> Part<'a> {
    fn of(settings: &'a Settings, id: &TenantId) -> Result<Self, DraftFault> {
        let path = file_of(settings, id);
        let text = settings.text_of(&path).ok_or(DraftFault::Unreadable)?;
        let root = tree::parse(&path, text, &Faults::default()).ok_or(DraftFault::Unreadable)?;
        let tenant = settings.tenants.get(id).ok_or(DraftFault::Unreadable)?;
        if tenant.kind.uploads() { Ok(Self { tenant, root }) } else { Err(DraftFault::Kind(id.clone())) }
    }

    fn value(&self, key: &str) -> Option<&Node> {
        entry(&self.root, key).map(|entry| &entry.value)
    }

    fn list(&self, key: &str) -> &[Node] {
        match self.value(key).map(|node| &node.content) {
            Some(Content::List(items)) => items,
            _ => &[],
        }
    }
}

fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a Entry> {
    match &node.content {
        Content::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
        Content::Scalar(_) | Content::List(_) => None,
    }
}

/// The file as it is written.
struct Writing {
    lines: Vec<String>,
    review: Vec<String>,
    /// Of keys and authorities: one of each.
    labels: BTreeSet<String>,
}

impl Writing {
    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// A decision for whoever reviews the file.
    fn decide(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.line(format!("# REVIEW: {what}."));
        self.review.push(what);
    }

    fn file(&mut self, parts: &[Part<'_>], merger: &Merger<'_>, settings: &Settings) -> Result<(), DraftFault> {
        let of: Vec<&str> = parts.iter().map(|part| part.tenant.id.as_str()).collect();
        let Merger { into, day, .. } = merger;
        self.line(format!("# {into}, merged of {} on {day} with `groeikluis tenant merge`; review it.", of.join(", ")));
        self.line(
            "# What was delivered before stays sealed to the recipients of that time: they keep their secret keys.",
        );
        self.identity(parts, merger, settings)?;
        self.access(parts);
        self.each(parts, "recipients", "Whatever is delivered from now on is sealed to all of these.");
        self.each(parts, "contacts", "Mail addresses that hear of deliveries and refusals.");
        self.bounds(parts);
        self.grounds(parts);
        Ok(())
    }

    fn identity(&mut self, parts: &[Part<'_>], merger: &Merger<'_>, settings: &Settings) -> Result<(), DraftFault> {
        let stays = parts.iter().find(|part| part.tenant.id == *merger.into).map(|part| part.tenant);
        let nis_code = merger.nis_code.or_else(|| stays.and_then(|tenant| tenant.nis_code));
        let nis_code = nis_code.or_else(|| became(parts)).ok_or_else(|| DraftFault::NisCode(merger.into.clone()))?;
        let municipality = settings.municipalities.by_code(nis_code).map(|found| found.name.as_str());
        let name = merger.name.or(stays.map(|tenant| tenant.name.as_str())).or(municipality);
        let name = name.ok_or_else(|| DraftFault::Name(merger.into.clone()))?;
        let municipality_goes_on = parts.iter().any(|part| part.tenant.kind == TenantKind::Municipality);
        let kind = if municipality_goes_on { TenantKind::Municipality } else { TenantKind::Ocmw };
        let kind = stays.map_or(kind, |tenant| tenant.kind);
        let all = parts.iter().flat_map(|part| part.tenant.nis_code.iter().chain(&part.tenant.former_nis_codes));
        let former: BTreeSet<String> =
            all.filter(|code| **code != nis_code).map(|code| format!("\"{code}\"")).collect();
        let former: Vec<String> = former.into_iter().collect();
        self.line(format!("id: {}    # also the SSH user name, and the name of this file", merger.into));
        self.line(format!("name: {}", quoted(name)));
        self.line(format!("kind: {}", kind.name()));
        self.line(format!("nis_code: \"{nis_code}\""));
        self.line(format!(
            "former_nis_codes: [{}]    # an extract that still has them is read as {nis_code}",
            former.join(", ")
        ));
        if parts.iter().any(|part| part.tenant.kind != kind) {
            self.decide(format!("a municipality and an ocmw become one, of kind {}", kind.name()));
        }
        Ok(())
    }

    fn access(&mut self, parts: &[Part<'_>]) {
        self.each(parts, "keys", "Keys of all of them: each logs in under the new name from now on.");
        if parts.iter().any(|part| !part.list("certificate_authorities").is_empty()) {
            self.each(parts, "certificate_authorities", "Certificates name who they were made for before.");
        }
        let passwords = parts.iter().any(|part| !part.list("passwords").is_empty());
        if passwords {
            self.each(parts, "passwords", "Argon2id hashes.");
        }
        let steps: BTreeSet<Vec<&str>> = parts.iter().map(|part| steps(part.tenant)).collect();
        if let Some(strictest) = steps.iter().max_by_key(|steps| steps.len()) {
            if steps.len() > 1 {
                self.decide("they logged in by different steps; the most stand here");
            }
            self.line(format!("require: [{}]", strictest.join(", ")));
        }
        let who: Vec<&Part<'_>> = parts.iter().filter(|part| part.tenant.can_log_in()).collect();
        let limited = who.iter().filter(|part| part.tenant.allow_from.iter().all(|net| net.prefix_len() > 0)).count();
        if limited > 0 && limited == who.len() {
            self.each(parts, "allow_from", "Networks of all of them: each key may come from any.");
        } else if limited > 0 {
            self.decide("one of them came from everywhere, so that `allow_from` limits nobody any more");
        }
    }

    fn bounds(&mut self, parts: &[Part<'_>]) {
        self.line("");
        if parts.iter().any(|part| part.value("limits").is_some()) {
            let most = |of: fn(&Tenant) -> u64| ByteSize(parts.iter().map(|part| of(part.tenant)).max().unwrap_or(0));
            let upload = most(|tenant| tenant.limits.upload_bytes);
            let outbox = most(|tenant| tenant.limits.outbox_bytes);
            self.line(format!("limits: {{upload_bytes: {upload}, outbox_bytes: {outbox}}}    # the largest of each"));
        }
        let sealed_only = |part: &Part<'_>| part.tenant.uploads == UploadRule::SealedOnly;
        if parts.iter().any(sealed_only) {
            if !parts.iter().all(sealed_only) {
                self.decide("not all of them had to seal their uploads; now all have to");
            }
            self.line("uploads: sealed-only");
        }
        if parts.iter().all(|part| part.tenant.may_delete) {
            self.line("may_delete: true");
        }
        let last = |of: fn(&Tenant) -> Option<Date>| -> Option<Date> {
            parts.iter().map(|part| of(part.tenant)).collect::<Option<Vec<_>>>()?.into_iter().max()
        };
        let technical = last(|tenant| tenant.onboarding.technical_test);
        let functional = last(|tenant| tenant.onboarding.functional_test);
        let days = [("technical_test", technical), ("functional_test", functional)];
        let days: Vec<String> = days.iter().filter_map(|(key, day)| day.map(|day| format!("{key}: {day}"))).collect();
        if days.len() < 2 {
            self.decide("not all of them passed both onboarding tests; without both, no personal data leave");
        }
        if !days.is_empty() {
            self.line(format!("onboarding: {{{}}}    # the last of their days", days.join(", ")));
        }
    }

    fn grounds(&mut self, parts: &[Part<'_>]) {
        if parts.iter().any(|part| !part.tenant.protocols.is_empty()) {
            self.line("");
            self.decide(
                "a protocol was signed with one of them: whether it is a ground for children of the whole municipality \
                 is for both data protection officers to say",
            );
        }
        self.each(parts, "protocols", "Protocols keep their references, so that what was used up stays used up.");
        self.each(parts, "agreements", "Agreements.");
        self.each(parts, "interests", "Routes that they asked about, with nothing signed.");
    }

    /// The items of a list of all, each once, under the name of whose it was.
    fn each(&mut self, parts: &[Part<'_>], key: &'static str, comment: &str) {
        let mut seen = BTreeSet::new();
        let mut lines = Vec::new();
        for part in parts {
            let own: Vec<&Node> = part.list(key).iter().filter(|item| seen.insert(item.canonical())).collect();
            if !own.is_empty() {
                lines.push(format!("  # {}", part.tenant.id));
            }
            for item in own {
                lines.extend(self.item(item, part.tenant, key));
            }
        }
        self.line("");
        self.line(format!("# {comment}"));
        if lines.is_empty() {
            self.line(format!("{key}: []"));
        } else {
            self.line(format!("{key}:"));
            self.lines.extend(lines);
        }
    }

    fn item(&mut self, item: &Node, of: &Tenant, key: &'static str) -> Vec<String> {
        let Content::Mapping(entries) = &item.content else { return vec![format!("  - {}", flow(item))] };
        let is_labelled = matches!(key, "keys" | "certificate_authorities" | "passwords");
        let mut members: Vec<(String, String)> =
            entries.iter().map(|entry| (entry.key.clone(), flow(&entry.value))).collect();
        for (name, value) in members.iter_mut().filter(|(name, _)| is_labelled && name == "label") {
            // Two may have called theirs the same.
            if !self.labels.insert(format!("{key} {name} {value}"))
                && let Some(Content::Scalar(Value::String(label))) =
                    entry(item, "label").map(|entry| &entry.value.content)
            {
                *value = quoted(&format!("{label}-{}", of.id));
            }
        }
        if key == "certificate_authorities" && entry(item, "principals").is_none() {
            members.push(("principals".to_owned(), format!("[{}]", quoted(of.id.as_str()))));
        }
        let lines = members.iter().enumerate().map(|(at, (name, value))| {
            let start = if at == 0 { "  - " } else { "    " };
            format!("{start}{name}: {value}")
        });
        lines.collect()
    }
}

/// What the municipalities of all became, where that is one.
fn became(parts: &[Part<'_>]) -> Option<NisCode> {
    let today = parts.iter().map(|part| {
        let code = part.tenant.nis_code?;
        Some(merger_of(code).map_or(code, |merger| merger.today))
    });
    let today: BTreeSet<Option<NisCode>> = today.collect();
    today.first().copied().flatten().filter(|_| today.len() == 1)
}

fn steps(tenant: &Tenant) -> Vec<&'static str> {
    let name = |step: &LoginStep| match step {
        LoginStep::PublicKey => "publickey",
        LoginStep::Password => "password",
    };
    tenant.require.iter().map(name).collect()
}

/// A value on one line.
fn flow(node: &Node) -> String {
    match &node.content {
        Content::Scalar(Value::String(text)) => quoted(text),
        Content::Scalar(value) => serde_json::to_string(value).unwrap_or_default(),
        Content::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Content::Mapping(entries) => {
            let members = entries.iter().map(|entry| format!("{}: {}", quoted(&entry.key), flow(&entry.value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text that YAML reads as that text: as it is where that is a plain word, a reference or a day, else quoted as in JSON.
fn quoted(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && matches!(tree::resolve(text), Value::String(_));
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
