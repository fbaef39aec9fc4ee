//! Orders to a bank are valid by the schemas of ISO 20022, whatever people are called.

use std::{fs, path::Path};

use groeikluis::{
    documents::{
        Payment, RemittanceLine,
        pain::{CategoryPurpose, Order, Version, write},
    },
    domain::{Amount, Iban, StructuredCommunication, assignment::Debtor},
};
use jiff::civil::date;

use crate::clients::program::Program;

/// Names as nobody would wish them, and ends of what fits.
const HOLDERS: [&str; 14] = [
    "Peeters Jan",
    "",
    " ",
    "\u{0}\u{1}\u{b}\u{1f}",
    "</Nm><Nm>x",
    "&amp;&#0;]]>",
    "<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]>",
    "Łukasz Ðorđević-Şahin",
    "Ющенко Олена",
    "漢字 العربية",
    "\u{202e}\u{200b}\u{feff}",
    "😀😀😀",
    "//",
    "a\u{301}\u{fffe}\u{ffff}",
];

/// Enough that number and sum are of more than a few digits.
const LINES: u32 = 5_000;

#[test]
fn every_order_is_valid_by_its_schema() {
    let Some(xmllint) = Program::find("xmllint", "xmllint") else { return };
    let directory = tempfile::tempdir().unwrap();
    let debtor = Debtor {
        name: "Stad Torhout & \"Sociaal Huis\" <🎁>, dienst schoolpremies voor kinderen van het kleuter- en lager"
            .to_owned(),
        iban: Iban::parse("BE71096123456769").unwrap(),
        kbo: "0692793497".parse().unwrap(),
    };
    let accounts =
        ["BE68539007547034", "NL91ABNA0417164300", "FR1420041010050500013M02606", "MT84MALT011000012345MTLCAST001S"];
    let accounts = accounts.map(|text| Iban::parse(text).unwrap());
    let long = "ß".repeat(500);
    let lines: Vec<(String, u32)> = (0..LINES).map(|line| (format!("VUTG-2026-004-{line:06}"), line)).collect();
    let payments = lines.iter().map(|(id, line)| {
        let at = usize::try_from(*line).unwrap();
        let holder = HOLDERS.get(at % (HOLDERS.len() + 1)).copied().unwrap_or(&long);
        let structured = StructuredCommunication::of_line(2026, *line).map(RemittanceLine::Structured);
        let remittance = if line % 2 == 0 { structured.unwrap() } else { RemittanceLine::Text(holder) };
        let cents = if *line == 0 { 99_999_999_999 } else { u64::from(*line) };
        let amount = Amount::from_cents(cents);
        Payment { holder, iban: &accounts[at % accounts.len()], amount, end_to_end_id: id, remittance }
    });
    for (version, name) in [(Version::V03, "pain.001.001.03"), (Version::V09, "pain.001.001.09")] {
        for (case, category_purpose) in [("plain", None), ("coded", Some(CategoryPurpose::SocialSecurityBenefit))] {
            let order = Order {
                message_id: "torhout-schoolpremie-2026-0001",
                created_at: "2026-11-22T06:28:01.123456789Z".parse().unwrap(),
                debtor: &debtor,
                execution_date: date(2026, 12, 15),
                category_purpose,
            };
            let file = directory.path().join(format!("{case}.{name}.xml"));
            let sum = write(fs::File::create(&file).unwrap(), version, &order, payments.clone()).unwrap();
            assert_eq!(sum.rows, u64::from(LINES));
            let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/iso20022/{name}.xsd"));
            let options = ["--stream", "--noout", "--nonet", "--schema"].map(Path::new);
            let files = [schema.as_path(), file.as_path()];
            let ran = xmllint.run_in(directory.path()).args(options.into_iter().chain(files)).run();
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            let text = fs::read_to_string(&file).unwrap();
            assert_eq!(text.matches("<CdtTrfTxInf>").count(), lines.len());
            assert_eq!(text.matches(&format!("<NbOfTxs>{LINES}</NbOfTxs><CtrlSum>1000124974.99</CtrlSum>")).count(), 2);
        }
    }
}
