//! The run against Helm: cases in batches, answers compared to the byte, differences made small and kept.

use crate::{
    case::{Answer, Case},
    generate,
    oracle::Oracle,
    shrink::shrink,
};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How a run goes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Helm's engine.
    pub oracle: PathBuf,
    /// Of the random numbers.
    pub seed: u64,
    /// The place of the first case.
    pub from: u64,
    /// How long.
    pub time: Duration,
    /// Where differences go, one JSON object a line.
    pub found: PathBuf,
    /// Templates to be changed a little.
    pub seeds: Vec<Case>,
}

/// A case with what Helm made of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Known {
    /// What it was rendered with.
    #[serde(flatten)]
    pub case: Case,
    /// Helm's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Helm's error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What we made of it, when it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<String>,
}

impl Known {
    fn new(case: Case, helm: Answer, ours: &Answer) -> Self {
        let ours = Some(format!("{ours:?}"));
        match helm {
            Answer::Output(text) => Self { case, output: Some(text), error: None, ours },
            Answer::Error(text) | Answer::Panic(text) | Answer::Limit(text) => {
                Self { case, output: None, error: Some(text), ours }
            }
        }
    }

    /// Helm's answer.
    pub fn answer(&self) -> Answer {
        match &self.error {
            Some(text) => Answer::Error(text.clone()),
            None => Answer::Output(self.output.clone().unwrap_or_default()),
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Cases asked.
    pub cases: u64,
    /// Of these, those that Helm answered with an error.
    pub errors: u64,
    /// Answers that differed, each as often as it was met.
    pub differences: u64,
    /// Those left after what looks alike was counted once.
    pub kinds: usize,
    /// Cases without an answer to compare with: Helm's varies, or it did not come.
    pub unsteady: u64,
    /// Cases that met a limit of ours.
    pub limits: u64,
    /// Cases of ours that took longer than a second.
    pub slow: u64,
}

const BATCH: u64 = 256;
const SHRINKS: usize = 1_200;

/// Asks both engines until the time is over.
///
/// # Errors
/// If the oracle cannot be run, or differences cannot be written.
pub fn run(settings: &Settings, report: &mut dyn FnMut(&str)) -> Result<Summary> {
    let mut oracle = Oracle::new(&settings.oracle);
    let (mut summary, mut met) = (Summary::default(), Met::default());
    let (start, mut told) = (Instant::now(), Instant::now());
    let mut at = settings.from;
    while start.elapsed() < settings.time {
        let cases: Vec<Case> = (at..at + BATCH).map(|id| generate::case(settings.seed, id, &settings.seeds)).collect();
        at += BATCH;
        oracle.ask(&cases)?;
        let ours: Vec<(Answer, Duration)> = cases
            .iter()
            .map(|case| {
                let start = Instant::now();
                (case.answer(), start.elapsed())
            })
            .collect();
        let mut alone = false;
        for (case, (ours, took)) in cases.iter().zip(&ours) {
            if alone {
                oracle.ask(std::slice::from_ref(case))?;
            }
            let mut helm = oracle.answer(case.id)?;
            if helm.is_none() && !alone {
                // One of the batch ended the program, and answers before that were lost with it: one by one, then.
                alone = true;
                helm = oracle.tell(case)?;
            }
            let Some(helm) = helm else {
                report(&format!("no answer of Helm's to case {} of seed {}", case.id, settings.seed));
                summary.unsteady += 1;
                continue;
            };
            summary.cases += 1;
            summary.errors += u64::from(matches!(helm, Answer::Error(_)));
            if *took > Duration::from_secs(1) {
                summary.slow += 1;
                report(&format!("case {} of seed {} took {} ms", case.id, settings.seed, took.as_millis()));
            }
            if matches!(ours, Answer::Limit(_)) {
                summary.limits += 1;
            } else if *ours != helm && !is_known(case) {
                met.waiting.push(case.clone());
            }
        }
        for case in std::mem::take(&mut met.waiting) {
            look(&case, settings, &mut oracle, &mut summary, &mut met, report)?;
        }
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            report(&format!("{} s, next case {at}: {summary:?}", start.elapsed().as_secs()));
        }
    }
    summary.kinds = met.signatures.len();
    report(&format!("seed {}, {} s, next case {at}: {summary:?}", settings.seed, start.elapsed().as_secs()));
    Ok(summary)
}

/// Differences that docs/COMPATIBILITY.md lists and that random cases meet again and again.
fn is_known(case: &Case) -> bool {
    // Empty keys in tables within lists.
    let given = case.values.get("y").map(std::string::ToString::to_string).unwrap_or_default();
    case.template.contains("fromToml")
        && ["\"\"", "''", "\\\"\\\""].iter().any(|key| given.contains(key) || case.template.contains(key))
        || case.template.contains("toToml") && case.template.contains("fromToml")
}

#[derive(Default)]
struct Met {
    waiting: Vec<Case>,
    /// What differences look like before they are made small, and how often each was met.
    looks: BTreeMap<String, usize>,
    signatures: BTreeSet<String>,
}

fn look(
    case: &Case,
    settings: &Settings,
    oracle: &mut Oracle,
    summary: &mut Summary,
    met: &mut Met,
    report: &mut dyn FnMut(&str),
) -> Result<()> {
    let Some(helm) = oracle.always(case, 6)? else {
        summary.unsteady += 1;
        return Ok(());
    };
    let ours = case.answer();
    if ours == helm {
        summary.unsteady += 1;
        return Ok(());
    }
    summary.differences += 1;
    let times = met.looks.entry(kind_of(&helm, &ours)).or_default();
    *times += 1;
    // Where thousands look alike, more of them tell nothing.
    if *times > 12 {
        return Ok(());
    }
    let sort = (side(&helm), side(&ours));
    let mut failed = None;
    let small = shrink(case, SHRINKS, &mut |candidate| {
        let ours = candidate.answer();
        match oracle.tell(candidate) {
            Ok(Some(helm)) => helm != ours && (side(&helm), side(&ours)) == sort,
            Ok(None) => false,
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    // A smaller case may be one on which Helm itself is not of one mind.
    let Some(helm) = oracle.always(&small, 8)? else {
        summary.unsteady += 1;
        return Ok(());
    };
    let ours = small.answer();
    if met.signatures.insert(signature(&small, &helm, &ours)) {
        report(&format!("case {}: {}", case.id, short(&small, &helm, &ours)));
        append(&settings.found, &Known::new(small, helm, &ours))?;
    }
    Ok(())
}

fn side(answer: &Answer) -> u8 {
    match answer {
        Answer::Output(_) => 0,
        Answer::Error(_) => 1,
        Answer::Panic(_) => 2,
        Answer::Limit(_) => 3,
    }
}

fn text_of(answer: &Answer) -> &str {
    match answer {
        Answer::Output(text) | Answer::Error(text) | Answer::Panic(text) | Answer::Limit(text) => text,
    }
}

/// A difference without what is particular to it.
fn kind_of(helm: &Answer, ours: &Answer) -> String {
    let (a, b) = (text_of(helm), text_of(ours));
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        let bytes = &text.as_bytes()[same.min(text.len())..];
        let bytes = &bytes[..bytes.len().min(24)];
        String::from_utf8_lossy(bytes).chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>()
    };
    format!("{}{} {:?} {:?}", side(helm), side(ours), around(a), around(b))
}

/// What two small cases share if they show the same.
fn signature(case: &Case, helm: &Answer, ours: &Answer) -> String {
    let words: BTreeSet<&str> = case
        .template
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() > 2 && *word != "Values")
        .collect();
    let letters = |text: &str| -> String {
        text.chars().filter(|c| c.is_ascii_alphabetic() || c.is_ascii_punctuation()).take(40).collect()
    };
    let errors = if side(helm) == 1 && side(ours) == 1 {
        format!("{} {}", letters(text_of(helm)), letters(text_of(ours)))
    } else {
        String::new()
    };
    format!("{}{} {words:?} {errors}", side(helm), side(ours))
}

fn short(case: &Case, helm: &Answer, ours: &Answer) -> String {
    let given = serde_json::to_string(case).unwrap_or_default();
    format!("{given}\n    helm {helm:?}\n    ours {ours:?}")
}

fn append(path: &Path, known: &Known) -> Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let mut line = serde_json::to_string(known)?;
    line.push('\n');
    file.write_all(line.as_bytes())?;
    Ok(())
}

/// Cases kept in a file, one a line.
///
/// # Errors
/// If it cannot be read.
pub fn read(path: &Path) -> Result<Vec<Known>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines().filter(|line| !line.is_empty()).map(|line| Ok(serde_json::from_str(line)?)).collect()
}
