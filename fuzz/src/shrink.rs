//! Makes a case smaller as long as it shows the same thing.

use crate::case::Case;
use serde_json::{Map, Value};

/// The smallest case found for which `shows` holds, within so many tries.
pub fn shrink(case: &Case, tries: usize, shows: &mut dyn FnMut(&Case) -> bool) -> Case {
    let mut best = case.clone();
    let mut left = tries;
    let mut attempt = |candidate: Case, best: &mut Case| {
        if left == 0 || candidate == *best {
            return false;
        }
        left -= 1;
        let better = shows(&candidate);
        if better {
            *best = candidate;
        }
        better
    };
    // What is far from the point goes first.
    for change in [drop_partials as fn(&mut Case), drop_files, drop_subcharts, drop_defaults, drop_values, drop_sets] {
        let mut candidate = best.clone();
        change(&mut candidate);
        attempt(candidate, &mut best);
    }
    for _ in 0..3 {
        let before = best.clone();
        text(&mut best, &|case| Some(&mut case.template), &mut attempt);
        for name in best.partials.keys().cloned().collect::<Vec<_>>() {
            let mut candidate = best.clone();
            candidate.partials.remove(&name);
            if !attempt(candidate, &mut best) {
                text(&mut best, &|case| case.partials.get_mut(&name), &mut attempt);
            }
        }
        if best.document.is_some() {
            text(&mut best, &|case| case.document.as_mut(), &mut attempt);
        }
        for at in (0..best.sets.len()).rev() {
            let mut candidate = best.clone();
            candidate.sets.remove(at);
            if !attempt(candidate, &mut best) {
                text(&mut best, &|case| case.sets.get_mut(at).map(|set| &mut set.1), &mut attempt);
            }
        }
        table(&mut best, &|case| Some(&mut case.values), &mut attempt);
        table(&mut best, &|case| Some(&mut case.defaults), &mut attempt);
        for name in best.subcharts.keys().cloned().collect::<Vec<_>>() {
            table(&mut best, &|case| case.subcharts.get_mut(&name), &mut attempt);
        }
        for at in (0..best.dependencies.len()).rev() {
            for key in ["condition", "tags", "alias", "import-values", "version"] {
                let mut candidate = best.clone();
                if let Some(Value::Object(dependency)) = candidate.dependencies.get_mut(at) {
                    dependency.remove(key);
                }
                attempt(candidate, &mut best);
            }
        }
        if best == before {
            break;
        }
    }
    best
}

fn drop_partials(case: &mut Case) {
    case.partials.clear();
}

fn drop_files(case: &mut Case) {
    case.files.clear();
}

fn drop_subcharts(case: &mut Case) {
    case.subcharts.clear();
    case.dependencies.clear();
}

fn drop_defaults(case: &mut Case) {
    case.defaults.clear();
}

fn drop_values(case: &mut Case) {
    case.values.clear();
}

fn drop_sets(case: &mut Case) {
    case.sets.clear();
}

type Attempt<'a> = dyn FnMut(Case, &mut Case) -> bool + 'a;

/// Takes pieces out of a text: large ones first, then smaller ones.
fn text(best: &mut Case, of: &dyn Fn(&mut Case) -> Option<&mut String>, attempt: &mut Attempt<'_>) {
    let length = |case: &mut Case| of(case).map_or(0, |text| pieces(text).len());
    let mut size = length(best).div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < length(best) {
            let mut candidate = best.clone();
            if let Some(text) = of(&mut candidate) {
                let mut kept = pieces(text);
                let end = (at + size).min(kept.len());
                kept.drain(at..end);
                *text = kept.concat();
            }
            if !attempt(candidate, best) {
                at += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    // Then letter by letter, where there are few.
    let letters = |case: &mut Case| of(case).map_or(0, |text| text.chars().count());
    if letters(best) <= 160 {
        let mut at = 0;
        while at < letters(best) {
            let mut candidate = best.clone();
            if let Some(text) = of(&mut candidate) {
                *text = text.chars().enumerate().filter(|(i, _)| *i != at).map(|(_, c)| c).collect();
            }
            if !attempt(candidate, best) {
                at += 1;
            }
        }
    }
}

/// Words, runs of space and single signs.
fn pieces(text: &str) -> Vec<String> {
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 0,
        ' ' | '\n' | '\t' => 1,
        _ => 2,
    };
    let mut pieces: Vec<String> = Vec::new();
    let mut last = None;
    for c in text.chars() {
        let now = kind(c);
        match pieces.last_mut() {
            Some(piece) if last == Some(now) && now != 2 => piece.push(c),
            _ => pieces.push(c.to_string()),
        }
        last = Some(now);
    }
    pieces
}

/// Takes entries out of a table and makes the others simpler.
fn table(best: &mut Case, of: &dyn Fn(&mut Case) -> Option<&mut Map<String, Value>>, attempt: &mut Attempt<'_>) {
    let mut number = 0;
    // Places are counted anew after each change, since it moves those behind it.
    while number < 400 {
        let mut candidate = best.clone();
        let Some(map) = of(&mut candidate) else { return };
        let mut count = number;
        if !change(map, &mut count) {
            return;
        }
        if !attempt(candidate, best) {
            number += 1;
        }
    }
}

/// Makes the change of this number; false if there are fewer.
fn change(map: &mut Map<String, Value>, number: &mut usize) -> bool {
    let keys: Vec<String> = map.keys().cloned().collect();
    for key in keys {
        if *number == 0 {
            map.remove(&key);
            return true;
        }
        *number -= 1;
        if map.get_mut(&key).is_some_and(|value| simplify(value, number)) {
            return true;
        }
    }
    false
}

fn simplify(value: &mut Value, number: &mut usize) -> bool {
    match value {
        Value::Object(map) => {
            if !map.is_empty() && take(number) {
                map.clear();
                return true;
            }
            change(map, number)
        }
        Value::Array(items) => {
            for at in 0..items.len() {
                if take(number) {
                    items.remove(at);
                    return true;
                }
                if simplify(&mut items[at], number) {
                    return true;
                }
            }
            false
        }
        Value::String(text) => {
            let letters: Vec<char> = text.chars().collect();
            let mut size = letters.len();
            while size > 0 {
                let mut at = 0;
                while at < letters.len() {
                    if take(number) {
                        let end = (at + size).min(letters.len());
                        *text = letters[..at].iter().chain(&letters[end..]).collect();
                        return true;
                    }
                    at += size;
                }
                size /= 2;
            }
            false
        }
        _ => false,
    }
}

fn take(number: &mut usize) -> bool {
    if *number == 0 {
        return true;
    }
    *number -= 1;
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_only_what_shows_the_difference() {
        let mut case =
            Case { template: "a {{ quote (upper .Values.x) }} and\n{{ trim .Values.y }}".into(), ..Case::default() };
        case.values.insert("x".into(), serde_json::json!({ "deep": ["one", "two-three"] }));
        case.values.insert("y".into(), "zzz".into());
        let mut shows = |case: &Case| {
            case.template.contains("upper") && case.values.get("x").is_some_and(|x| x.to_string().contains("two"))
        };
        let small = shrink(&case, 10_000, &mut shows);
        assert_eq!(small.template, "upper");
        assert_eq!(
            small.values,
            serde_json::json!({ "x": { "deep": ["two"] } }).as_object().cloned().unwrap_or_default()
        );
    }
}
