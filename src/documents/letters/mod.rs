//! Letters to families in a municipality's name (DOMAIN section 7), one for each family.
//!
//! Owns how a letter looks and what always stands in it: that the information comes from the local authority, what
//! VUTG did with the family's data, and the local service for questions. Invariants: these stand in every letter,
//! whatever the municipality's text and template are, and each batch is looked at for them; the address stands where
//! a window on the right shows it; a letter has no identification number. Refuses a text, logo or template that
//! cannot be printed, with its place, before there are letters.
//!
//! ```text
//! LetterDesign::new(parts)?            text, logo and template are good, and a proof can be made
//! for batch in design.print(&letters, day) { … index.add(name, &batch?) … }
//! ```

pub mod address;
mod design;
mod index;
pub mod logo;
pub mod markdown;
mod print;
mod proof;

use zeroize::Zeroize;

use crate::domain::Amount;

pub use address::AddressBlock;
pub use design::{Confidence, DesignFault, LetterDesign, PAGES_PER_LETTER, Parts, TEMPLATE_BYTES};
pub use index::Index;
pub use print::{BATCH_LETTERS, Batch, LetterFault, PRINTING_BYTES, Print, Printed};

/// A letter to one family. Wiped when it is dropped.
pub struct Letter {
    /// Its name, printed as the reference: no number of a person.
    pub id: String,
    /// Where it goes.
    pub address: AddressBlock,
    /// The beneficiary's name, for `{naam}`.
    pub name: String,
    /// The children's first names, for `{kinderen}`.
    pub children: Vec<String>,
    /// What the family gets, for `{bedrag}`; there where the assignment pays.
    pub amount: Option<Amount>,
}

impl Drop for Letter {
    fn drop(&mut self) {
        self.name.zeroize();
        self.children.zeroize();
    }
}

#[cfg(test)]
mod tests;
