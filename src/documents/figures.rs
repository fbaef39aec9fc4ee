//! Numbers as people in Flanders write them: `1.234`, `€ 1.234,50`, and `n.g.` for what is withheld.

use crate::domain::{Amount, Count};

/// How a withheld count is written: niet getoond. Not `<5`: the second smallest is withheld too, and a count that leaves
/// too few out of a total.
pub const WITHHELD: &str = "n.g.";

/// What stands below figures with a withheld count.
pub const WITHHELD_NOTE: &str =
    "n.g. (niet getoond): het aantal is kleiner dan 5, of een aantal kleiner dan 5 zou eruit af te leiden zijn.";

/// A number with points between thousands.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut written = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            written.push('.');
        }
        written.push(digit);
    }
    written
}

/// An amount: `€ 1.234,50`, with a space that no line ends at.
pub fn amount(amount: Amount) -> String {
    let cents = amount.cents();
    format!("€\u{a0}{},{:02}", number(cents / 100), cents % 100)
}

/// A count that may be shown, or that it is withheld.
pub fn count(count: Count) -> String {
    count.shown().map_or_else(|| WITHHELD.to_owned(), number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_dutch() {
        for (given, written) in [(0, "0"), (999, "999"), (1000, "1.000"), (1_234_567, "1.234.567")] {
            assert_eq!(number(given), written);
        }
        for (cents, written) in [(123_450, "€ 1.234,50"), (5, "€ 0,05"), (7500, "€ 75,00")] {
            assert_eq!(amount(Amount::from_cents(cents)).replace('\u{a0}', " "), written);
        }
        assert_eq!((count(Count::of(3)), count(Count::of(1234))), ("n.g.".to_owned(), "1.234".to_owned()));
    }
}
