//! Two texts as a unified diff, in time and memory that stay small however different they are.

use std::fmt::Write as _;

/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// Lines removed and added up to which the shortest way is looked for. Beyond, the whole stretch is shown as replaced.
const EFFORT: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Edit {
    Keep,
    Remove,
    Add,
}

/// What has to be changed in `before` to make it `after`; empty if nothing.
pub(super) fn unified(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let edits = edits(&before, &after);
    let mut out = String::new();
    for (from, to) in hunks(&edits) {
        write_hunk(&mut out, &edits, (from, to), &before, &after);
    }
    out
}

/// The stretches of `edits` that are shown: every change with some lines around it.
fn hunks(edits: &[Edit]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, _) in edits.iter().enumerate().filter(|(_, edit)| **edit != Edit::Keep) {
        let (from, to) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(edits.len()));
        match found.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => found.push((from, to)),
        }
    }
    found
}

fn write_hunk(out: &mut String, edits: &[Edit], (from, to): (usize, usize), before: &[&str], after: &[&str]) {
    let count = |edits: &[Edit], other: Edit| -> usize { edits.iter().filter(|edit| **edit != other).count() };
    let (mut old, mut new) = (count(&edits[..from], Edit::Add), count(&edits[..from], Edit::Remove));
    let (olds, news) = (count(&edits[from..to], Edit::Add), count(&edits[from..to], Edit::Remove));
    // An empty stretch is named by the line before it.
    let place = |first: usize, lines: usize| format!("{},{lines}", if lines == 0 { first } else { first + 1 });
    let _ = writeln!(out, "@@ -{} +{} @@", place(old, olds), place(new, news));
    for edit in &edits[from..to] {
        let (sign, line) = match edit {
            Edit::Keep => (' ', before.get(old)),
            Edit::Remove => ('-', before.get(old)),
            Edit::Add => ('+', after.get(new)),
        };
        let _ = writeln!(out, "{sign}{}", line.copied().unwrap_or_default());
        old += usize::from(*edit != Edit::Add);
        new += usize::from(*edit != Edit::Remove);
    }
}

fn edits(before: &[&str], after: &[&str]) -> Vec<Edit> {
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (old, new) = (&before[start..], &after[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    let mut edits = vec![Edit::Keep; start];
    match shortest(old, new) {
        Some(shortest) => edits.extend(shortest),
        None => {
            edits.extend(std::iter::repeat_n(Edit::Remove, old.len()));
            edits.extend(std::iter::repeat_n(Edit::Add, new.len()));
        }
    }
    edits.extend(std::iter::repeat_n(Edit::Keep, end));
    edits
}

/// The shortest way from one to the other (Myers, "An O(ND) difference algorithm"), if it is short enough.
///
/// On diagonal `k` (lines taken from `old` less lines taken from `new`) it is noted how far one gets with so many edits.
fn shortest(old: &[&str], new: &[&str]) -> Option<Vec<Edit>> {
    let most = (old.len() + new.len()).min(EFFORT);
    // Diagonals from -most-1 to most+1.
    let middle = most + 1;
    let mut reach = vec![0_usize; 2 * middle + 1];
    let mut steps: Vec<Vec<usize>> = Vec::new();
    for effort in 0..=most {
        steps.push(reach[middle - effort..=middle + effort].to_vec());
        for diagonal in (middle - effort..=middle + effort).step_by(2) {
            let mut x = if effort == 0 { 0 } else { step(&reach, diagonal, middle, effort).1 };
            // Off the edge: there is nothing left to add on this diagonal.
            let Some(mut y) = (x + middle).checked_sub(diagonal) else { continue };
            while x < old.len() && y < new.len() && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            reach[diagonal] = x;
            if x >= old.len() && y >= new.len() {
                return Some(back(&steps, old.len(), new.len()));
            }
        }
    }
    None
}

/// How a diagonal is reached with one more edit: whether by adding a line, and how far in `old` that leads.
fn step(reach: &[usize], diagonal: usize, middle: usize, effort: usize) -> (bool, usize) {
    let adds =
        diagonal == middle - effort || (diagonal != middle + effort && reach[diagonal - 1] < reach[diagonal + 1]);
    (adds, if adds { reach[diagonal + 1] } else { reach[diagonal - 1] + 1 })
}

/// Goes the way back from the end.
fn back(steps: &[Vec<usize>], mut x: usize, mut y: usize) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (effort, reach) in steps.iter().enumerate().skip(1).rev() {
        // In here the diagonals count from -effort.
        let diagonal = x + effort - y;
        let (adds, from) = step_within(reach, diagonal, effort);
        while x > from.0 && y > from.1 {
            edits.push(Edit::Keep);
            (x, y) = (x - 1, y - 1);
        }
        if adds {
            edits.push(Edit::Add);
            y -= 1;
        } else {
            edits.push(Edit::Remove);
            x -= 1;
        }
    }
    edits.extend(std::iter::repeat_n(Edit::Keep, x));
    edits.reverse();
    edits
}

/// The same question as [`step`]'s of what was noted at that time; gives where the edit leads.
fn step_within(reach: &[usize], diagonal: usize, effort: usize) -> (bool, (usize, usize)) {
    let (adds, x) = step(reach, diagonal, effort, effort);
    (adds, (x, x + effort - diagonal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    fn check(before: &str, after: &str, expect: &str) {
        let lines = |text: &str| text.chars().map(|c| format!("{c}\n")).collect::<String>();
        assert_eq!(unified(&lines(before), &lines(after)), expect, "{before} {after}");
    }

    /// Applies a diff; what it makes of `before` must be `after`.
    fn patched(before: &str, diff: &str) -> String {
        let lines: Vec<&str> = before.lines().collect();
        let (mut out, mut at) = (Vec::new(), 0);
        for line in diff.lines() {
            if let Some(place) = line.strip_prefix("@@ -") {
                let (start, rest) = place.split_once(',').unwrap_or_default();
                let start: usize = start.parse().unwrap_or_default();
                let empty = rest.starts_with("0 ");
                let start = if empty { start } else { start - 1 };
                out.extend(&lines[at..start]);
                at = start;
            } else if let Some(text) = line.strip_prefix('+') {
                out.push(text);
            } else {
                assert_eq!(lines[at], &line[1..]);
                if line.starts_with(' ') {
                    out.push(lines[at]);
                }
                at += 1;
            }
        }
        out.extend(&lines[at..]);
        out.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn what_diff_prints() {
        for (before, after, expect) in [
            ("abc", "abc", ""),
            ("", "ab", "@@ -0,0 +1,2 @@\n+a\n+b\n"),
            ("ab", "", "@@ -1,2 +0,0 @@\n-a\n-b\n"),
            ("abcdefghi", "abcdxfghi", "@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+x\n f\n g\n h\n"),
            ("abc", "abxc", "@@ -1,3 +1,4 @@\n a\n b\n+x\n c\n"),
            ("xabcdefghy", "abcdefgh", "@@ -1,4 +1,3 @@\n-x\n a\n b\n c\n@@ -7,4 +6,3 @@\n f\n g\n h\n-y\n"),
            ("xabcdefy", "abcdef", "@@ -1,8 +1,6 @@\n-x\n a\n b\n c\n d\n e\n f\n-y\n"),
        ] {
            check(before, after, expect);
        }
    }

    #[test]
    fn every_diff_leads_from_one_to_the_other() {
        let mut chance = Chance(7);
        for _ in 0..2000 {
            let mut text = || {
                let lines = chance.below(24);
                (0..lines).map(|_| format!("{}\n", chance.below(5))).collect::<String>()
            };
            let (before, after) = (text(), text());
            assert_eq!(patched(&before, &unified(&before, &after)), after, "{before:?} {after:?}");
        }
    }

    #[test]
    fn what_is_too_different_is_replaced() {
        let text = |offset: usize| (0..2000).map(|n| format!("{}\n", n * 2 + offset)).collect::<String>();
        let diff = unified(&text(0), &text(1));
        assert!(diff.starts_with("@@ -1,2000 +1,2000 @@\n-0\n-2\n"));
        assert_eq!(patched(&text(0), &diff), text(1));
    }
}
