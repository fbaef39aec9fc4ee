//! The letters of a run: one for each family, sealed to the printer, and a proof for the municipality.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

use super::{AssignmentFault, making::Making, payout::Claim};
use crate::{
    documents::{
        letters::{
            AddressBlock, Confidence, Index, Letter, LetterDesign, Parts, TEMPLATE_BYTES, logo::LOGO_BYTES,
            markdown::TEXT_BYTES,
        },
        typeset::can_print,
    },
    domain::{
        Assignment,
        assignment::{LetterTerms, Product},
    },
};

/// How an assignment's letters look, checked; none where it writes none. The municipality is named as its families know it.
///
/// # Errors
/// A file of the letters cannot be read, or is at fault.
pub fn letter_design(assignment: &Assignment, municipality: &str) -> Result<Option<LetterDesign>, AssignmentFault> {
    let terms = assignment.letters.as_ref().filter(|_| assignment.produces(Product::Brieven));
    let Some(LetterTerms { template, logo, text, service, .. }) = terms else { return Ok(None) };
    let text = read_text(text, TEXT_BYTES)?;
    let template = template.as_deref().map(|path| read_text(path, TEMPLATE_BYTES)).transpose()?;
    let logo = logo.as_deref().map(|path| read(path, LOGO_BYTES)).transpose()?;
    let shares = [Product::Gegevens, Product::Betaling].into_iter().any(|product| assignment.produces(product));
    let confidence = if shares { Confidence::SharedUnderProtocol } else { Confidence::NothingShared };
    let parts =
        Parts { text: &text, logo: logo.as_deref(), template: template.as_deref(), service, municipality, confidence };
    LetterDesign::new(&parts).map(Some).map_err(AssignmentFault::LetterDesign)
}

/// Reads a file of the configuration, of so many bytes and one more: what is longer is refused by who knows the limit.
fn read(path: &Path, limit_bytes: usize) -> Result<Vec<u8>, AssignmentFault> {
    let fault = |source| AssignmentFault::LetterFile { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(fault)?;
    file.take(limit_bytes as u64 + 1).read_to_end(&mut bytes).map_err(fault)?;
    Ok(bytes)
}

fn read_text(path: &Path, limit_bytes: usize) -> Result<String, AssignmentFault> {
    let fault = |_| AssignmentFault::LetterFile {
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"),
    };
    String::from_utf8(read(path, limit_bytes)?).map_err(fault)
}

impl Making<'_> {
    pub(super) fn print_letters(&mut self) -> Result<(), AssignmentFault> {
        let (plan, exchange) = (self.plan, self.exchange);
        let (Some((printer, clearance)), Some(design)) = (&plan.cleared.letters, &plan.design) else { return Ok(()) };
        let mut families = plan.letters(self.commission);
        // By post round: a printer hands them over in this order.
        families.sort_by_key(|family| {
            let address = family.household.address();
            (address.country != "BE", address.postcode, address.street)
        });
        let pays = self.commission.assignment.payment.is_some();
        let mut letters = Vec::with_capacity(families.len());
        for family in families {
            match self.letter(letters.len() + 1, family, pays) {
                Ok(letter) => letters.push(letter),
                Err(Unwritten::Address) => self.unaddressed += 1,
                Err(Unwritten::Name) => self.unprintable += 1,
            }
        }
        let total = letters.len();
        let mut sequence = exchange.next_sequence(&printer.id)?;
        let mut index = Index::new();
        for batch in design.print(&letters, self.commission.today) {
            let batch = batch.map_err(AssignmentFault::Letters)?;
            let number = batch.letters.len() as u64;
            let outgoing = self.outgoing(printer, clearance, "pdf", (sequence, None));
            let made = exchange.stage(outgoing, |out| out.write_all(&batch.pdf).map(|()| number))?;
            let name = &made.staged.manifest.file;
            index.add(name.strip_suffix(".age").unwrap_or(name), &batch);
            sequence += 1;
            self.letters += number;
            self.pages += batch.pages as u64;
            self.prepared.push(made);
            (self.tell)(format!("{} of {total} letters are made", self.letters));
        }
        let number = self.letters;
        let outgoing = self.outgoing(printer, clearance, "csv", (sequence, None));
        let index = index.finish();
        self.prepared.push(exchange.stage(outgoing, |out| out.write_all(&index).map(|()| number))?);
        let proof = design.proof(self.commission.today).map_err(AssignmentFault::LetterDesign)?;
        let outgoing = self.next(&plan.cleared.report, "proefbrief.pdf", None);
        self.prepared.push(exchange.stage(outgoing, |out| out.write_all(&proof).map(|()| 0))?);
        Ok(())
    }

    /// A family's letter.
    fn letter(&self, number: usize, family: Claim<'_>, pays: bool) -> Result<Letter, Unwritten> {
        let Claim { household, children, amount } = family;
        let (last_name, first_name) = household.beneficiary_name();
        let name = format!("{first_name} {last_name}").trim().to_owned();
        let block = AddressBlock::new(&name, &household.address());
        let children: Vec<String> = children.into_iter().map(str::to_owned).collect();
        let letter = Letter {
            id: format!("{}-{number:05}", self.commission.assignment.id),
            address: block.map_err(|_| Unwritten::Address)?,
            name,
            children,
            amount: pays.then_some(amount),
        };
        match unwritten(&letter) {
            Some(why) => Err(why),
            None => Ok(letter),
        }
    }
}

/// Why a family gets no letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unwritten {
    /// Its address cannot be on an envelope.
    Address,
    /// A name has a character that no font has.
    Name,
}

/// What keeps a letter from being printed. The names come first: the name is on the envelope as well.
fn unwritten(letter: &Letter) -> Option<Unwritten> {
    let can_all = |texts: &[String]| texts.iter().flat_map(|text| text.chars()).all(can_print);
    if !can_all(&letter.children) || !letter.name.chars().all(can_print) {
        Some(Unwritten::Name)
    } else if !can_all(letter.address.lines()) {
        Some(Unwritten::Address)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::Address;

    #[test]
    fn a_name_that_no_font_has_is_told_from_an_address() {
        let letter = |name: &str, child: &str, street: &str| {
            let home = Address {
                street,
                house_number: "1",
                box_number: "",
                postcode: "8820",
                municipality: "Torhout",
                country: "BE",
            };
            let (address, name) = (AddressBlock::new(name, &home).unwrap(), name.to_owned());
            Letter { id: "premie-2026-00001".to_owned(), address, name, children: vec![child.to_owned()], amount: None }
        };
        let told = |name, child, street| unwritten(&letter(name, child, street));
        assert_eq!(told("Zoë Çelik", "Łukasz", "Markt"), None);
        assert_eq!(told("\u{10380}n Claes", "Eva", "Markt"), Some(Unwritten::Name));
        assert_eq!(told("An Claes", "\u{10380}va", "\u{10380}"), Some(Unwritten::Name));
        assert_eq!(told("An Claes", "Eva", "\u{10380}laan"), Some(Unwritten::Address));
    }
}
