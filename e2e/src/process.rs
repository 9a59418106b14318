//! Child processes that cannot outlive us: they all sit in one process group, whose leader waits on a pipe that only we
//! hold. However we end, SIGKILL included, the pipe closes and the leader takes the group down with it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The one group that all children are in.
struct Group {
    id: Pid,
    /// Holds the pipe.
    _leader: Child,
}

static GROUP: OnceLock<Result<Group, String>> = OnceLock::new();

fn group() -> Result<&'static Group> {
    GROUP
        .get_or_init(|| Group::start().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow!("{error}"))
}

impl Group {
    fn start() -> Result<Self> {
        let leader = Command::new("/bin/sh")
            .args(["-c", "read line; kill -9 0"])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start /bin/sh, which guards the other processes")?;
        let id = pid(&leader)?;
        Ok(Self { id, _leader: leader })
    }
}

/// Puts a command that is about to be started into the group, out of reach of the terminal's Ctrl-C.
pub(crate) fn join(command: &mut Command) -> Result<&mut Command> {
    Ok(command.process_group(group()?.id.as_raw_nonzero().get()))
}

/// Ends every child of this process at once. For a handler of signals, just before the process itself ends.
pub fn end_all() {
    if let Some(Ok(group)) = GROUP.get() {
        // The leader is never reaped, so the id cannot have been given to somebody else.
        let _ = kill_process_group(group.id, Signal::KILL);
    }
}

/// Starts `command` in the group, with its output in `log` (appended to, so that restarts stay readable).
pub(crate) fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Process> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot open the log {}", log.display()))?;
    let child = join(command)?
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
    Ok(Process { name: name.to_owned(), child, log: log.to_owned() })
}

/// One running program and its log file. Killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// What it was called when it was started.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that its output goes to.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Fails, with the end of the log, when the program is no longer running.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(anyhow!(
                "{} ended with {status}; the end of {}:\n{}",
                self.name,
                self.log.display(),
                tail(&self.log, 15)
            )),
        }
    }

    /// SIGKILL, and wait until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and SIGKILL if it is still there after `grace`. Answers how it ended by itself, or `None` if it had to be killed.
    pub fn terminate(&mut self, grace: Duration) -> Result<Option<ExitStatus>> {
        kill_process(pid(&self.child)?, Signal::TERM).with_context(|| format!("cannot stop {}", self.name))?;
        let end = Instant::now() + grace;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        Ok(None)
    }

    /// Resident memory now and at its highest, in bytes, as the kernel counts it.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let now = kib("VmRSS:").context("no VmRSS in the process status")?;
        let peak = kib("VmHWM:").context("no VmHWM in the process status")?;
        Ok((now * 1024, peak * 1024))
    }

    /// CPU time used so far, user and system.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The second field is the name in parentheses and may hold anything; count from behind it.
        let after = stat.rsplit_once(')').context("unexpected process stat")?.1;
        let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(child: &Child) -> Result<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process id out of range")
}

/// The last lines of a file, for error messages.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
