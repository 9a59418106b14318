//! A chart repository over HTTP: an index and archives, with every fault that a real one has shown, to be switched on
//! and off while it serves. Plain sockets, since half of the faults are what an HTTP server is there to prevent.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};

use crate::archive::{Packaged, package};

const MIRROR: &str = "/mirror";

/// What goes wrong with one path.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status with a short text.
    Status(u16),
    /// Half of the body, then the connection ends.
    CutBody,
    /// The body, then more of it without end.
    EndlessBody,
    /// Nothing, until the client goes away.
    Silence,
    /// A redirect to this address.
    Redirect(String),
    /// This body in place of the right one.
    Body(Vec<u8>),
}

/// A request that was made.
#[derive(Clone, Debug)]
pub struct Request {
    /// For example `/index.yaml`.
    pub path: String,
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What was answered.
    pub status: u16,
}

struct Chart {
    packaged: Packaged,
    digest: String,
}

#[derive(Default)]
struct State {
    charts: Vec<Chart>,
    faults: BTreeMap<String, Fault>,
    credentials: Option<String>,
    requests: Vec<Request>,
}

/// A running server on loopback. Ends when dropped.
pub struct ChartRepository {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    ending: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl ChartRepository {
    /// Starts an empty repository on a free port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port for the chart repository")?;
        let address = listener.local_addr()?;
        let (state, ending) = (Arc::<Mutex<State>>::default(), Arc::new(AtomicBool::new(false)));
        let acceptor = std::thread::spawn({
            let (state, ending) = (Arc::clone(&state), Arc::clone(&ending));
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if ending.load(Ordering::Relaxed) {
                        return;
                    }
                    let (state, ending) = (Arc::clone(&state), Arc::clone(&ending));
                    // A client that goes away in the middle is its own affair.
                    std::thread::spawn(move || serve(&stream, &state, &ending));
                }
            }
        });
        Ok(Self { address, state, ending, acceptor: Some(acceptor) })
    }

    /// The repository's URL, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A second URL of the same repository, with faults of its own (`/mirror/index.yaml`).
    #[must_use]
    pub fn mirror(&self) -> String {
        format!("{}{MIRROR}", self.url())
    }

    /// Packages the chart in `folder` and adds it. Answers its version.
    pub fn add_folder(&self, folder: &Path) -> Result<String> {
        let packaged = package(folder)?;
        let version = packaged.version.clone();
        self.add(packaged);
        Ok(version)
    }

    /// Adds a chart; one of the same name and version is replaced.
    pub fn add(&self, packaged: Packaged) {
        let digest = Sha256::digest(&packaged.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut state = self.state();
        state
            .charts
            .retain(|chart| (&chart.packaged.name, &chart.packaged.version) != (&packaged.name, &packaged.version));
        state.charts.push(Chart { packaged, digest });
    }

    /// Lets the index state another digest for a chart than its archive has.
    pub fn falsify_digest(&self, name: &str, version: &str) {
        for chart in &mut self.state().charts {
            if chart.packaged.name == name && chart.packaged.version == version {
                chart.digest = "c0ffee".repeat(11)[..64].to_owned();
            }
        }
    }

    /// Switches a fault on for a path such as `/index.yaml` or `/hello-1.0.0.tgz`.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.state().faults.insert(path.to_owned(), fault);
    }

    /// Switches all faults off.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Asks for these credentials (basic authentication) from now on, or for none.
    pub fn require(&self, credentials: Option<(&str, &str)>) {
        self.state().credentials = credentials
            .map(|(user, password)| format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))));
    }

    /// All requests so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for ChartRepository {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What to send, decided under the lock; sent without it.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    spoilt: Option<Fault>,
}

impl Reply {
    fn text(status: u16, text: &str) -> Self {
        Self { status, headers: Vec::new(), body: text.as_bytes().to_vec(), spoilt: None }
    }
}

fn serve(mut stream: &TcpStream, state: &Mutex<State>, ending: &AtomicBool) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream);
    // Connections are kept alive, as any server would.
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let last = line.trim_end().ends_with("HTTP/1.0");
        let path = line.split_whitespace().nth(1).unwrap_or("/");
        let path = path.split('?').next().unwrap_or(path).to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':') {
                headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        let reply = {
            let mut state = lock(state);
            let reply = answer(&state, &path, &headers);
            state.requests.push(Request { path, headers, status: reply.status });
            reply
        };
        write!(stream, "HTTP/1.1 {} -\r\n", reply.status)?;
        for (name, value) in &reply.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        match reply.spoilt {
            Some(Fault::EndlessBody) => {
                stream.write_all(b"Transfer-Encoding: chunked\r\n\r\n")?;
                let filler = [b'#'; 65536];
                while !ending.load(Ordering::Relaxed) {
                    write!(stream, "{:x}\r\n", filler.len())?;
                    stream.write_all(&filler)?;
                    stream.write_all(b"\r\n")?;
                }
                return Ok(());
            }
            Some(Fault::CutBody) => {
                write!(stream, "Content-Length: {}\r\n\r\n", reply.body.len())?;
                stream.write_all(&reply.body[..reply.body.len() / 2])?;
                stream.flush()?;
                return stream.shutdown(Shutdown::Both);
            }
            Some(Fault::Silence) => {
                write!(stream, "Content-Length: {}\r\n\r\n", reply.body.len().max(1))?;
                // Ends when the client closes or gives up.
                let mut rest = String::new();
                return reader.read_line(&mut rest).map(drop);
            }
            _ => {
                write!(stream, "Content-Length: {}\r\n\r\n", reply.body.len())?;
                stream.write_all(&reply.body)?;
            }
        }
        if last {
            return stream.shutdown(Shutdown::Both);
        }
    }
}

fn answer(state: &State, path: &str, headers: &BTreeMap<String, String>) -> Reply {
    if state.credentials.is_some() && state.credentials.as_ref() != headers.get("authorization") {
        let mut reply = Reply::text(401, "who are you?");
        reply.headers.push(("WWW-Authenticate", "Basic realm=\"charts\"".to_owned()));
        return reply;
    }
    let fault = state.faults.get(path).cloned();
    match fault {
        Some(Fault::Status(status)) => return Reply::text(status, "as was asked for by the test"),
        Some(Fault::Redirect(to)) => {
            let mut reply = Reply::text(302, "");
            reply.headers.push(("Location", to));
            return reply;
        }
        Some(Fault::Body(body)) => return Reply { status: 200, headers: Vec::new(), body, spoilt: None },
        _ => {}
    }
    // The same content under a second address.
    let path = path.strip_prefix(MIRROR).unwrap_or(path);
    let body = if path == "/index.yaml" {
        index(&state.charts).into_bytes()
    } else {
        let wanted = state.charts.iter().find(|chart| path == file(&chart.packaged));
        match wanted {
            Some(chart) => chart.packaged.bytes.clone(),
            None => return Reply::text(404, "no such file"),
        }
    };
    let tag =
        format!("\"{}\"", Sha256::digest(&body).iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>());
    if headers.get("if-none-match") == Some(&tag) && fault.is_none() {
        return Reply { status: 304, headers: vec![("ETag", tag)], body: Vec::new(), spoilt: None };
    }
    Reply { status: 200, headers: vec![("ETag", tag)], body, spoilt: fault }
}

fn file(packaged: &Packaged) -> String {
    format!("/{}-{}.tgz", packaged.name, packaged.version)
}

fn index(charts: &[Chart]) -> String {
    let mut names: BTreeMap<&str, Vec<&Chart>> = BTreeMap::new();
    for chart in charts {
        names.entry(&chart.packaged.name).or_default().push(chart);
    }
    let mut text = String::from("apiVersion: v1\nentries:\n");
    for (name, versions) in names {
        text += &format!("  {name}:\n");
        for Chart { packaged, digest } in versions {
            let Packaged { name, version, app_version, .. } = packaged;
            text += &format!(
                "  - apiVersion: v2\n    name: {name}\n    version: \"{version}\"\n    appVersion: \"{app_version}\"\n    \
                 created: \"2026-01-01T00:00:00Z\"\n    digest: \"{digest}\"\n    urls:\n    - {}\n",
                &file(packaged)[1..]
            );
        }
    }
    text + "generated: \"2026-01-01T00:00:00Z\"\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::get;

    fn packaged(version: &str) -> Packaged {
        Packaged {
            name: "web".into(),
            version: version.into(),
            app_version: "1".into(),
            bytes: b"not really an archive".to_vec(),
        }
    }

    #[test]
    fn serves_and_spoils() {
        let repository = ChartRepository::start().unwrap();
        repository.add(packaged("1.0.0"));
        repository.add(packaged("1.1.0"));
        let address = repository.address.to_string();
        let fetch = |path: &str| get(&address, path).map(|answer| (answer.status, answer.body));

        let (status, index) = fetch("/index.yaml").unwrap();
        assert_eq!((status, index.matches("- web-1.").count()), (200, 2));
        assert_eq!(fetch("/web-1.1.0.tgz").unwrap(), (200, "not really an archive".to_owned()));
        assert_eq!(fetch("/web-9.tgz").unwrap().0, 404);

        repository.fault("/web-1.0.0.tgz", Fault::CutBody);
        assert_eq!(fetch("/web-1.0.0.tgz").unwrap().1, "not really");
        repository.fault("/index.yaml", Fault::Status(500));
        assert_eq!(fetch("/index.yaml").unwrap().0, 500);
        repository.fault("/index.yaml", Fault::Redirect("http://elsewhere/".into()));
        assert_eq!(fetch("/index.yaml").unwrap().0, 302);
        repository.heal();
        repository.require(Some(("reader", "secret")));
        assert_eq!(fetch("/index.yaml").unwrap().0, 401);
        assert_eq!(repository.requests().last().unwrap().status, 401);
    }
}
