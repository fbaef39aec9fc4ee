//! The report on a list: `verslag` (FORMATS.md, section 2.2).
//!
//! CSV in two blocks with an empty line between: counts for a person, then a row for each line worth a look. It names
//! lines, never a number. Its own words are in plain ASCII, so that a spreadsheet shows them right without asking for
//! the encoding.

use jiff::civil::Date;

use super::{csv, wording::repeatable};
use crate::{
    domain::ProtocolId,
    lists::{Counts, Places, Problem, Remark},
};

/// What a report tells beside the remarks.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The tenant's name for people.
    pub tenant: &'a str,
    /// The upload's name.
    pub upload: &'a str,
    /// The name of the upload's receipt.
    pub receipt: Option<&'a str>,
    /// How places in the list are named.
    pub places: Places,
    /// The protocol under which the list was answered; none in a trial.
    pub protocol: Option<&'a ProtocolId>,
    /// The month of the register that answered, as `2026-10`.
    pub register_month: &'a str,
    /// The day of the answer, in Brussels.
    pub day: Date,
    /// How the list's rows divide.
    pub counts: Counts,
    /// Rows of the answer, the header not counted.
    pub answer_rows: u64,
    /// Children of the list who have the allowance.
    pub entitled: usize,
}

/// Makes the report; `remarks` may come in any order, those of the exchange (`andere-gemeente`) among them.
pub fn verslag(report: &Report<'_>, remarks: &[Remark]) -> String {
    let mut out = Vec::new();
    context(&mut out, report);
    counts(&mut out, report, remarks);
    out.extend_from_slice(b"\nregel;probleem;uitleg\n");
    let mut remarks = remarks.to_vec();
    remarks.sort_by_key(|remark| (remark.line, remark.problem));
    for remark in remarks {
        let Remark { line, problem, .. } = remark;
        // Who opens a workbook looks for a cell.
        let cell = match report.places {
            Places::Lines => String::new(),
            Places::Cells => format!("{}: ", report.places.name_nl(&remark)),
        };
        out.extend_from_slice(format!("{line};{};{cell}{}\n", problem.code(), problem.explanation_nl()).as_bytes());
    }
    // Everything above was text; only a cut through a character could make it lossy.
    String::from_utf8_lossy(&out).into_owned()
}

fn row(out: &mut Vec<u8>, name: &str, value: &str) {
    csv::text(out, name);
    out.push(b';');
    csv::text(out, value);
    out.push(b'\n');
}

fn context(out: &mut Vec<u8>, report: &Report<'_>) {
    row(out, "gegeven", "waarde");
    row(out, "bestuur", &repeatable(report.tenant));
    row(out, "opgeladen bestand", &repeatable(report.upload));
    if let Some(receipt) = report.receipt {
        row(out, "ontvangstbewijs (in /log/receipts)", receipt);
    }
    row(out, "protocol", report.protocol.map_or("geen (proefbestand, fictieve gegevens)", ProtocolId::as_str));
    row(out, "datum van het antwoord", &report.day.to_string());
    row(out, "maand van het register", report.register_month);
    if report.protocol.is_some() {
        row(out, "nee (of geen rij) betekent ook", "een nummer dat het Groeipakket niet kent");
    }
}

fn counts(out: &mut Vec<u8>, report: &Report<'_>, remarks: &[Remark]) {
    let counts = report.counts;
    let of = |problem| remarks.iter().filter(|remark| remark.problem == problem).count();
    let rows: [(&str, u64); 13] = [
        ("regels met gegevens in de lijst", counts.rows as u64),
        ("regels met een geldig nummer", counts.valid as u64),
        ("regels zonder geldig nummer", counts.invalid as u64),
        ("regels met herstelde voorloopnullen", counts.repaired as u64),
        ("regels met een nummer dat al eerder voorkwam", counts.duplicate as u64),
        ("verschillende geldige nummers", counts.distinct as u64),
        ("nummers buiten de leeftijd (25 jaar of ouder)", counts.outside_age as u64),
        ("nummers met een onvolledige geboortedatum", counts.unknown_date as u64),
        ("kinderen in een andere gemeente", of(Problem::OtherMunicipality) as u64),
        ("kinderen met sociale toeslag", report.entitled as u64),
        ("rijen in het antwoord", report.answer_rows),
        ("kolommen die niet gebruikt zijn", counts.ignored_columns as u64),
        ("werkbladen die niet gebruikt zijn", counts.ignored_sheets as u64),
    ];
    for (name, count) in rows {
        row(out, name, &count.to_string());
    }
    if report.protocol.is_none() {
        row(out, "nummers die geen proefnummer zijn", &of(Problem::NotSynthetic).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::niss::find_in,
        lists::{self, Limits},
    };
    use jiff::civil::date;

    const DAY: Date = date(2026, 11, 21);

    #[test]
    fn a_report_names_lines_and_never_a_number() {
        let list = "niss;naam\n17073003384;a\n17073003384;b\n5060700261;c\n12345678901;d\n17073003355;e\n\
                    00000100195;f\n10010100022;g\n85133000105;h\n1,70730E+10;i\nx;j\n23012300221;k\n";
        let limits = Limits { max_invalid_percent: 60, ..Limits::default() };
        let list = lists::read(list.as_bytes(), "lijst.csv", &limits, DAY).unwrap();
        let mut remarks = vec![Remark { line: 12, column: 1, problem: Problem::OtherMunicipality }];
        remarks.extend(list.remarks);
        let protocol = "OPG-2026-017".parse().unwrap();
        let report = Report {
            tenant: "Stad Bree",
            upload: "lijst 00.01.25-567.77.csv",
            receipt: Some("upload_20261121_b32a091d.receipt"),
            places: list.places,
            protocol: Some(&protocol),
            register_month: "2026-10",
            day: DAY,
            counts: list.counts,
            answer_rows: 2,
            entitled: 1,
        };
        let text = verslag(&report, &remarks);
        assert_eq!(find_in(&text), None);
        assert!(text.lines().filter(|line| !line.contains("bestand;")).all(str::is_ascii), "{text}");
        super::super::golden::compare("verslag.csv", &text);
    }

    #[test]
    fn names_of_the_sender_are_safe_in_a_spreadsheet() {
        let report = Report {
            tenant: "@x",
            upload: "=cmd;1.csv",
            receipt: None,
            places: Places::Cells,
            protocol: None,
            register_month: "2026-10",
            day: DAY,
            counts: Counts::default(),
            answer_rows: 0,
            entitled: 0,
        };
        let strange = Remark { line: 2, column: 1, problem: Problem::NotSynthetic };
        let trial = verslag(&report, &[strange]);
        assert!(trial.contains("nummers die geen proefnummer zijn;1\n"), "{trial}");
        assert!(
            trial.contains("2;geen-proefnummer;cel A2: geen proefnummer")
                && trial.contains("nooit een echte lijst in /test"),
            "{trial}"
        );
        let text = verslag(&report, &[]);
        assert!(text.contains("bestuur;'@x\n") && text.contains("opgeladen bestand;\"'=cmd;1.csv\"\n"), "{text}");
        assert!(text.ends_with("\n\nregel;probleem;uitleg\n"));
    }
}
