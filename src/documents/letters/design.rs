//! What all letters of an assignment have in common, checked by setting one.

use jiff::civil::{Date, date};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    Letter,
    logo::{self, LogoFault},
    markdown::{self, Block, TextFault},
    print, proof,
};
use crate::documents::{
    day::date_nl,
    figures,
    typeset::{File, Job, LONGEST, TypesetFault, can_print},
};

/// The largest own template. The one of this program has two kilobytes.
pub const TEMPLATE_BYTES: usize = 256 << 10;

/// The most pages of one letter: what a folding machine puts in an ordinary envelope.
pub const PAGES_PER_LETTER: usize = 6;

/// The longest name of a municipality, and line of its service.
const LINE_CHARACTERS: usize = 200;

/// What stands across a proof.
const NOTICE: &str = "Proefdruk, verzonnen namen";

/// The day on a letter that only shows that the design works.
const ANY_DAY: Date = date(2026, 1, 1);

const MAIN: &str = include_str!("brief.typ");
const STANDARD: &str = include_str!("standaard.typ");

/// What the municipality learns of the families, as the letter must tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// Nothing for these letters: the assignment makes nothing else. What another assignment or a list of its own told it is
    /// not known here.
    NothingShared,
    /// What a protocol allows: it gets a data or payment file too.
    SharedUnderProtocol,
}

/// What a municipality gives for its letters.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// Its text, Markdown (see [`super::markdown`]).
    pub text: &'a str,
    /// Its logo: PNG, JPEG or SVG.
    pub logo: Option<&'a [u8]>,
    /// Its own template, Typst; the example is the one of this program, `standaard.typ`.
    pub template: Option<&'a str>,
    /// Where a family can go with questions, one line.
    pub service: &'a str,
    /// Its name, as a family reads it.
    pub municipality: &'a str,
    /// What it learns.
    pub confidence: Confidence,
}

/// A design that can be printed.
pub struct LetterDesign {
    blocks: Vec<Block>,
    logo: Option<(&'static str, Vec<u8>)>,
    template: Option<String>,
    service: String,
    pub(super) municipality: String,
    pub(super) fixed: Fixed,
}

/// What stands in every letter, whatever the municipality's text and template are.
#[derive(Clone, Serialize)]
pub(super) struct Fixed {
    heading: &'static str,
    pub(super) paragraphs: [String; 3],
}

/// Why letters cannot be printed so.
#[derive(Debug, thiserror::Error)]
pub enum DesignFault {
    /// The text is at fault.
    #[error("the letter's text cannot be read")]
    Text(#[source] TextFault),
    /// The logo is at fault.
    #[error("the logo cannot be printed")]
    Logo(#[source] LogoFault),
    /// The template is too large.
    #[error("the template has over {TEMPLATE_BYTES} bytes")]
    TemplateTooLong,
    /// A line is empty, too long, or has a character that no font has.
    #[error("the {what} is no line of 1 to {LINE_CHARACTERS} characters that can be printed")]
    Line {
        /// Which.
        what: &'static str,
    },
    /// A letter in it cannot be set.
    #[error("a letter cannot be set with this text, logo and template")]
    Typeset(#[source] TypesetFault),
    /// A letter in it is not as it must be.
    #[error("a letter with this text and template would lack {what}")]
    Lacks {
        /// What.
        what: &'static str,
    },
}

impl LetterDesign {
    /// Checks the parts, and sets a letter with them.
    pub fn new(parts: &Parts<'_>) -> Result<Self, DesignFault> {
        let line = |what, text: &str| {
            let good = (1..=LINE_CHARACTERS).contains(&text.chars().count()) && text.chars().all(can_print);
            if good { Ok(text.to_owned()) } else { Err(DesignFault::Line { what }) }
        };
        let municipality = line("name of the municipality", parts.municipality)?;
        let service = line("line of the local service", parts.service)?;
        if parts.template.is_some_and(|template| template.len() > TEMPLATE_BYTES) {
            return Err(DesignFault::TemplateTooLong);
        }
        let name = parts.logo.map(logo::name).transpose().map_err(DesignFault::Logo)?;
        let design = Self {
            blocks: markdown::read(parts.text).map_err(DesignFault::Text)?,
            logo: name.zip(parts.logo.map(<[u8]>::to_vec)),
            template: parts.template.map(str::to_owned),
            fixed: Fixed::new(&municipality, &service, parts.confidence),
            service,
            municipality,
        };
        design.proof(ANY_DAY)?;
        Ok(design)
    }

    /// Letters with made-up names, as a PDF: what the municipality gets to see.
    pub fn proof(&self, day: Date) -> Result<Zeroizing<Vec<u8>>, DesignFault> {
        let letters = proof::letters();
        let set = crate::documents::typeset::typeset(self.job(&letters, day, Some(NOTICE)));
        let set = set.map_err(DesignFault::Typeset)?;
        print::places(&set, &letters, &self.fixed).map_err(|what| DesignFault::Lacks { what })?;
        Ok(set.pdf)
    }

    /// The document of some letters.
    pub(super) fn job(&self, letters: &[Letter], day: Date, notice: Option<&'static str>) -> Job {
        let data = Data {
            title: format!("Brieven van {}", self.municipality),
            municipality: &self.municipality,
            service: &self.service,
            date: date_nl(day),
            logo: self.logo.as_ref().map(|(name, _)| *name),
            proof: notice.is_some(),
            notice: notice.unwrap_or_default(),
            fixed: &self.fixed,
            blocks: &self.blocks,
            letters: letters.iter().map(|letter| self.letter(letter)).collect(),
        };
        // A structure of strings, lists and maps with string keys is always JSON.
        let data = serde_json::to_vec(&data).unwrap_or_default();
        let template = self.template.as_deref().unwrap_or(STANDARD);
        let mut files = vec![
            File::own("brief.typ", MAIN),
            File::own("standaard.typ", STANDARD),
            File::from_elsewhere("sjabloon.typ", template),
            File::own("data.json", data),
        ];
        files.extend(self.logo.iter().map(|(name, bytes)| File::own(name, bytes.clone())));
        let most_pages = letters.len() * PAGES_PER_LETTER;
        Job { main: "brief.typ", files, day, most_pages, longest: LONGEST, tagged: false }
    }

    fn letter<'a>(&'a self, letter: &'a Letter) -> LetterData<'a> {
        let amount = letter.amount.map(figures::amount);
        LetterData {
            id: &letter.id,
            address: letter.address.lines(),
            children: &letter.children,
            values: Values {
                naam: &letter.name,
                kinderen: enumeration(&letter.children),
                bedrag: amount.clone(),
                gemeente: &self.municipality,
                dienst: &self.service,
            },
            amount,
        }
    }

    /// Whether the text names an amount, so that each letter must have one.
    pub fn needs_amount(&self) -> bool {
        markdown::names(&self.blocks, markdown::Placeholder::Bedrag)
    }
}

impl Fixed {
    fn new(municipality: &str, service: &str, confidence: Confidence) -> Self {
        let kept = match confidence {
            Confidence::NothingShared => {
                format!("en heeft voor deze brief geen gegevens aan {municipality} doorgegeven.")
            }
            Confidence::SharedUnderProtocol => {
                format!("en heeft aan {municipality} alleen doorgegeven wat het protocol tussen beide toelaat.")
            }
        };
        Self {
            heading: "Over deze brief",
            paragraphs: [
                format!("De informatie in deze brief komt van uw lokaal bestuur: {municipality}."),
                format!(
                    "VUTG, het agentschap dat het Groeipakket uitbetaalt, stuurt u deze brief in naam van {municipality}. \
                     VUTG heeft uw gegevens vertrouwelijk behandeld {kept}"
                ),
                format!("Hebt u vragen? Neem dan contact op met uw lokale dienst: {}.", service.trim_end_matches('.')),
            ],
        }
    }
}

/// Names as a sentence has them: `Emma, Noah en Lina`.
fn enumeration(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., last] => format!("{} en {last}", before.join(", ")),
    }
}

/// What the template reads.
#[derive(Serialize)]
struct Data<'a> {
    title: String,
    municipality: &'a str,
    service: &'a str,
    date: String,
    logo: Option<&'static str>,
    proof: bool,
    notice: &'static str,
    fixed: &'a Fixed,
    blocks: &'a [Block],
    letters: Vec<LetterData<'a>>,
}

#[derive(Serialize)]
struct LetterData<'a> {
    id: &'a str,
    address: &'a [String],
    children: &'a [String],
    values: Values<'a>,
    amount: Option<String>,
}

/// The values of the placeholders, by their names.
#[derive(Serialize)]
struct Values<'a> {
    naam: &'a str,
    kinderen: String,
    bedrag: Option<String>,
    gemeente: &'a str,
    dienst: &'a str,
}
