//! Looking at the register: a child, and its rows one beneficiary at a time.

use jiff::civil::Date;
use memchr::memchr_iter;

use super::{
    Register,
    index::{Entry, SEVERAL},
    layout::SEPARATOR,
    load::values,
    near,
    row::{Flags, Row},
    sources::SourceSet,
    text::CACHE_LINE_BYTES,
};
use crate::domain::{Iban, NisCode, Niss, Share, SourceId};

/// A child of the register.
#[derive(Clone, Copy)]
pub struct Child<'a> {
    pub(super) register: &'a Register,
    pub(super) entry: Entry,
}

/// One (child, beneficiary) of the register.
#[derive(Clone, Copy)]
pub struct Household<'a> {
    pub(super) register: &'a Register,
    pub(super) row: &'a Row,
}

/// The shares of one source, at hand for who asks about many children.
pub struct SharesOf {
    source: SourceId,
    /// By the number of the row's set of sources.
    by_set: Vec<Option<Share>>,
}

impl SharesOf {
    pub(super) fn new(source: SourceId, sets: &[SourceSet]) -> Self {
        Self { source, by_set: sets.iter().map(|set| set.share(source)).collect() }
    }
}

/// A beneficiary's address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    /// The street; may be empty.
    pub street: &'a str,
    /// The house number; may be empty.
    pub house_number: &'a str,
    /// The box; may be empty.
    pub box_number: &'a str,
    /// The postcode, in the shape of its country.
    pub postcode: &'a str,
    /// The municipality.
    pub municipality: &'a str,
    /// The country, ISO 3166 alpha-2.
    pub country: &'a str,
}

/// That a beneficiary has a right to a source for a child: the ground of a "yes".
#[derive(Clone, Copy)]
pub struct Entitlement<'a> {
    /// The beneficiary's row.
    pub household: Household<'a>,
    /// Its part.
    pub share: Share,
}

impl<'a> Child<'a> {
    /// The municipality of the domicile.
    pub fn nis_code(self) -> Option<NisCode> {
        self.register.municipalities.get(usize::from(self.entry.municipality)).copied()
    }

    /// The birth date, where it is known.
    pub fn birth_date(self) -> Option<Date> {
        self.households().next()?.child_birth_date()
    }

    /// The child's rows, one per beneficiary, in the order of the extract.
    pub fn households(self) -> impl Iterator<Item = Household<'a>> {
        let Self { register, entry } = self;
        let rows = register.index.rows(entry).filter_map(|at| register.rows.row(at));
        rows.map(move |row| Household { register, row })
    }

    /// Adds the beneficiaries that get a source for this child; none when the child does not have it. Tells whether
    /// there are any.
    #[inline]
    pub fn each_entitlement(self, shares: &SharesOf, mut add: impl FnMut(Entitlement<'a>)) -> bool {
        let register = self.register;
        if self.entry.sources == SEVERAL {
            let mut any = false;
            for household in self.households() {
                if let Some(share) = household.share(shares.source) {
                    add(Entitlement { household, share });
                    any = true;
                }
            }
            return any;
        }
        // What the one row says is known without looking at it.
        let Some(share) = shares.by_set.get(usize::from(self.entry.sources)).copied().flatten() else { return false };
        let Some(row) = register.rows.row(self.entry.place()) else { return false };
        add(Entitlement { household: Household { register, row }, share });
        true
    }
}

/// Where the first two values of a text end; at its own end for one that is not there.
fn two_ends(text: &[u8]) -> (usize, usize) {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let Some(beginning) = text.first_chunk::<32>() else { return two_ends_of_few(text) };
    // A bit for each byte that is a separator: both ends are found without a decision on the way.
    let mut found = 0_u32;
    for (at, word) in beginning.as_chunks::<8>().0.iter().enumerate() {
        let equal = u64::from_le_bytes(*word) ^ u64::from_ne_bytes([SEPARATOR; 8]);
        let hits = !(((equal & LOW) + LOW) | equal | LOW) >> 7;
        let [.., bits] = hits.wrapping_mul(GATHER).to_le_bytes();
        found |= u32::from(bits) << (8 * at);
    }
    let last = found.trailing_zeros();
    let first = (found & found.wrapping_sub(1)).trailing_zeros();
    if first < u32::BITS { (last as usize, first as usize) } else { two_ends_of_few(text) }
}

#[cold]
fn two_ends_of_few(text: &[u8]) -> (usize, usize) {
    let mut ends = memchr_iter(SEPARATOR, text);
    (ends.next().unwrap_or(text.len()), ends.next().unwrap_or(text.len()))
}

impl<'a> Household<'a> {
    /// Brings what is known of many households near, their names included: for who reads many, before reading any.
    pub fn bring_near(households: impl Iterator<Item = Self> + Clone) {
        near(households.clone().map(|household| household.row.dossier));
        let mut texts: Vec<&[u8]> = Vec::with_capacity(households.size_hint().1.unwrap_or_default());
        texts.extend(households.map(|household| household.register.texts.from(household.row.household)));
        let byte = |text: &[u8], at: usize| text.get(at).copied().unwrap_or(0);
        near(texts.iter().map(|text| byte(text, 0) ^ byte(text, CACHE_LINE_BYTES)));
    }

    /// The child's number.
    pub fn child_niss(self) -> Niss {
        self.row.child
    }

    /// The child's last and first name; the first may be empty.
    pub fn child_name(self) -> (&'a str, &'a str) {
        let mut values = values(self.register.texts.text(self.row.names));
        (values.next().unwrap_or_default(), values.next().unwrap_or_default())
    }

    /// The child's birth date, where it is known.
    pub fn child_birth_date(self) -> Option<Date> {
        self.row.birth.date()
    }

    /// The municipality of the child's domicile.
    pub fn child_nis_code(self) -> Option<NisCode> {
        self.register.municipalities.get(usize::from(self.row.municipality)).copied()
    }

    /// The postcode of the child's domicile.
    pub fn child_postcode(self) -> u16 {
        self.row.postcode
    }

    /// The child's place among the children of the family, from 1.
    pub fn rank(self) -> u8 {
        self.row.rank
    }

    /// How many children the family has.
    pub fn family_size(self) -> u8 {
        self.row.family_size
    }

    /// Whether the household has one parent.
    pub fn is_single_parent(self) -> bool {
        self.row.flags.has(Flags::SINGLE_PARENT)
    }

    /// Whether the child has an earlier row: leave those out to count children.
    pub fn is_later_of_child(self) -> bool {
        self.row.flags.has(Flags::IS_LATER)
    }

    /// A number for the dossier: the same for the same dossier, within this register only.
    pub fn dossier(self) -> u32 {
        self.row.dossier
    }

    /// The beneficiary's number.
    pub fn beneficiary(self) -> Niss {
        self.row.beneficiary
    }

    /// The beneficiary's last and first name; the first may be empty.
    pub fn beneficiary_name(self) -> (&'a str, &'a str) {
        let [last, first, ..] = self.text_values::<2>();
        (last, first)
    }

    /// As [`Household::beneficiary_name`], in UTF-8, which is not looked at again: for who writes hundreds of thousands.
    pub fn beneficiary_name_bytes(self) -> (&'a [u8], &'a [u8]) {
        let text = self.register.texts.text(self.row.household);
        let (last, first) = two_ends(text);
        let names = text.get(..first).unwrap_or_default();
        names.split_at_checked(last).map_or((names, &[]), |(last, first)| (last, first.get(1..).unwrap_or_default()))
    }

    /// The beneficiary's address.
    pub fn address(self) -> Address<'a> {
        let [_, _, street, house_number, box_number, postcode, municipality, country] = self.text_values();
        Address { street, house_number, box_number, postcode, municipality, country }
    }

    /// Who holds the account, as the bank knows it; may be empty.
    pub fn account_holder(self) -> &'a str {
        let [.., holder] = self.text_values::<9>();
        holder
    }

    /// The account, when there is one.
    pub fn iban(self) -> Option<Iban> {
        // It was parsed once when the extract was loaded, hence fails only when it is empty.
        let [.., iban] = self.text_values::<10>();
        Iban::parse(iban).ok()
    }

    /// Whether there is an account.
    pub fn has_account(self) -> bool {
        let [.., iban] = self.text_values::<10>();
        !iban.is_empty()
    }

    /// The part of a source that this beneficiary gets for this child.
    pub fn share(self, source: SourceId) -> Option<Share> {
        self.set().and_then(|set| set.share(source))
    }

    /// All sources of the row with their parts, in the order of the catalogue.
    pub fn shares(self) -> &'a [(SourceId, Share)] {
        self.set().map(|set| &*set.shares).unwrap_or_default()
    }

    /// The sources of the row, a bit each: bit 0 is the first of the catalogue.
    pub fn source_bits(self) -> u64 {
        self.set().map_or(0, |set| set.bits)
    }

    fn set(self) -> Option<&'a SourceSet> {
        self.register.source_sets.get(usize::from(self.row.sources))
    }

    /// The first values of the household's text, from the last name on.
    fn text_values<const N: usize>(self) -> [&'a str; N] {
        let mut values = values(self.register.texts.text(self.row.household));
        std::array::from_fn(|_| values.next().unwrap_or_default())
    }
}
