//! The order of keys: by what people mean by numbers and letters.

use super::Dialect;
use pintle_golib::unicode::{is_digit, is_letter};
use pintle_value::{Str, Value};

/// Sorts a mapping's entries as go-yaml does.
///
/// The order is not transitive (`v1beta1` < `v2` < `v10` < `v1beta1`), which the standard library's sorts may punish
/// with a panic; a merge sort of our own is content with any answer.
pub(crate) fn sort_keys(entries: &mut Vec<(Str, Value)>, dialect: Dialect) {
    if entries.is_sorted_by(|(a, _), (b, _)| !less(b, a, dialect)) {
        return;
    }
    let mut width = 1;
    while width < entries.len() {
        let mut merged = Vec::with_capacity(entries.len());
        let mut rest = entries.drain(..);
        loop {
            let left: Vec<_> = rest.by_ref().take(width).collect();
            let right: Vec<_> = rest.by_ref().take(width).collect();
            if left.is_empty() {
                break;
            }
            merge(left, right, &mut merged, dialect);
        }
        drop(rest);
        *entries = merged;
        width *= 2;
    }
}

fn merge(left: Vec<(Str, Value)>, right: Vec<(Str, Value)>, into: &mut Vec<(Str, Value)>, dialect: Dialect) {
    let mut left = left.into_iter().peekable();
    let mut right = right.into_iter().peekable();
    while let (Some((a, _)), Some((b, _))) = (left.peek(), right.peek()) {
        into.extend(if less(b, a, dialect) { right.next() } else { left.next() });
    }
    into.extend(left);
    into.extend(right);
}

/// Whether `a` comes before `b`.
fn less(a: &[u8], b: &[u8], dialect: Dialect) -> bool {
    let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    if a.is_ascii() && b.is_ascii() {
        let text = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect::<Vec<_>>();
        return match (a.get(common), b.get(common)) {
            // Two letters need no look around, and they are by far the most common.
            (Some(x), Some(y)) if x.is_ascii_alphabetic() && y.is_ascii_alphabetic() => x < y,
            (Some(_), Some(_)) => less_from(&text(a), &text(b), common, dialect),
            (_, rest) => rest.is_some(),
        };
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().collect::<Vec<_>>();
    let (a, b) = (text(a), text(b));
    let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    if common == a.len().min(b.len()) { a.len() < b.len() } else { less_from(&a, &b, common, dialect) }
}

/// The same, with the place of the first difference.
fn less_from(a: &[char], b: &[char], at: usize, dialect: Dialect) -> bool {
    match (is_letter(a[at]), is_letter(b[at])) {
        (true, true) => return a[at] < b[at],
        (false, false) => {}
        (a_is_letter, b_is_letter) => {
            // v3: right after a digit, letters come first.
            let after_digit = dialect == Dialect::V3 && at > 0 && is_digit(a[at - 1]);
            return if after_digit { a_is_letter } else { b_is_letter };
        }
    }
    // A zero that is not the first digit of its number counts.
    let in_number =
        (a[at] == '0' || b[at] == '0') && a[..at].iter().rev().take_while(|c| is_digit(**c)).any(|c| *c != '0');
    let (a_number, a_digits) = number(&a[at..], in_number);
    let (b_number, b_digits) = number(&b[at..], in_number);
    (a_number, a_digits, a[at]) < (b_number, b_digits, b[at])
}

/// The number at the start of a text, and how many digits it has. It wraps round, as it does in Go.
fn number(text: &[char], in_number: bool) -> (i64, usize) {
    let digits = text.iter().take_while(|c| is_digit(**c)).count();
    let value = text[..digits]
        .iter()
        .fold(i64::from(in_number), |n, c| n.wrapping_mul(10).wrapping_add(i64::from(u32::from(*c)) - i64::from(b'0')));
    (value, digits)
}
