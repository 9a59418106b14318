//! Helm's own engine, kept running: `e2e/oracle` as a child that is asked over a pipe.

use crate::case::{Answer, Case};
use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, and the pipes to it.
pub struct Oracle {
    program: PathBuf,
    running: Option<Running>,
}

struct Running {
    child: Child,
    questions: Sender<String>,
    answers: Receiver<String>,
}

#[derive(Deserialize)]
struct Said {
    id: u64,
    output: Option<String>,
    error: Option<String>,
}

impl Oracle {
    /// Of this program; it starts when first asked.
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_owned(), running: None }
    }

    /// Sends the questions; their answers come in the same order.
    ///
    /// # Errors
    /// If the program cannot be run.
    pub fn ask(&mut self, cases: &[Case]) -> Result<()> {
        if self.running.is_none() {
            self.running = Some(start(&self.program)?);
        }
        let Some(running) = &self.running else { return Ok(()) };
        for case in cases {
            // Where it has ended, the missing answer tells.
            let _ = running.questions.send(serde_json::to_string(case)?);
        }
        Ok(())
    }

    /// The next answer; none if the program died or hangs over it, in which case all other answers asked for are lost.
    ///
    /// # Errors
    /// If it says something else.
    pub fn answer(&mut self, id: u64) -> Result<Option<Answer>> {
        let Some(running) = &mut self.running else { return Ok(None) };
        let Ok(line) = running.answers.recv_timeout(PATIENCE) else {
            let _ = running.child.kill();
            let _ = running.child.wait();
            self.running = None;
            return Ok(None);
        };
        let said: Said = serde_json::from_str(&line).with_context(|| format!("the oracle said {line:?}"))?;
        if said.id != id {
            bail!("the oracle answered case {} instead of {id}", said.id);
        }
        let text =
            |encoded: &str| -> Result<String> { Ok(String::from_utf8_lossy(&STANDARD.decode(encoded)?).into_owned()) };
        Ok(Some(match said.error {
            Some(error) => Answer::Error(text(&error)?),
            None => Answer::Output(text(said.output.as_deref().unwrap_or_default())?),
        }))
    }

    /// Asks one question.
    ///
    /// # Errors
    /// As the two above.
    pub fn tell(&mut self, case: &Case) -> Result<Option<Answer>> {
        self.ask(std::slice::from_ref(case))?;
        self.answer(case.id)
    }

    /// What it always says; none if it says one thing today and another tomorrow.
    ///
    /// # Errors
    /// As the others.
    pub fn always(&mut self, case: &Case, times: usize) -> Result<Option<Answer>> {
        let copies = vec![case.clone(); times];
        self.ask(&copies)?;
        let mut first = None;
        let mut steady = true;
        for _ in 0..times {
            let Some(answer) = self.answer(case.id)? else { return Ok(None) };
            match &first {
                None => first = Some(answer),
                Some(known) => steady &= *known == answer,
            }
        }
        Ok(first.filter(|_| steady))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

fn start(program: &Path) -> Result<Running> {
    let mut child = Command::new(program)
        .env("TZ", "UTC")
        .env("GOMEMLIMIT", "2GiB")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut stdin = child.stdin.take().context("no way to ask the oracle")?;
    let stdout = child.stdout.take().context("no way to hear the oracle")?;
    let (questions, asked) = channel::<String>();
    let (say, answers) = channel();
    // Both ends have a thread: neither side waits for the other with a full pipe.
    std::thread::spawn(move || {
        for line in asked {
            if writeln!(stdin, "{line}").is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| say.send(line))
    });
    Ok(Running { child, questions, answers })
}
