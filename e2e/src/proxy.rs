//! A proxy between the operator and the API server in which everything goes wrong that goes wrong on a network: answers that
//! are late, cut off, errors, or never come; and the operator's death at a write of one's choice. It speaks plain HTTP on
//! loopback, since half of the faults are what a library is there to prevent; `kubectl proxy` carries on from there with the
//! operator's credentials.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::controlplane::{ControlPlane, free_ports};
use crate::process::{Process, spawn};
use crate::wait::wait_until;

/// Longest head of a request.
const HEAD: usize = 64 << 10;
/// Longest body of a request.
const BODY: usize = 64 << 20;

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, `PATCH`, …
    pub method: String,
    /// Path and query.
    pub target: String,
}

impl Call {
    /// Whether it changes something: no read, no dry run.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.method != "GET" && !self.target.contains("dryRun=All")
    }

    /// Whether it is a watch.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        self.target.contains("watch=1") || self.target.contains("watch=true")
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It passes after a while.
    Late(Duration),
    /// It does not pass; this status is answered.
    Answer(u16),
    /// It does not pass; the connection ends.
    Lose,
    /// It does not pass; every connection ends.
    Sever,
    /// It passes; the connection ends after this many bytes of the answer.
    Cut(usize),
    /// The operator dies before it passes.
    DieBefore,
    /// It passes, and the operator dies before it hears of it.
    DieAfter,
}

type Judge = dyn FnMut(&Call) -> Verdict + Send;

struct Shared {
    upstream: SocketAddr,
    judge: Mutex<Box<Judge>>,
    /// The process that dies.
    doomed: AtomicU32,
    end: AtomicBool,
    /// The operator's connections, open or not.
    clients: Mutex<Vec<TcpStream>>,
}

/// A running proxy.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    kubeconfig: PathBuf,
    _kubectl: Process,
}

impl FaultProxy {
    /// Starts it with the operator's credentials. Everything passes at first.
    pub fn start(control_plane: &ControlPlane, name: &str) -> Result<Self> {
        let [port] = free_ports()?;
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let admin = control_plane.admin();
        let mut command = admin.command();
        command.env("KUBECONFIG", &control_plane.users().operator);
        command.args(["--kubeconfig", &control_plane.users().operator.display().to_string()]);
        command.args(["proxy", &format!("--port={port}"), "--reject-paths=^$"]);
        let log = control_plane.folder().join("logs").join(format!("{name}-proxy.log"));
        let kubectl = spawn("kubectl proxy", &mut command, &log)?;
        wait_until("kubectl proxy listens", Duration::from_secs(30), || {
            Ok(TcpStream::connect(upstream).map(drop).map_err(|error| error.to_string()))
        })?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            judge: Mutex::new(Box::new(|_| Verdict::Pass)),
            doomed: AtomicU32::new(0),
            end: AtomicBool::new(false),
            clients: Mutex::default(),
        });
        let kubeconfig = control_plane.folder().join(format!("{name}-proxy.kubeconfig"));
        write_kubeconfig(&kubeconfig, address)?;
        std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for client in listener.incoming().flatten() {
                    if shared.end.load(Ordering::Relaxed) {
                        return;
                    }
                    let shared = Arc::clone(&shared);
                    // A connection that breaks is what this is for.
                    std::thread::spawn(move || drop(shared.carry(client)));
                }
            }
        });
        Ok(Self { address, shared, kubeconfig, _kubectl: kubectl })
    }

    /// The kubeconfig by which an operator goes through the proxy.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Decides on requests from now on.
    pub fn judge(&self, judge: impl FnMut(&Call) -> Verdict + Send + 'static) {
        *self.shared.judge.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(judge);
    }

    /// Ends all connections, the watches' among them.
    pub fn sever(&self) {
        self.shared.sever();
    }

    /// Says which process dies at [`Verdict::DieBefore`] and [`Verdict::DieAfter`].
    pub fn doom(&self, process: u32) {
        self.shared.doomed.store(process, Ordering::Relaxed);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address);
    }
}

fn write_kubeconfig(path: &Path, address: SocketAddr) -> Result<()> {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: proxy\nclusters:\n- name: proxy\n  cluster: {{server: \"http://{address}\"}}\n\
         users:\n- name: proxy\n  user: {{}}\ncontexts:\n- name: proxy\n  context: {{cluster: proxy, user: proxy}}\n"
    );
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

impl Shared {
    /// One connection: its requests one after the other.
    fn carry(&self, mut client: TcpStream) -> Result<()> {
        client.set_nodelay(true)?;
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).push(client.try_clone()?);
        let mut buffer = Vec::new();
        while let Some((call, request)) = read_request(&mut client, &mut buffer)? {
            let verdict = (self.judge.lock().unwrap_or_else(PoisonError::into_inner))(&call);
            match verdict {
                Verdict::DieBefore => {
                    self.kill();
                    return Ok(());
                }
                Verdict::Lose => {
                    client.shutdown(Shutdown::Both)?;
                    return Ok(());
                }
                Verdict::Sever => {
                    self.sever();
                    return Ok(());
                }
                Verdict::Answer(status) => {
                    client.write_all(&answer(status))?;
                    continue;
                }
                Verdict::Late(pause) => std::thread::sleep(pause),
                Verdict::Pass | Verdict::Cut(_) | Verdict::DieAfter => {}
            }
            let mut server = TcpStream::connect(self.upstream)?;
            server.set_nodelay(true)?;
            server.write_all(&request)?;
            if verdict == Verdict::DieAfter {
                let mut nobody = Vec::new();
                server.read_to_end(&mut nobody)?;
                self.kill();
                return Ok(());
            }
            let mut left = if let Verdict::Cut(bytes) = verdict { bytes } else { usize::MAX };
            let mut piece = [0_u8; 16 << 10];
            loop {
                let read = server.read(&mut piece)?;
                if read == 0 {
                    break;
                }
                client.write_all(&piece[..read.min(left)])?;
                left -= read.min(left);
                if left == 0 {
                    break;
                }
            }
            // The server was asked to close, so that the end of its answer is the end of the connection.
            client.shutdown(Shutdown::Both)?;
            return Ok(());
        }
        Ok(())
    }

    fn sever(&self) {
        for client in self.clients.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may have ended before.
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    fn kill(&self) {
        let process = self.doomed.swap(0, Ordering::Relaxed);
        if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
            // It may have died of something else.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The next request of a connection, made to close the connection that it is passed on by; nothing at its end.
fn read_request(client: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<(Call, Vec<u8>)>> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        anyhow::ensure!(buffer.len() < HEAD, "the head of a request is too long");
        if !more(client, buffer)? {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let call = Call {
        method: words.next().unwrap_or_default().to_owned(),
        target: words.next().unwrap_or_default().to_owned(),
    };
    let mut passed = format!("{} {} HTTP/1.1\r\n", call.method, call.target);
    let mut length = 0;
    for line in lines.filter(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if name == "content-length" {
            length = line.split(':').nth(1).unwrap_or_default().trim().parse()?;
        }
        if name != "connection" {
            passed.push_str(line);
            passed.push_str("\r\n");
        }
    }
    passed.push_str("Connection: close\r\n\r\n");
    anyhow::ensure!(length <= BODY, "the body of a request is too long");
    while buffer.len() < end + length {
        if !more(client, buffer)? {
            return Ok(None);
        }
    }
    let mut request = passed.into_bytes();
    request.extend_from_slice(&buffer[end..end + length]);
    buffer.drain(..end + length);
    Ok(Some((call, request)))
}

fn more(client: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<bool> {
    let mut piece = [0_u8; 16 << 10];
    let read = client.read(&mut piece)?;
    buffer.extend_from_slice(&piece[..read]);
    Ok(read > 0)
}

/// An error as the API server tells one.
fn answer(status: u16) -> Vec<u8> {
    let reason = match status {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let body =
        serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status,
        "message": format!("the proxy says {status}"), "details": {}})
        .to_string();
    let retry = if status == 429 { "Retry-After: 1\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n{retry}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
