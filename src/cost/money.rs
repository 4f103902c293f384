//! Amounts of money. All arithmetic with money is here, in whole cents.
//!
//! A line of a bill is rounded to cents once, when it is made; from there on amounts are only added and subtracted. So
//! what is printed adds up, to the cent, and two totals differ by exactly the sum of the differences of their lines.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

use crate::spec::prices::Per;
use crate::spec::pricing::Spread;

/// Whole cents of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

/// The most of anything that is counted: a quantity beyond it is no quantity.
const MOST: f64 = 1e12;

impl Money {
    pub const NOTHING: Self = Self(0);

    pub fn cents(cents: i64) -> Self {
        Self(cents)
    }

    /// What `quantity` of something costs in a month of `hours`, at `nanos` billionths of a dollar. `None` if the
    /// quantity is none: below zero, beyond all measure, no number.
    pub fn charge(nanos: i64, per: Per, quantity: f64, hours: u32) -> Option<Self> {
        if !(0.0..=MOST).contains(&quantity) {
            return None;
        }
        // Millionths of a thing; from here on there are no fractions.
        let amount = i128::from(nanos) * (quantity * 1e6).round() as i128;
        let (times, divisor) = match per {
            Per::Hour => (i128::from(hours), 1),
            Per::Number(number) => (1, i128::from(number)),
        };
        // Billionths and millionths of a dollar, of which a cent has ten billion millions.
        let unit = 10_i128.pow(13) * divisor;
        let cents = (amount.checked_mul(times)? + unit / 2).div_euclid(unit);
        i64::try_from(cents).ok().map(Self)
    }

    /// In dollars, for JSON and for pictures; never to calculate with.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 100.0
    }

    /// With its sign and a space behind it: `+ $12.30`, `- $4.00`.
    pub fn signed(self) -> String {
        let sign = if self.0 < 0 { '-' } else { '+' };
        format!("{sign} {}", Self(self.0.saturating_abs()))
    }

    pub fn is_nothing(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        let digits = (cents / 100).to_string();
        let mut dollars = String::new();
        for (index, digit) in digits.char_indices() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                dollars.push(',');
            }
            dollars.push(digit);
        }
        formatter.pad(&format!("{sign}${dollars}.{:02}", cents % 100))
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::NOTHING, Add::add)
    }
}

/// A low, a typical and a high amount.
pub type Amounts = Spread<Money>;

impl Add for Amounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { low: self.low + other.low, typical: self.typical + other.typical, high: self.high + other.high }
    }
}

impl Sub for Amounts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { low: self.low - other.low, typical: self.typical - other.typical, high: self.high - other.high }
    }
}

impl Sum for Amounts {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_to_cents_once() {
        let charge = |nanos, per, quantity| Money::charge(nanos, per, quantity, 730).map(|money| money.to_string());
        assert_eq!(charge(120_000_000, Per::Hour, 0.75), Some("$65.70".to_owned()));
        assert_eq!(charge(12_885_610, Per::Hour, 1.0), Some("$9.41".to_owned()), "$9.4064953");
        assert_eq!(charge(200_000_000, Per::Number(1_000_000), 10e6), Some("$2.00".to_owned()));
        assert_eq!(charge(5_000_000, Per::Number(1000), 1000.0), Some("$0.01".to_owned()), "half a cent goes up");
        assert_eq!(charge(0, Per::Hour, 1e12), Some("$0.00".to_owned()));
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e13] {
            assert_eq!(charge(1, Per::Hour, wrong), None, "{wrong}");
        }
        assert_eq!(charge(i64::MAX, Per::Hour, 1e12), None, "more than there is");
    }

    #[test]
    fn money_is_written_as_people_write_it() {
        let written: Vec<String> = [0, 5, 12_345, -99, 123_456_789].map(|cents| Money(cents).to_string()).to_vec();
        assert_eq!(written, ["$0.00", "$0.05", "$123.45", "-$0.99", "$1,234,567.89"]);
        assert_eq!([Money(1230).signed(), Money(-400).signed()], ["+ $12.30", "- $4.00"]);
        assert_eq!(format!("{:>8}", Money(5)), "   $0.05");
    }

    #[test]
    fn sums_do_not_overflow() {
        let much = Money(i64::MAX);
        assert_eq!(much + much, much);
    }
}
