//! Which of some names is most like a misspelt one.

use std::borrow::Cow;

/// Names looked at, and the longest of them.
const MOST: usize = 10_000;
const LONGEST: usize = 64;

/// The name that takes the fewest changes, if it takes few. Of equals the first.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = Cow<'a, str>>) -> Option<String> {
    if wanted.chars().count() > LONGEST {
        return None;
    }
    let wanted: Vec<char> = wanted.chars().collect();
    let allowed = match wanted.len() {
        0..=2 => 1,
        3..=5 => 2,
        length => length / 3,
    };
    let mut best: Option<(usize, Cow<'a, str>)> = None;
    for name in names.take(MOST) {
        if name.chars().count() > LONGEST {
            continue;
        }
        let other: Vec<char> = name.chars().collect();
        let changes = changes(&wanted, &other);
        // All of a short name changed is another name.
        if changes <= allowed && changes < wanted.len().max(other.len()) && best.as_ref().is_none_or(|b| changes < b.0)
        {
            best = Some((changes, name));
        }
    }
    best.map(|(_, name)| name.into_owned())
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour; letters that differ in case
/// count as equal, but some difference counts as one.
fn changes(a: &[char], b: &[char]) -> usize {
    let same = |x: char, y: char| x == y || x.to_lowercase().eq(y.to_lowercase());
    // Three rows of the table are enough.
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect::<Vec<_>>(), vec![0; b.len() + 1]];
    for (i, &x) in a.iter().enumerate() {
        rows[2][0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let mut least = (rows[1][j + 1] + 1).min(rows[2][j] + 1).min(rows[1][j] + usize::from(!same(x, y)));
            if i > 0 && j > 0 && same(x, b[j - 1]) && same(a[i - 1], y) {
                least = least.min(rows[0][j - 1] + 1);
            }
            rows[2][j + 1] = least;
        }
        rows.rotate_left(1);
    }
    let found = rows[1][b.len()];
    if found == 0 && a != b { 1 } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let known = ["image", "imagePullSecrets", "port", "ports", "toYaml", "fromYaml", "a", "Values", "host"];
        for (wanted, expect) in [
            ("imge", Some("image")),
            ("iamge", Some("image")),
            ("Image", Some("image")),
            ("imagePullSecret", Some("imagePullSecrets")),
            ("toyaml", Some("toYaml")),
            ("tooYaml", Some("toYaml")),
            ("prot", Some("port")),
            ("values", Some("Values")),
            ("b", None),
            ("", None),
            ("resources", None),
            ("replicaCount", None),
        ] {
            assert_eq!(nearest(wanted, known.iter().map(|n| Cow::Borrowed(*n))).as_deref(), expect, "{wanted}");
        }
        let long = "x".repeat(1_000_000);
        assert_eq!(nearest(&long, [Cow::Borrowed(long.as_str())].into_iter()), None);
        assert_eq!(nearest("x", [Cow::Borrowed(long.as_str())].into_iter()), None);
    }
}
