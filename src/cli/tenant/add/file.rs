//! The text of a new tenant's file, with a comment at each key.

use jiff::civil::Date;

use super::answers::Answers;
use crate::domain::TenantKind;

/// A text that YAML reads as that text, whatever is in it: JSON's quoting is YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A list on one line.
fn listed(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

/// The file.
pub(super) fn text(answers: &Answers, today: Date) -> String {
    let Answers { id, name, kind, municipality, .. } = answers;
    let mut lines = vec![
        format!("# {name}, added on {today} with `groeikluis tenant add`. The example's bree.yaml shows every key."),
        format!("id: {id}    # also the SSH user name, and the name of this file"),
        format!("name: {}", quoted(name)),
        format!("kind: {}    # municipality, ocmw, print-partner, auditor", kind.name()),
    ];
    if let Some(municipality) = municipality {
        lines.push(format!("nis_code: \"{}\"    # {}", municipality.nis_code, municipality.name));
    }
    keys(&mut lines, answers);
    lines.extend([String::new(), "# Networks that it may come from; left out: everywhere.".to_owned()]);
    lines.push(match answers.allow_from.as_slice() {
        [] => "#allow_from: [\"192.0.2.0/24\"]".to_owned(),
        networks => format!("allow_from: {}", listed(networks)),
    });
    lines.extend([
        String::new(),
        "# Whatever is delivered is sealed to all of these; while a key is replaced, both stand here.".to_owned(),
        format!("recipients: {}", listed(&answers.recipients)),
        String::new(),
        "# Mail addresses that hear of deliveries and refusals.".to_owned(),
        format!("contacts: {}", listed(&answers.contacts)),
    ]);
    if matches!(kind, TenantKind::Municipality | TenantKind::Ocmw) {
        grounds(&mut lines, answers);
    }
    lines.join("\n") + "\n"
}

fn keys(lines: &mut Vec<String>, answers: &Answers) {
    lines.push(String::new());
    lines.push("# Keys that may log in, each a line of a .pub file; [] lets nobody in.".to_owned());
    if answers.keys.is_empty() {
        lines.push("keys: []".to_owned());
        return;
    }
    lines.push("keys:".to_owned());
    for (at, key) in answers.keys.iter().enumerate() {
        let label = if at == 0 { answers.id.to_string() } else { format!("{}-{}", answers.id, at + 1) };
        lines.push(format!("  - label: {}    # the name in logs and messages", quoted(&label)));
        lines.push(format!("    owner: {}", quoted(&answers.owner)));
        lines.push(format!("    key: {}", quoted(key)));
        lines.push(match answers.expires {
            Some(day) => format!("    expires: {day}    # the last day, in Brussels"),
            None => "    #expires: 2027-12-31    # the last day, in Brussels".to_owned(),
        });
    }
}

fn grounds(lines: &mut Vec<String>, answers: &Answers) {
    let interests: Vec<&str> = answers.interests.iter().map(|route| route.name()).collect();
    lines.extend([
        String::new(),
        "# The days on which the onboarding tests were passed; without both, no personal data leave.".to_owned(),
        "#onboarding: {technical_test: 2026-09-01, functional_test: 2026-09-15}".to_owned(),
        String::new(),
        "# Protocols, the ground for data, and agreements, the ground for letters.".to_owned(),
        "protocols: []".to_owned(),
        "agreements: []".to_owned(),
        String::new(),
        "# Routes that it asked about, with nothing signed: opgroeien, vutg.".to_owned(),
        format!("interests: [{}]", interests.join(", ")),
    ]);
}
