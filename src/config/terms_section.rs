//! How an assignment pays and writes.

use std::path::PathBuf;

use super::{
    assignment_file::{Parties, distinct},
    fault::shown,
    fields::{Fields, Item},
    keys,
};
use crate::domain::{
    Iban, SourceCatalogue, TenantKind,
    assignment::{Debtor, LetterTerms, PaymentFormat, PaymentTerms, Remittance},
    niss, sepa,
};

/// Characters of the line that tells a family where to go: it stands on one line of a letter.
const LONGEST_SERVICE: usize = 200;

/// Pictures that a letter can carry, by the end of their names.
const LOGO_EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "svg"];

/// Reads how an assignment pays; none where the amount or the remittance is at fault.
pub(super) fn payment(fields: &Fields<'_>, parties: &Parties<'_>) -> Option<PaymentTerms> {
    let formats = fields
        .item("formats")
        .map_or_else(|| vec![PaymentFormat::Csv], |item| distinct::<PaymentFormat>(&item, PaymentFormat::name));
    let debtor = fields.mapping("debtor", &keys::DEBTOR).map(|fields| debtor(&fields));
    let execution_date = fields.date("execution_date");
    if let Some(order) = formats.iter().find(|format| format.is_order())
        && let Some(item) = fields.item("formats")
    {
        for key in ["debtor", "execution_date"].into_iter().filter(|key| fields.item(key).is_none()) {
            item.fault(format!("{} needs `{key}`", order.name()), Some("add it, or leave the format out"));
        }
    }
    let (amount, remittance) = (fields.parsed("amount"), remittance(fields, parties));
    Some(PaymentTerms { amount: amount?, remittance: remittance?, formats, debtor: debtor.flatten(), execution_date })
}

fn remittance(fields: &Fields<'_>, parties: &Parties<'_>) -> Option<Remittance> {
    let structured = fields.leaf::<bool>("structured").unwrap_or(false);
    match (fields.item("remittance"), structured) {
        (Some(item), true) => {
            item.fault("`remittance` stands beside `structured: true`", Some("leave one of them out"));
            None
        }
        (Some(item), false) => text(&item, parties.sources).map(Remittance::Text),
        (None, true) => Some(Remittance::Structured),
        (None, false) => {
            let hint = "give a text, or `structured: true`";
            parties.faults.add_with_hint(fields.at, "payment has no `remittance`", hint);
            None
        }
    }
}

/// What stands on every statement of account: nothing about a person or an allowance (FORMATS.md, section 2.4).
fn text(item: &Item<'_>, sources: Option<&SourceCatalogue>) -> Option<String> {
    let given = item.text()?;
    let text = sepa::transliterated(&given);
    if given.chars().any(char::is_control) {
        item.fault("`remittance` has control characters", Some("write one line of plain text"));
    }
    if text.is_empty() || text.len() > sepa::LONGEST_REMITTANCE {
        let problem = format!("`remittance` is {} characters as banks take it", text.len());
        item.fault(problem, Some(&format!("write 1 to {}", sepa::LONGEST_REMITTANCE)));
    }
    if niss::find_in(&text).is_some() {
        item.fault("`remittance` has a number that could be a person's", Some("leave it out"));
    }
    let named = sources.and_then(|sources| sources.named_in(&text));
    if let Some(source) = named {
        let problem = format!("`remittance` {} names an allowance, {}", shown(&given), source.code);
        item.fault(problem, Some("a bank must not learn of it: name the premium instead"));
    }
    Some(text)
}

fn debtor(fields: &Fields<'_>) -> Option<Debtor> {
    let name = fields.item("name").and_then(|item| {
        let name = item.text()?;
        let written = sepa::transliterated(&name).len();
        if written == 0 || written > sepa::LONGEST_NAME {
            let problem = format!("`name` is {written} characters as banks take it");
            item.fault(problem, Some(&format!("write 1 to {}", sepa::LONGEST_NAME)));
        }
        Some(name)
    });
    let iban = fields.item("iban").and_then(|item| {
        let text = item.text()?;
        // The account is shown to nobody, not even in a message.
        Iban::parse(&text).map_err(|fault| item.fault(format!("`iban`: {fault}"), None)).ok()
    });
    let kbo = fields.parsed("kbo");
    Some(Debtor { name: name?, iban: iban?, kbo: kbo? })
}

/// Reads how an assignment writes; none where a needed file or party is at fault.
pub(super) fn letter_terms(fields: &Fields<'_>, parties: &Parties<'_>) -> Option<LetterTerms> {
    let text = fields.item("text").and_then(|item| text_file(&item, parties));
    let template = fields.item("template").map(|item| text_file(&item, parties));
    let logo = fields.item("logo").map(|item| logo(&item, parties));
    let service = fields.item("service").and_then(|item| {
        let service = item.text()?;
        if service.chars().count() > LONGEST_SERVICE || service.chars().any(char::is_control) {
            item.fault(format!("`service` is not one line of at most {LONGEST_SERVICE} characters"), None);
        }
        Some(service)
    });
    let partner = fields.item("print_partner").and_then(|item| {
        let tenant = parties.tenant(&item)?;
        if tenant.kind != TenantKind::PrintPartner {
            let problem = format!("`print_partner` {} is of kind {}", tenant.id, tenant.kind.name());
            item.fault(problem, Some("letters go to a tenant of kind print-partner"));
        }
        Some(tenant.id.clone())
    });
    Some(LetterTerms {
        template: template.flatten(),
        logo: logo.flatten(),
        text: text?,
        service: service?,
        print_partner: partner?,
    })
}

/// A file that letters are made with: below the configuration's directory, so that a letter cannot show another file.
fn own_file(item: &Item<'_>, parties: &Parties<'_>) -> Option<PathBuf> {
    let path = item.path()?;
    // What is not there is reported when it is read.
    if path.exists() && !parties.files.is_inside(&path) {
        let hint = "put the file below the directory of the main file";
        item.fault(format!("`{}` {} is outside the configuration", item.key, path.display()), Some(hint));
        return None;
    }
    Some(path)
}

fn text_file(item: &Item<'_>, parties: &Parties<'_>) -> Option<PathBuf> {
    let path = own_file(item, parties)?;
    let text = parties.files.read(&path, &item.node.at)?;
    if text.trim().is_empty() {
        item.fault(format!("`{}` {} is empty", item.key, path.display()), None);
    }
    Some(path)
}

fn logo(item: &Item<'_>, parties: &Parties<'_>) -> Option<PathBuf> {
    let path = own_file(item, parties)?;
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    if !extension.is_some_and(|extension| LOGO_EXTENSIONS.contains(&extension.as_str())) {
        let hint = format!("its name ends in one of {}", LOGO_EXTENSIONS.join(", "));
        item.fault(format!("`logo` {} is not a picture that letters carry", shown(&path_text(&path))), Some(&hint));
    }
    parties.files.see(&path, &item.node.at)?;
    Some(path)
}

fn path_text(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
