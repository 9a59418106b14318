//! Decimal fractions of any length, as the `…f` functions calculate with them.

/// Digits beyond which no calculation goes.
const MAX_DIGITS: usize = 20_000;

/// Places that a quotient is rounded to.
const QUOTIENT_PLACES: i64 = 16;

/// A number: its digits, the highest first and none of them a leading zero, times a power of ten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// The shortest decimal that stands for this float; none for infinities and NaN.
    pub(super) fn of(float: f64) -> Option<Self> {
        if !float.is_finite() {
            return None;
        }
        let text = format!("{:e}", float.abs());
        let (mantissa, exponent) = text.split_once('e')?;
        let exponent: i64 = exponent.parse().ok()?;
        let places = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
        Some(Self::new(float.is_sign_negative(), digits, exponent - i64::try_from(places).ok()?))
    }

    fn new(negative: bool, mut digits: Vec<u8>, exponent: i64) -> Self {
        let zeros = digits.iter().take_while(|d| **d == 0).count();
        digits.drain(..zeros);
        Self { negative: negative && !digits.is_empty(), digits, exponent }
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        let mut text = String::with_capacity(self.digits.len() + 8);
        if self.negative {
            text.push('-');
        }
        text.push('0');
        text.extend(self.digits.iter().map(|d| char::from(b'0' + d)));
        text.push('e');
        text.push_str(&self.exponent.to_string());
        text.parse().unwrap_or(f64::NAN)
    }

    pub(super) fn negated(&self) -> Self {
        Self { negative: !self.negative && !self.digits.is_empty(), ..self.clone() }
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.digits_at(exponent), other.digits_at(exponent));
        if self.negative == other.negative {
            return Self::new(self.negative, sum(&a, &b), exponent);
        }
        match compare(&a, &b) {
            std::cmp::Ordering::Less => Self::new(other.negative, difference(&b, &a), exponent),
            _ => Self::new(self.negative, difference(&a, &b), exponent),
        }
    }

    /// The product; none if it has too many digits.
    pub(super) fn times(&self, other: &Self) -> Option<Self> {
        if self.digits.len() + other.digits.len() > MAX_DIGITS {
            return None;
        }
        let mut product = vec![0_u32; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().rev().enumerate() {
            let mut carry = 0;
            for (j, b) in other.digits.iter().rev().enumerate() {
                let place = product[i + j] + u32::from(*a) * u32::from(*b) + carry;
                product[i + j] = place % 10;
                carry = place / 10;
            }
            product[i + other.digits.len()] += carry;
        }
        let digits = product.iter().rev().map(|d| *d as u8).collect();
        Some(Self::new(self.negative != other.negative, digits, self.exponent + other.exponent))
    }

    /// The quotient, rounded to 16 places, a half away from zero; none for a division by zero.
    pub(super) fn over(&self, other: &Self) -> Option<Self> {
        if other.digits.is_empty() {
            return None;
        }
        // One place more than is kept decides about rounding, along with what remains.
        let shift = self.exponent - other.exponent + QUOTIENT_PLACES;
        let mut dividend = self.digits.clone();
        let mut divisor = other.digits.clone();
        match usize::try_from(shift) {
            Ok(zeros) => dividend.resize(dividend.len() + zeros.min(MAX_DIGITS), 0),
            Err(_) => {
                divisor.resize(divisor.len() + usize::try_from(-shift).map_or(MAX_DIGITS, |n| n.min(MAX_DIGITS)), 0);
            }
        }
        let mut quotient = Vec::with_capacity(dividend.len());
        let mut rest: Vec<u8> = Vec::new();
        for digit in dividend {
            if !(rest.is_empty() && digit == 0) {
                rest.push(digit);
            }
            let mut count = 0;
            while compare(&rest, &divisor).is_ge() {
                rest = trimmed(difference(&rest, &divisor));
                count += 1;
            }
            quotient.push(count);
        }
        let twice = trimmed(sum(&rest, &rest));
        if compare(&twice, &divisor).is_ge() {
            quotient = sum(&quotient, &[1]);
        }
        Some(Self::new(self.negative != other.negative, quotient, -QUOTIENT_PLACES))
    }

    /// The digits, filled up with zeros down to this exponent.
    fn digits_at(&self, exponent: i64) -> Vec<u8> {
        let mut digits = self.digits.clone();
        if !digits.is_empty() {
            let zeros = usize::try_from(self.exponent - exponent).unwrap_or(0);
            digits.resize(digits.len() + zeros.min(MAX_DIGITS), 0);
        }
        digits
    }
}

fn trimmed(mut digits: Vec<u8>) -> Vec<u8> {
    let zeros = digits.iter().take_while(|d| **d == 0).count();
    digits.drain(..zeros);
    digits
}

/// Compares digits without leading zeros.
fn compare(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let length = a.len().max(b.len()) + 1;
    let digit = |digits: &[u8], place: usize| digits.len().checked_sub(place + 1).map_or(0, |at| digits[at]);
    let mut out = vec![0; length];
    let mut carry = 0;
    for place in 0..length {
        let total = digit(a, place) + digit(b, place) + carry;
        out[length - 1 - place] = total % 10;
        carry = total / 10;
    }
    out
}

/// `a - b`, where a is not the smaller one.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut out = a.to_vec();
    let mut borrow = 0;
    for place in 0..a.len() {
        let at = a.len() - 1 - place;
        let taken = b.len().checked_sub(place + 1).map_or(0, |at| b[at]) + borrow;
        borrow = u8::from(out[at] < taken);
        out[at] = out[at] + 10 * borrow - taken;
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Decimal;

    #[test]
    fn arithmetic() {
        let d = |f| Decimal::of(f).unwrap();
        let check = |result: Option<Decimal>, expected: f64| assert_eq!(result.unwrap().to_float(), expected);
        check(Some(d(0.1).plus(&d(0.2))), 0.3);
        check(Some(d(1.0).plus(&d(-1.0))), 0.0);
        check(Some(d(-7.9).plus(&d(-2.0))), -9.9);
        check(Some(d(1e300).plus(&d(1e-300))), 1e300);
        check(d(1.1).times(&d(1.1)), 1.21);
        check(d(0.0).times(&d(-3.0)), 0.0);
        check(d(10.0).over(&d(3.0)).unwrap().over(&d(2.0)), 1.666_666_666_666_666_7);
        check(d(2.0).over(&d(3.0)), 0.666_666_666_666_666_7);
        check(d(1.0).over(&d(1e-7)), 1e7);
        check(d(1e300).over(&d(1e300)), 1.0);
        check(d(-7.9).over(&d(2.0)), -3.95);
        check(d(1e-300).over(&d(3.0)), 0.0);
        assert!(d(1.0).over(&d(0.0)).is_none());
        assert!(Decimal::of(f64::NAN).is_none());
    }
}
