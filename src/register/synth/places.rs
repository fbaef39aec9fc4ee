//! Where synthetic families live, and how many of them have the sociale toeslag.

use super::random::{Random, mix};
use crate::domain::Municipalities;

/// Thousandths of families with the sociale toeslag where the family's age class does not matter, and children in
/// hundreds, for the municipalities that figures name (DOMAIN section 6) and for the other large ones (a quarter of
/// their population, rounded).
const KNOWN: [(u32, u32, u32); 19] = [
    (11002, 1400, 459), // Antwerpen
    (44021, 580, 300),  // Gent
    (31005, 255, 206),  // Brugge
    (12025, 220, 300),  // Mechelen
    (41002, 215, 300),  // Aalst
    (46021, 205, 300),  // Sint-Niklaas
    (24062, 200, 206),  // Leuven
    (71072, 200, 206),  // Hasselt
    (46030, 200, 206),  // Beveren-Kruibeke-Zwijndrecht
    (34022, 190, 300),  // Kortrijk
    (71016, 175, 300),  // Genk
    (36015, 155, 206),  // Roeselare
    (35013, 145, 406),  // Oostende
    (23088, 130, 300),  // Vilvoorde
    (46029, 130, 206),  // Lokeren
    (71004, 120, 206),  // Beringen
    (13040, 115, 300),  // Turnhout
    (42006, 110, 206),  // Dendermonde
    (45041, 70, 429),   // Ronse
];

/// A municipality as families need it.
pub(super) struct Place<'a> {
    pub(super) nis_code: u32,
    pub(super) name: &'a str,
    postcodes: &'a [u16],
    /// Thousandths of families.
    pub(super) sociale_toeslag: u32,
}

/// All municipalities, by weight.
pub(super) struct Places<'a> {
    places: Vec<Place<'a>>,
    /// The sum of the weights up to and with each place.
    upto: Vec<u32>,
}

impl<'a> Places<'a> {
    /// Weighs the municipalities: the known ones by their figures, the others between 1,600 and 6,800 children by a
    /// rule on their code, so that all of Flanders has some 1.6 million.
    pub(super) fn new(municipalities: &'a Municipalities) -> Self {
        let (mut places, mut upto, mut sum) = (Vec::new(), Vec::new(), 0);
        for municipality in municipalities.iter() {
            let nis_code = municipality.nis_code.number();
            let known = KNOWN.iter().find(|(code, _, _)| *code == nis_code);
            let spread = mix(u64::from(nis_code));
            let rule = (16 + (spread % 53) as u32, 160 + (spread >> 32) as u32 % 93);
            let (weight, sociale_toeslag) = known.map_or(rule, |(_, weight, rate)| (*weight, *rate));
            sum += weight;
            upto.push(sum);
            let postcodes = &*municipality.postcodes;
            places.push(Place { nis_code, name: &municipality.name, postcodes, sociale_toeslag });
        }
        Self { places, upto }
    }

    /// One of them; none when there are none.
    pub(super) fn pick(&self, random: &mut Random) -> Option<&Place<'a>> {
        let drawn = random.below(*self.upto.last()?);
        self.places.get(self.upto.partition_point(|upto| *upto <= drawn))
    }
}

impl Place<'_> {
    /// One of its postcodes.
    pub(super) fn postcode(&self, random: &mut Random) -> u16 {
        random.pick(self.postcodes)
    }
}
