//! What ops write for an assignment: the files of Torhout, of its printer, and of the assignment itself.

use jiff::{ToSpan, civil::Date};

use super::assignment::ASSIGNMENT;

/// Torhout's own words.
pub(super) const LETTER: &str = "\
# Uw schoolpremie

De stad Torhout betaalt een schoolpremie aan gezinnen die het moeilijker hebben. U hoeft daarvoor niets te doen.

Voor {kinderen} krijgt u **{bedrag}**. Het bedrag komt op de rekening waarop u het Groeipakket krijgt.
";

/// What things cost.
pub(super) const COSTS: &str = "\
tariffs:
  - valid_from: 2026-01-01
    per_year: \"250.00\"
    per_assignment: \"400.00\"
    per_run: \"150.00\"
    per_file: \"25.00\"
    per_letter: \"1.10\"
";

/// Torhout, whose onboarding tests are still to come.
pub(super) fn torhout(login: &str, recipient: &str, today: Date) -> String {
    let (past, until) = (today.saturating_sub(2.months()), today.saturating_add(1.year()));
    format!(
        "id: torhout\n\
         name: Stad Torhout\n\
         kind: municipality\n\
         nis_code: \"31033\"\n\
         keys:\n\
         \x20 - {{label: ict-torhout, owner: \"ICT, Stad Torhout\", key: \"{login}\"}}\n\
         recipients: [\"{recipient}\"]\n\
         contacts: [\"ict@torhout.example\"]\n\
         agreements:\n\
         \x20 - {{id: VUTG-2026-001, signed: {{agency: {past}, authority: {past}}}, valid: {{from: {past}, until: {until}}}}}\n\
         protocols:\n\
         \x20 - id: VUTG-2026-004\n\
         \x20   route: vutg\n\
         \x20   status: signed\n\
         \x20   purpose: \"gemeentelijke schoolpremie\"\n\
         \x20   legal_basis: \"decreet van 27 april 2018, artikel 8 van het e-govdecreet\"\n\
         \x20   regulation: \"reglement van {past}\"\n\
         \x20   dpo_advice: {{agency: {{date: {past}, advice: positive}}, authority: {{date: {past}, advice: positive}}}}\n\
         \x20   signed: {{agency: {past}, authority: {past}}}\n\
         \x20   publication_url: \"https://www.torhout.example/protocollen\"\n\
         \x20   valid: {{from: {past}, until: {until}}}\n\
         \x20   use: {{kind: periodic, times: 2, per: year}}\n\
         \x20   kinds:\n\
         \x20     gegevens: {{}}\n\
         \x20     betaling: {{}}\n\
         \x20     betaling-zonder-rekening: {{}}\n\
         \x20   retention_days: 90\n"
    )
}

/// The printer.
pub(super) fn printer(login: &str, recipient: &str) -> String {
    format!(
        "id: drukkerij\n\
         name: Drukkerij Voorbeeld\n\
         kind: print-partner\n\
         keys:\n\
         \x20 - {{label: prepress, owner: \"Prepress, Drukkerij Voorbeeld\", key: \"{login}\"}}\n\
         recipients: [\"{recipient}\"]\n\
         contacts: [\"prepress@drukkerij.example\"]\n"
    )
}

/// The assignment.
pub(super) fn assignment(today: Date) -> String {
    let execution_date = today.saturating_add(14.days());
    format!(
        "id: {ASSIGNMENT}\n\
         tenant: torhout\n\
         reference: VUTG-2026-004\n\
         agreement: VUTG-2026-001\n\
         purpose: \"gemeentelijke schoolpremie\"\n\
         criteria: {{any_of: [sociale_toeslag, schooltoeslag]}}\n\
         unit: child\n\
         recurrence: yearly\n\
         produce: [gegevens, betaling, brieven, rapport]\n\
         payment:\n\
         \x20 amount: \"75.00\"\n\
         \x20 remittance: \"Schoolpremie {year}\"\n\
         \x20 formats: [csv, pain.001.001.09]\n\
         \x20 debtor: {{name: \"Stad Torhout\", iban: \"BE71 0961 2345 6769\", kbo: \"0200.000.043\"}}\n\
         \x20 execution_date: {execution_date}\n\
         letters:\n\
         \x20 text: schoolpremie.md\n\
         \x20 service: \"Sociaal Huis Torhout, Voorbeeldstraat 1, 8820 Torhout, 050 00 00 00\"\n\
         \x20 print_partner: drukkerij\n",
        year = today.year()
    )
}
