//! Orders to a bank: ISO 20022 `pain.001.001.09` and `.03` (FORMATS.md, section 2.4; DOMAIN.md, section 4).
//!
//! One payment block of SEPA credit transfers, booked as one amount. Each text is in the characters that every bank
//! takes, so that nothing needs escaping and no control character is in the file. Left out: the beneficiary's address
//! (since November 2026 an unstructured one is rejected), and every BIC (the account tells the bank).

use std::io::{self, Write};

use jiff::{Timestamp, civil::Date};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};
use zeroize::Zeroizing;

use super::{
    payment::{Payment, RemittanceLine, Written},
    table::{Wiped, invalid},
};
use crate::domain::{
    Amount,
    assignment::{Debtor, PaymentFormat},
    sepa,
};

/// A version of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// `pain.001.001.03`, of 2009; fewer and fewer banks take it.
    V03,
    /// `pain.001.001.09`, of 2019.
    V09,
}

impl Version {
    /// The version that a format is; none for one that is no order.
    pub fn of(format: PaymentFormat) -> Option<Self> {
        match format {
            PaymentFormat::Csv => None,
            PaymentFormat::Pain00100103 => Some(Self::V03),
            PaymentFormat::Pain00100109 => Some(Self::V09),
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::V03 => "urn:iso:std:iso:20022:tech:xsd:pain.001.001.03",
            Self::V09 => "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09",
        }
    }
}

/// What the payments are to the banks, a code of ISO 20022's external list; optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CategoryPurpose {
    /// `SSBE`: a payment by a government to support individuals.
    SocialSecurityBenefit,
}

impl CategoryPurpose {
    fn code(self) -> &'static str {
        match self {
            Self::SocialSecurityBenefit => "SSBE",
        }
    }
}

/// What all payments of an order have in common.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The message's name: another for each, 1 to 35 permitted characters.
    pub message_id: &'a str,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whose account pays.
    pub debtor: &'a Debtor,
    /// The day on which the bank executes.
    pub execution_date: Date,
    /// What the payments are.
    pub category_purpose: Option<CategoryPurpose>,
}

/// Stands where a name is wanted and none is known (EPC rules for absent identifications).
const NOT_PROVIDED: &str = "NOTPROVIDED";

/// The highest amount of one SEPA payment, cents (EPC rulebook AT-04: 999,999,999.99).
const HIGHEST_CENTS: u64 = 99_999_999_999;

/// Bytes of a text as it is put together: the longest has 140, and memory that grows would not be wiped.
const SCRATCH_BYTES: usize = 256;

/// Writes an order. The payments are gone through twice: their number and sum stand before them.
///
/// # Errors
/// `InvalidInput` where there is no payment, for an amount of zero or above 999,999,999.99, and for an identifier that
/// banks refuse; what `out` reports.
pub fn write<'a>(
    out: impl Write,
    version: Version,
    order: &Order<'_>,
    payments: impl Iterator<Item = Payment<'a>> + Clone,
) -> io::Result<Written> {
    check_identifier(order.message_id)?;
    let mut sum = Written::default();
    for payment in payments.clone() {
        if !(1..=HIGHEST_CENTS).contains(&payment.amount.cents()) {
            return Err(invalid("an amount that no bank takes"));
        }
        check_identifier(payment.end_to_end_id)?;
        sum = sum.and(payment.amount);
    }
    if sum.rows == 0 {
        return Err(invalid("an order without a payment"));
    }
    let mut xml = Xml::new(out);
    xml.0.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let root = BytesStart::new("Document").with_attributes([("xmlns", version.namespace())]);
    xml.0.write_event(Event::Start(root))?;
    xml.open("CstmrCdtTrfInitn")?;
    group_header(&mut xml, order, sum)?;
    xml.open("PmtInf")?;
    payment_information(&mut xml, version, order, sum)?;
    let mut scratch = Scratch::default();
    for payment in payments {
        transaction(&mut xml, &mut scratch, &payment)?;
    }
    for name in ["PmtInf", "CstmrCdtTrfInitn", "Document"] {
        xml.close(name)?;
    }
    xml.finish()?;
    Ok(sum)
}

fn group_header<W: Write>(xml: &mut Xml<W>, order: &Order<'_>, sum: Written) -> io::Result<()> {
    xml.open("GrpHdr")?;
    xml.leaf("MsgId", order.message_id)?;
    xml.leaf("CreDtTm", &order.created_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())?;
    xml.sums(sum)?;
    xml.open("InitgPty")?;
    xml.leaf("Nm", &name(&order.debtor.name))?;
    xml.open_all(&["Id", "OrgId", "Othr"])?;
    xml.leaf("Id", &order.debtor.kbo.to_string())?;
    xml.leaf("Issr", "KBO-BCE")?;
    xml.close_all(&["Id", "OrgId", "Othr"])?;
    xml.close("InitgPty")?;
    xml.close("GrpHdr")
}

fn payment_information<W: Write>(
    xml: &mut Xml<W>,
    version: Version,
    order: &Order<'_>,
    sum: Written,
) -> io::Result<()> {
    xml.leaf("PmtInfId", order.message_id)?;
    xml.leaf("PmtMtd", "TRF")?;
    xml.leaf("BtchBookg", "true")?;
    xml.sums(sum)?;
    xml.open("PmtTpInf")?;
    xml.nested(&["SvcLvl", "Cd"], "SEPA")?;
    if let Some(purpose) = order.category_purpose {
        xml.nested(&["CtgyPurp", "Cd"], purpose.code())?;
    }
    xml.close("PmtTpInf")?;
    let day = order.execution_date.to_string();
    match version {
        Version::V03 => xml.leaf("ReqdExctnDt", &day)?,
        Version::V09 => xml.nested(&["ReqdExctnDt", "Dt"], &day)?,
    }
    xml.nested(&["Dbtr", "Nm"], &name(&order.debtor.name))?;
    xml.open("DbtrAcct")?;
    xml.nested(&["Id", "IBAN"], &order.debtor.iban.electronic())?;
    xml.leaf("Ccy", "EUR")?;
    xml.close("DbtrAcct")?;
    // The schema wants the debtor's bank; the account tells which it is.
    xml.nested(&["DbtrAgt", "FinInstnId", "Othr", "Id"], NOT_PROVIDED)?;
    xml.leaf("ChrgBr", "SLEV")
}

fn transaction<W: Write>(xml: &mut Xml<W>, scratch: &mut Scratch, payment: &Payment<'_>) -> io::Result<()> {
    xml.open("CdtTrfTxInf")?;
    xml.nested(&["PmtId", "EndToEndId"], payment.end_to_end_id)?;
    xml.open("Amt")?;
    let amount = BytesStart::new("InstdAmt").with_attributes([("Ccy", "EUR")]);
    xml.0.write_event(Event::Start(amount))?;
    xml.text(&payment.amount.to_string())?;
    xml.close("InstdAmt")?;
    xml.close("Amt")?;
    xml.nested(&["Cdtr", "Nm"], scratch.name(payment.holder))?;
    xml.nested(&["CdtrAcct", "Id", "IBAN"], scratch.iban(payment)?)?;
    match payment.remittance {
        RemittanceLine::Text(text) => {
            let text = scratch.permitted(text, sepa::LONGEST_REMITTANCE);
            if !text.is_empty() {
                xml.nested(&["RmtInf", "Ustrd"], text)?;
            }
        }
        RemittanceLine::Structured(communication) => {
            xml.open_all(&["RmtInf", "Strd", "CdtrRefInf", "Tp"])?;
            xml.nested(&["CdOrPrtry", "Cd"], "SCOR")?;
            xml.leaf("Issr", "BBA")?;
            xml.close("Tp")?;
            xml.leaf("Ref", &communication.digits())?;
            xml.close_all(&["RmtInf", "Strd", "CdtrRefInf"])?;
        }
    }
    xml.close("CdtTrfTxInf")
}

/// Banks refuse an identifier with other characters, one that begins or ends with a slash, and one with two in a row.
fn check_identifier(text: &str) -> io::Result<()> {
    let fits = (1..=sepa::LONGEST_IDENTIFIER).contains(&text.len())
        && text.chars().all(sepa::is_permitted)
        && !text.starts_with(['/', ' '])
        && !text.ends_with(['/', ' '])
        && !text.contains("//");
    if fits { Ok(()) } else { Err(invalid("an identifier that banks refuse")) }
}

/// The name of an authority, as banks take it.
fn name(text: &str) -> String {
    let mut name = String::new();
    sepa::push(&mut name, text, sepa::LONGEST_NAME);
    if name.is_empty() { NOT_PROVIDED.to_owned() } else { name }
}

/// Where personal data are brought into the form that leaves; wiped.
struct Scratch {
    text: Zeroizing<String>,
    iban: Zeroizing<Vec<u8>>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            text: Zeroizing::new(String::with_capacity(SCRATCH_BYTES)),
            iban: Zeroizing::new(Vec::with_capacity(SCRATCH_BYTES)),
        }
    }
}

impl Scratch {
    fn permitted(&mut self, text: &str, most: usize) -> &str {
        self.text.clear();
        sepa::push(&mut self.text, text, most);
        &self.text
    }

    fn name(&mut self, holder: &str) -> &str {
        let name = self.permitted(holder, sepa::LONGEST_NAME);
        if name.is_empty() { NOT_PROVIDED } else { name }
    }

    fn iban(&mut self, payment: &Payment<'_>) -> io::Result<&str> {
        self.iban.clear();
        payment.iban.push_electronic(&mut self.iban);
        std::str::from_utf8(&self.iban).map_err(|_| invalid("an account that is not text"))
    }
}

/// The elements of a file. What is written must need no escaping: the permitted characters do not.
struct Xml<W: Write>(Writer<Wiped<W>>);

impl<W: Write> Xml<W> {
    fn new(out: W) -> Self {
        Self(Writer::new(Wiped::new(out)))
    }

    fn open(&mut self, name: &'static str) -> io::Result<()> {
        self.0.write_event(Event::Start(BytesStart::new(name)))
    }

    fn close(&mut self, name: &'static str) -> io::Result<()> {
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    fn open_all(&mut self, path: &[&'static str]) -> io::Result<()> {
        path.iter().try_for_each(|name| self.open(name))
    }

    fn close_all(&mut self, path: &[&'static str]) -> io::Result<()> {
        path.iter().rev().try_for_each(|name| self.close(name))
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        self.0.write_event(Event::Text(BytesText::from_escaped(text)))
    }

    fn leaf(&mut self, name: &'static str, text: &str) -> io::Result<()> {
        self.open(name)?;
        self.text(text)?;
        self.close(name)
    }

    fn nested(&mut self, path: &[&'static str], text: &str) -> io::Result<()> {
        self.open_all(path)?;
        self.text(text)?;
        self.close_all(path)
    }

    fn sums(&mut self, sum: Written) -> io::Result<()> {
        self.leaf("NbOfTxs", &sum.rows.to_string())?;
        self.leaf("CtrlSum", &Amount::to_string(&sum.total))
    }

    fn finish(self) -> io::Result<()> {
        self.0.into_inner().finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        documents::golden,
        domain::{Iban, StructuredCommunication},
    };
    use jiff::civil;
    use quick_xml::Reader;

    fn debtor() -> Debtor {
        Debtor {
            name: "Stad Torhout".to_owned(),
            iban: Iban::parse("BE71096123456769").unwrap(),
            kbo: "0692.793.497".parse().unwrap(),
        }
    }

    fn order(debtor: &Debtor) -> Order<'_> {
        Order {
            message_id: "torhout-schoolpremie-2026-0001",
            created_at: "2026-11-22T06:28:01.5Z".parse().unwrap(),
            debtor,
            execution_date: civil::date(2026, 12, 15),
            category_purpose: Some(CategoryPurpose::SocialSecurityBenefit),
        }
    }

    fn written(version: Version, payments: &[Payment<'_>]) -> io::Result<(String, Written)> {
        let mut out = Vec::new();
        let debtor = debtor();
        let sum = write(&mut out, version, &order(&debtor), payments.iter().copied())?;
        Ok((String::from_utf8(out).unwrap(), sum))
    }

    fn payments(iban: &Iban) -> [Payment<'_>; 2] {
        let text = Payment {
            holder: "Zoë <D'Hondt> & \u{1}zn",
            iban,
            amount: Amount::from_cents(7501),
            end_to_end_id: "VUTG-2026-004-000001",
            remittance: RemittanceLine::Text("Schoolpremie 2026"),
        };
        let remittance = RemittanceLine::Structured(StructuredCommunication::of_line(2026, 42).unwrap());
        let structured = Payment { holder: "", end_to_end_id: "2", amount: Amount::from_cents(5), remittance, ..text };
        [text, structured]
    }

    #[test]
    fn both_versions() {
        let iban = Iban::parse("NL91ABNA0417164300").unwrap();
        for (version, name) in [(Version::V03, "pain.001.001.03.xml"), (Version::V09, "pain.001.001.09.xml")] {
            let (text, sum) = written(version, &payments(&iban)).unwrap();
            assert_eq!(sum, Written { rows: 2, total: Amount::from_cents(7506) });
            // A line for each element, for who reads the difference.
            golden::compare(name, &text.replace("><", ">\n<"));
        }
    }

    #[test]
    fn what_banks_refuse_is_not_written() {
        let iban = Iban::parse("BE71096123456769").unwrap();
        let [good, _] = payments(&iban);
        let zero = Payment { amount: Amount::ZERO, ..good };
        let high = Payment { amount: Amount::from_cents(HIGHEST_CENTS + 1), ..good };
        let long = "a".repeat(36);
        let mut refused = vec![vec![], vec![good, zero], vec![high]];
        for end_to_end_id in ["", "/a", "a/", "a//b", "é", "a\nb", " a", &long] {
            refused.push(vec![Payment { end_to_end_id, ..good }]);
        }
        for (at, payments) in refused.iter().enumerate() {
            let kind = written(Version::V09, payments).map_err(|error| error.kind());
            assert_eq!(kind, Err(io::ErrorKind::InvalidInput), "case {at}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_makes_xml_with_no_other_characters(holder in "\\PC{0,40}|(?s).{0,200}", text in "(?s).{0,300}") {
            let iban = Iban::parse("BE71096123456769").unwrap();
            let [good, _] = payments(&iban);
            let nasty = Payment { holder: &holder, remittance: RemittanceLine::Text(&text), ..good };
            let (xml, _) = written(Version::V09, &[nasty]).unwrap();
            let (mut reader, mut names) = (Reader::from_str(&xml), 0);
            loop {
                match reader.read_event().unwrap() {
                    Event::Eof => break,
                    Event::Text(text) => {
                        let text: &str = &text;
                        proptest::prop_assert!(text.chars().all(sepa::is_permitted) && text.len() <= 140, "{text}");
                    }
                    Event::Start(start) => names += usize::from(start.name().as_ref() == "Nm"),
                    Event::GeneralRef(_) | Event::CData(_) | Event::Comment(_) | Event::PI(_) => unreachable!("{xml}"),
                    _ => {}
                }
            }
            proptest::prop_assert_eq!(names, 3);
        }
    }
}
