//! What is known of a new tenant: from options, and from answers where something is missing.

use std::{fs::File, io::Read, path::Path};

use anyhow::Context;
use jiff::civil::Date;

use super::{
    super::super::UsageFault,
    Arguments,
    municipality::{find, slug},
    questions::Questions,
};
use crate::{
    config::Settings,
    domain::{Municipality, SshPublicKey, TenantId, TenantKind, protocol::Route},
    seal::Recipient,
};

/// Everything that the file is made of.
pub(super) struct Answers {
    pub id: TenantId,
    pub name: String,
    pub kind: TenantKind,
    pub municipality: Option<Municipality>,
    pub keys: Vec<String>,
    pub owner: String,
    pub expires: Option<Date>,
    pub recipients: Vec<String>,
    pub contacts: Vec<String>,
    pub allow_from: Vec<String>,
    pub interests: Vec<Route>,
}

/// A file of public keys, bytes at most.
const LARGEST_KEY_FILE: u64 = 64 * 1024;

/// Puts options and answers together. Without a terminal what is missing is a fault.
pub(super) fn gather(
    arguments: &Arguments,
    settings: &Settings,
    mut questions: Option<Questions<'_>>,
) -> anyhow::Result<Answers> {
    let asked = questions.as_mut();
    let kind = match (arguments.kind, asked) {
        (Some(kind), _) => kind.into(),
        (None, Some(questions)) => questions.ask("Kind of tenant", Some("municipality"), kind_of)?,
        (None, None) => TenantKind::Municipality,
    };
    let municipality = municipality(arguments, kind, settings, questions.as_mut())?;
    let name = match (&arguments.name, questions.as_mut(), usual_name(kind, municipality.as_ref())) {
        (Some(name), ..) => name.clone(),
        (None, Some(questions), usual) => questions.ask("Its name for people", usual.as_deref(), something)?,
        (None, None, Some(usual)) => usual,
        (None, None, None) => return Err(missing("--name")),
    };
    let id = id(arguments, kind, municipality.as_ref(), settings, questions.as_mut())?;
    let keys =
        several(&arguments.keys, questions.as_mut(), "Key that may log in, a line of a .pub file or the file", {
            |text| login_keys(text, settings)
        })?;
    let (owner, expires) = about_keys(arguments, &keys, &name, questions.as_mut())?;
    let gets_files = kind != TenantKind::Auditor;
    let recipients = if gets_files || !arguments.recipients.is_empty() {
        let question = "Key that its files are sealed to, age or SSH";
        several(&arguments.recipients, questions.as_mut(), question, recipients)?
    } else {
        Vec::new()
    };
    if gets_files && !keys.is_empty() && recipients.is_empty() {
        return Err(UsageFault(
            "a tenant that can log in needs a key that its files are sealed to: --recipient".to_owned(),
        )
        .into());
    }
    let contacts = several(&arguments.contacts, questions.as_mut(), "Mail address for news", |text| {
        something(text).map(|address| vec![address])
    })?;
    Ok(Answers {
        id,
        name,
        kind,
        municipality,
        keys,
        owner,
        expires,
        recipients,
        contacts,
        allow_from: arguments.allow_from.clone(),
        interests: arguments.interests.iter().copied().map(Route::from).collect(),
    })
}

fn missing(what: &str) -> anyhow::Error {
    UsageFault(format!("{what} is missing, and standard input is no terminal to ask on")).into()
}

fn something(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("something is needed here".to_owned()) } else { Ok(text.trim().to_owned()) }
}

fn kind_of(text: &str) -> Result<TenantKind, String> {
    let kinds = [TenantKind::Municipality, TenantKind::Ocmw, TenantKind::PrintPartner, TenantKind::Auditor];
    let known = || format!("known: {}", kinds.map(TenantKind::name).join(", "));
    kinds.into_iter().find(|kind| kind.name() == text).ok_or_else(known)
}

fn municipality(
    arguments: &Arguments,
    kind: TenantKind,
    settings: &Settings,
    questions: Option<&mut Questions<'_>>,
) -> anyhow::Result<Option<Municipality>> {
    let table = &settings.municipalities;
    let found = |text: &str| find(table, text).cloned();
    let typed = match (&arguments.municipality, questions) {
        (Some(_), _) if !kind.uploads() => {
            return Err(UsageFault(format!("a tenant of kind {} is of no municipality", kind.name())).into());
        }
        (Some(typed), _) => found(typed).map_err(UsageFault)?,
        (None, _) if !kind.uploads() => return Ok(None),
        (None, Some(questions)) => questions.ask("Its municipality, name or NIS code", None, found)?,
        (None, None) => return Err(missing("--municipality")),
    };
    Ok(Some(typed))
}

/// What such a tenant is called most often.
fn usual_name(kind: TenantKind, municipality: Option<&Municipality>) -> Option<String> {
    let of = |prefix: &str| municipality.map(|municipality| format!("{prefix} {}", municipality.name));
    match kind {
        TenantKind::Municipality => of("Gemeente"),
        TenantKind::Ocmw => of("OCMW"),
        TenantKind::PrintPartner | TenantKind::Auditor => None,
    }
}

fn id(
    arguments: &Arguments,
    kind: TenantKind,
    municipality: Option<&Municipality>,
    settings: &Settings,
    questions: Option<&mut Questions<'_>>,
) -> anyhow::Result<TenantId> {
    let free = |text: &str| {
        let id: TenantId = text.parse().map_err(|fault| format!("{text}: {fault}"))?;
        if settings.tenants.contains_key(&id) { Err(format!("there is a tenant {id} already")) } else { Ok(id) }
    };
    let usual = municipality.map(|municipality| match kind {
        TenantKind::Ocmw => slug(&format!("ocmw {}", municipality.name)),
        _ => slug(&municipality.name),
    });
    match (&arguments.id, questions) {
        (Some(id), _) => Ok(free(id).map_err(UsageFault)?),
        (None, Some(questions)) => questions.ask("Its user name", usual.as_deref(), free),
        (None, None) => Err(missing("ID")),
    }
}

/// What options name, or else answers.
fn several<T>(
    given: &[String],
    questions: Option<&mut Questions<'_>>,
    question: &str,
    parse: impl Fn(&str) -> Result<Vec<T>, String>,
) -> anyhow::Result<Vec<T>> {
    if let (true, Some(questions)) = (given.is_empty(), questions) {
        return questions.ask_several(question, parse);
    }
    let mut all = Vec::new();
    for text in given {
        all.extend(parse(text).map_err(UsageFault)?);
    }
    Ok(all)
}

fn about_keys(
    arguments: &Arguments,
    keys: &[String],
    name: &str,
    questions: Option<&mut Questions<'_>>,
) -> anyhow::Result<(String, Option<Date>)> {
    let day = |text: &str| match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("{text} is not a day; write it as 2027-12-31")),
    };
    let usual = format!("ICT, {name}");
    let given = arguments.expires.as_deref().map(day).transpose().map_err(UsageFault)?;
    match questions {
        Some(questions) if !keys.is_empty() => {
            let owner = match &arguments.owner {
                Some(owner) => owner.clone(),
                None => questions.ask("Who answers for these keys", Some(&usual), something)?,
            };
            let expires = match given {
                Some(given) => given,
                None => questions.ask("Their last day, as 2027-12-31 (empty: no end)", Some(""), day)?,
            };
            Ok((owner, expires))
        }
        _ => Ok((arguments.owner.clone().unwrap_or(usual), given.flatten())),
    }
}

/// Lines of public keys: what was typed, or those of the file that it names.
fn lines(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim();
    if text.contains(' ') || text.starts_with("age1") || !Path::new(text).is_file() {
        return Ok(vec![text.to_owned()]);
    }
    let content = read(Path::new(text)).map_err(|error| format!("{error:#}"))?;
    let lines = content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

fn read(path: &Path) -> anyhow::Result<String> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::new();
    file.take(LARGEST_KEY_FILE).read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

/// Keys that may log in, each of which no other tenant has.
fn login_keys(text: &str, settings: &Settings) -> Result<Vec<String>, String> {
    let lines = lines(text)?;
    for line in &lines {
        let key = SshPublicKey::parse(line).map_err(|fault| format!("no key that may log in: {fault}"))?;
        let has = |tenant: &crate::domain::Tenant| tenant.keys.iter().any(|own| own.key == key);
        if let Some(other) = settings.tenants.values().find(|tenant| has(tenant)) {
            return Err(format!("tenant {} logs in with this key; each tenant has keys of its own", other.id));
        }
    }
    Ok(lines)
}

fn recipients(text: &str) -> Result<Vec<String>, String> {
    let lines = lines(text)?;
    for line in &lines {
        line.parse::<Recipient>().map_err(|fault| format!("no key that can be sealed to: {fault}"))?;
    }
    Ok(lines)
}
