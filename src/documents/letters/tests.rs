//! Letters as a municipality and a printer get them.

use jiff::civil::{Date, date};

use super::*;
use crate::{documents::typeset::TypesetFault, register::Address};

const DAY: Date = date(2026, 11, 21);

const TEXT: &str = "# Schoolpremie voor {kinderen}\n\nBeste {naam},\n\n\
    Goed nieuws: {gemeente} kent u een **schoolpremie** van {bedrag} toe.\n\nU hoeft niets te doen.\n\n\
    - De premie is *eenmalig*.\n- Ze telt niet mee voor uw belastingen.\n\n\
    Meer weten? Kijk op [onze webstek](https://www.torhout.be/schoolpremie) of bel {dienst}.\n\n\
    Met vriendelijke groeten\\\nHet college van burgemeester en schepenen";

const PARTS: Parts<'_> = Parts {
    text: TEXT,
    logo: None,
    template: None,
    service: "Sociaal Huis, Markt 1, 8820 Torhout, 050 00 00 00",
    municipality: "Stad Torhout",
    confidence: Confidence::NothingShared,
};

fn letters(count: usize, name: &str) -> Vec<Letter> {
    let letter = |at: usize| {
        let address = Address {
            street: "Oude Stationsstraat",
            house_number: "12",
            box_number: "3",
            postcode: "8820",
            municipality: "Torhout",
            country: "BE",
        };
        Letter {
            id: format!("T-{at:06}"),
            address: AddressBlock::new(name, &address).unwrap(),
            name: name.to_owned(),
            children: vec!["Zoë".to_owned(), "Loïc".to_owned(), "Emma".to_owned()],
            amount: Some(Amount::from_cents(7_500)),
        }
    };
    (1..=count).map(letter).collect()
}

fn fault(parts: &Parts<'_>) -> DesignFault {
    match LetterDesign::new(parts) {
        Ok(_) => panic!("it was taken"),
        Err(fault) => fault,
    }
}

#[test]
fn letters_are_printed_with_their_index() {
    let design = LetterDesign::new(&PARTS).unwrap();
    let letters = letters(BATCH_LETTERS + 2, "Jean-François #panic() *Peeters*");
    let mut index = Index::new();
    let mut seen = Vec::new();
    for batch in design.print(&letters, DAY) {
        let batch = batch.unwrap();
        assert_eq!(batch.pages, batch.letters.iter().map(|printed| printed.pages).sum::<usize>());
        assert!(batch.pdf.starts_with(b"%PDF-1.7"));
        index.add(&format!("brieven-{}.pdf", batch.number), &batch);
        seen.push((batch.number, batch.of, batch.letters.len()));
    }
    assert_eq!(seen, [(1, 2, BATCH_LETTERS), (2, 2, 2)]);
    let index = String::from_utf8(index.finish().to_vec()).unwrap();
    assert_eq!(index.lines().count(), BATCH_LETTERS + 3);
    let row = index.lines().nth(BATCH_LETTERS + 2).unwrap();
    let expected =
        "brieven-2.pdf;T-000502;2;1;Jean-François #panic() *Peeters*;Oude Stationsstraat 12 bus 3;8820 Torhout;;;;;";
    // A digit may stand first in a cell; quotes are for signs that need them.
    assert!(row.starts_with(expected), "{row}");
}

#[test]
fn the_same_letters_give_the_same_bytes() {
    let design = LetterDesign::new(&PARTS).unwrap();
    let letters = letters(2, "Els Peeters");
    let once = || design.print(&letters, DAY).next().unwrap().unwrap().sha256;
    assert_eq!(once(), once());
}

#[test]
fn what_happens_to_the_data_is_said_as_it_is() {
    let none = LetterDesign::new(&PARTS).unwrap();
    assert!(none.fixed.paragraphs[1].ends_with("en heeft voor deze brief geen gegevens aan Stad Torhout doorgegeven."));
    let some = LetterDesign::new(&Parts { confidence: Confidence::SharedUnderProtocol, ..PARTS }).unwrap();
    assert!(some.fixed.paragraphs[1].contains("alleen doorgegeven wat het protocol"));
}

#[test]
fn an_own_template_decides_the_look_and_not_the_fixed_parts() {
    let own =
        "#let kop(gegevens) = text(red, gegevens.gemeente)\n#let inhoud(gegevens, tekst) = { set text(blue); tekst }";
    LetterDesign::new(&Parts { template: Some(own), ..PARTS }).unwrap();
    // A template without the text is the municipality's choice; what is fixed stands there nevertheless.
    LetterDesign::new(&Parts { template: Some("#let inhoud(gegevens, tekst) = []"), ..PARTS }).unwrap();
    for (own, place) in [
        ("\n#let kop(gegevens) = gegevens.iban", (2, 31)),
        ("#let inhoud(gegevens, tekst) = { set page(footer: none); tekst }", (1, 34)),
        ("#let kop(gegevens) = read(\"/etc/passwd\")", (1, 27)),
        ("#let kop(", (1, 9)),
    ] {
        match fault(&Parts { template: Some(own), ..PARTS }) {
            DesignFault::Typeset(TypesetFault::Source { file, line, column, message, .. }) => {
                assert_eq!((&*file, (line, column)), ("sjabloon.typ", place), "{own}: {message}");
            }
            other => panic!("{own}: {other:?}"),
        }
    }
    let marks = "#let inhoud(gegevens, tekst) = { metadata(7); tekst }";
    let refused = fault(&Parts { template: Some(marks), ..PARTS });
    assert!(matches!(refused, DesignFault::Lacks { .. }), "{refused:?}");
    let endless = "#let inhoud(gegevens, tekst) = { for i in range(40) { tekst } }";
    let refused = fault(&Parts { template: Some(endless), ..PARTS });
    assert!(matches!(refused, DesignFault::Typeset(TypesetFault::Pages { .. })), "{refused:?}");
}

#[test]
fn parts_at_fault_are_refused() {
    let long = "x".repeat(TEMPLATE_BYTES + 1);
    assert!(matches!(fault(&Parts { template: Some(&long), ..PARTS }), DesignFault::TemplateTooLong));
    assert!(matches!(fault(&Parts { service: "", ..PARTS }), DesignFault::Line { .. }));
    assert!(matches!(fault(&Parts { text: "{rijksregisternummer}", ..PARTS }), DesignFault::Text(_)));
    assert!(matches!(fault(&Parts { logo: Some(b"GIF89a"), ..PARTS }), DesignFault::Logo(_)));
    let broken = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01";
    assert!(matches!(fault(&Parts { logo: Some(broken), ..PARTS }), DesignFault::Typeset(_)));
}

#[test]
fn letters_at_fault_are_named_by_their_id_only() {
    let design = LetterDesign::new(&PARTS).unwrap();
    let mut some = letters(3, "Els Peeters");
    some[1].children.push("漢".to_owned());
    let said: Vec<String> = design.print(&some, DAY).map(|batch| batch.err().unwrap().to_string()).collect();
    assert_eq!(said, ["letter T-000002: the character '漢' cannot be printed"]);
    let mut some = letters(3, "Els Peeters");
    some[2].amount = None;
    let fault = design.print(&some, DAY).next().unwrap().err().unwrap();
    assert_eq!(fault.to_string(), "letter T-000003: the text names an amount, and there is none");
    // A template that fails for some data only.
    let own = "#let kop(gegevens) = { if gegevens.kenmerk.starts-with(\"T\") { panic(gegevens.naam) } }";
    let design = LetterDesign::new(&Parts { template: Some(own), ..PARTS }).unwrap();
    let fault = design.print(&letters(3, "Els Peeters"), DAY).next().unwrap().err().unwrap();
    assert_eq!(fault.to_string(), "letters T-000001 to T-000003: the template fails at sjabloon.typ:1:63");
}

/// The head's first line begins 18 mm below the paper's edge, and round letters and strokes reach above that.
#[test]
fn the_heads_letters_are_whole() {
    let design = LetterDesign::new(&PARTS).unwrap();
    let letters = letters(1, "Els Peeters");
    let batch = design.print(&letters, DAY).next().unwrap().unwrap();
    // At 600 dpi: from 15 to 18 mm below the edge, the right half of the paper.
    let strip = ["-r", "600", "-gray", "-x", "2480", "-y", "354", "-W", "2480", "-H", "70"];
    let Some(picture) = crate::documents::golden::picture("the head of a letter", &batch.pdf, &strip) else { return };
    let pixels = &picture[picture.len() - 2480 * 70..];
    assert!(pixels.iter().any(|pixel| *pixel < 64), "nothing reaches above the line of the capitals");
    assert!(pixels[..2480].iter().all(|pixel| *pixel > 250), "the head is cut off higher up");
}

#[test]
fn a_proof_says_what_it_is() {
    let logo =
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"80\"><rect width=\"200\" height=\"80\" \
        rx=\"12\" fill=\"#1d4f91\"/><circle cx=\"40\" cy=\"40\" r=\"22\" fill=\"#f2c14e\"/></svg>";
    let design = LetterDesign::new(&Parts { logo: Some(logo), ..PARTS }).unwrap();
    let proof = design.proof(DAY).unwrap();
    crate::documents::golden::compare_pdf("brief-proefdruk.txt", &proof);
}
