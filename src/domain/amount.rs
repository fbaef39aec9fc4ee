//! Amounts of money in euros, in whole cents.

use std::{fmt, iter::Sum, str::FromStr};

use super::Share;

/// Euro cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(u64);

/// A text that is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of 0.01 to 999999999.99 euros, with a point and two decimals or none")]
pub struct AmountFault;

/// The highest amount of one SEPA payment, cents (EPC rulebook AT-04: 999,999,999.99).
const HIGHEST_CENTS: u64 = 99_999_999_999;

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// That many cents; unlike a parsed amount it may be a sum.
    pub const fn from_cents(cents: u64) -> Self {
        Self(cents)
    }

    /// As much of it as `some` is of `all`, rounded half up; all of it where that is nothing.
    #[must_use]
    pub fn part_of(self, some: Self, all: Self) -> Self {
        let whole = u128::from(all.0);
        let part = (u128::from(self.0) * u128::from(some.0) + whole / 2).checked_div(whole);
        part.and_then(|part| u64::try_from(part).ok()).map_or(self, Self)
    }

    /// Reads a sum of amounts as it is written: unlike an amount that is paid, it may be nothing, or more than banks take
    /// at once.
    pub fn of_sum(text: &str) -> Option<Self> {
        let (euros, cents) = text.split_once('.')?;
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if cents.len() != 2 || !is_number(euros) || !is_number(cents) {
            return None;
        }
        format!("{euros}{cents}").parse().ok().map(Self)
    }

    /// Whether it is more than one payment may be; a whole file of payments for one municipality is far less.
    pub const fn is_beyond_a_payment(self) -> bool {
        self.0 > HIGHEST_CENTS
    }

    /// The cents.
    pub const fn cents(self) -> u64 {
        self.0
    }

    /// So many times the amount; the highest that there is where that is more.
    #[must_use]
    pub const fn times(self, number: u64) -> Self {
        Self(self.0.saturating_mul(number))
    }

    /// What each of those who share an amount gets, in their order. Shares that add up to the whole get parts that add
    /// up to the amount: what rounding takes from one goes to the next. Shares of less add up to their rounded part.
    pub fn parts(self, shares: impl IntoIterator<Item = Share>) -> impl Iterator<Item = Self> {
        let whole = u64::from(Share::WHOLE.ten_thousandths());
        let (mut sum, mut given) = (0_u64, 0_u64);
        shares.into_iter().map(move |share| {
            sum = (sum + u64::from(share.ten_thousandths())).min(whole);
            // Rounded half up, of all shares so far: the last part then ends exactly at the whole.
            let due = (u128::from(self.0) * u128::from(sum) + u128::from(whole) / 2) / u128::from(whole);
            let due = u64::try_from(due).unwrap_or(self.0);
            let part = due.saturating_sub(given);
            given = due;
            Self(part)
        })
    }
}

impl std::ops::Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |sum, amount| sum + amount)
    }
}

impl FromStr for Amount {
    type Err = AmountFault;

    /// Reads an amount that somebody is paid: not zero.
    fn from_str(text: &str) -> Result<Self, AmountFault> {
        Price::from_str(text).ok().map(Price::amount).filter(|amount| *amount != Self::ZERO).ok_or(AmountFault)
    }
}

/// An amount that something costs: unlike one that is paid, it may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Price(Amount);

/// A text that is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a price of 0.00 to 999999999.99 euros, with a point and two decimals or none")]
pub struct PriceFault;

impl Price {
    /// The amount.
    pub const fn amount(self) -> Amount {
        self.0
    }
}

impl FromStr for Price {
    type Err = PriceFault;

    fn from_str(text: &str) -> Result<Self, PriceFault> {
        let (euros, cents) = text.split_once('.').unwrap_or((text, "00"));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if euros.is_empty() || euros.len() > 9 || cents.len() != 2 || !digits(euros) || !digits(cents) {
            return Err(PriceFault);
        }
        let cents: u64 = format!("{euros}{cents}").parse().map_err(|_| PriceFault)?;
        if cents <= HIGHEST_CENTS { Ok(Self(Amount(cents))) } else { Err(PriceFault) }
    }
}

impl fmt::Display for Amount {
    /// Euros with a point and two decimals, as in files.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, written) in [("75.00", "75.00"), ("75", "75.00"), ("0.01", "0.01"), ("999999999.99", "999999999.99")]
        {
            assert_eq!(text.parse::<Amount>().map(|amount| amount.to_string()), Ok(written.to_owned()));
        }
        for text in ["", "0", "0.00", "75.5", "75,00", "-1.00", "+1.00", "1.000", "1000000000", ".50", "1.", "1e3"] {
            assert_eq!(text.parse::<Amount>(), Err(AmountFault), "{text}");
        }
    }

    #[test]
    fn a_sum_is_read_as_it_was_written() {
        for cents in [0, 1, 7_500, HIGHEST_CENTS, HIGHEST_CENTS + 1, u64::MAX] {
            assert_eq!(Amount::of_sum(&Amount(cents).to_string()), Some(Amount(cents)));
        }
        for text in ["", "5", ".50", "1.5", "1,50", "-1.00", "1.+5", "184467440737095516.16"] {
            assert_eq!(Amount::of_sum(text), None, "{text}");
        }
        assert_eq!([HIGHEST_CENTS, HIGHEST_CENTS + 1].map(|cents| Amount(cents).is_beyond_a_payment()), [false, true]);
    }

    #[test]
    fn only_a_price_may_be_nothing() {
        for (text, amount) in [("0.00", Ok(Amount::ZERO)), ("0", Ok(Amount::ZERO)), ("1.15", Ok(Amount(115)))] {
            assert_eq!(text.parse().map(Price::amount), amount);
        }
        assert_eq!(("0.00".parse::<Amount>(), "-0".parse::<Price>()), (Err(AmountFault), Err(PriceFault)));
    }

    #[test]
    fn an_odd_cent_goes_to_the_next() {
        let parts: Vec<u64> = Amount(7501).parts([Share::HALF, Share::HALF]).map(Amount::cents).collect();
        assert_eq!(parts, [3751, 3750]);
        let only: Vec<u64> = Amount(7500).parts([Share::HALF]).map(Amount::cents).collect();
        assert_eq!(only, [3750]);
    }

    proptest! {
        #[test]
        fn parts_add_up(cents in 1..HIGHEST_CENTS, cuts in prop::collection::vec(1_u16..10_000, 0..5)) {
            let mut ends = cuts;
            ends.push(10_000);
            ends.sort_unstable();
            ends.dedup();
            let mut before = 0;
            let shares: Vec<Share> = ends
                .iter()
                .map(|end| {
                    let share = Share::from_ten_thousandths(end - before).unwrap();
                    before = *end;
                    share
                })
                .collect();
            prop_assert_eq!(Amount(cents).parts(shares).sum::<Amount>(), Amount(cents));
        }
    }
}
