//! Charts that have been fetched, named by their digest: a little in memory, more on disk. What is read back is hashed again, so
//! a damaged file is a file that is not there. The cache never fails a download: what it cannot keep is fetched again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::digest::Sha256;

/// A packaged chart and the digest of its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Archive {
    /// The `.tgz`.
    pub bytes: Arc<[u8]>,
    /// Its digest.
    pub digest: Sha256,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Archive({}, {} bytes)", self.digest, self.bytes.len())
    }
}

/// The charts that are at hand.
pub(super) struct Archives {
    directory: Option<PathBuf>,
    memory: Mutex<Shelf<Arc<[u8]>>>,
    disk: Mutex<Shelf<()>>,
    temporary: AtomicU64,
}

/// Things with sizes, of which the least recently used go when there are too many bytes.
struct Shelf<T> {
    limit: u64,
    bytes: u64,
    clock: u64,
    items: HashMap<Sha256, Item<T>>,
}

struct Item<T> {
    size: u64,
    used: u64,
    value: T,
}

impl<T: Clone> Shelf<T> {
    fn new(limit: u64) -> Shelf<T> {
        Shelf { limit, bytes: 0, clock: 0, items: HashMap::new() }
    }

    fn get(&mut self, digest: Sha256) -> Option<T> {
        self.clock += 1;
        let item = self.items.get_mut(&digest)?;
        item.used = self.clock;
        Some(item.value.clone())
    }

    /// Puts something on the shelf and takes off what is too much; a thing larger than the shelf is not put.
    fn put(&mut self, digest: Sha256, size: u64, value: T) -> Vec<Sha256> {
        self.remove(digest);
        if size > self.limit {
            return vec![digest];
        }
        self.clock += 1;
        self.bytes += size;
        self.items.insert(digest, Item { size, used: self.clock, value });
        let mut gone = Vec::new();
        while self.bytes > self.limit {
            let Some((&oldest, _)) = self.items.iter().min_by_key(|(_, item)| item.used) else { break };
            self.remove(oldest);
            gone.push(oldest);
        }
        gone
    }

    fn remove(&mut self, digest: Sha256) {
        if let Some(item) = self.items.remove(&digest) {
            self.bytes -= item.size;
        }
    }
}

impl Archives {
    /// Charts in `directory` (none: only in memory), limited in bytes. What is there from before is used again.
    pub(super) fn open(directory: Option<PathBuf>, disk_limit: u64, memory_limit: u64) -> Archives {
        let archives = Archives {
            directory,
            memory: Mutex::new(Shelf::new(memory_limit)),
            disk: Mutex::new(Shelf::new(disk_limit)),
            temporary: AtomicU64::new(0),
        };
        for (digest, size) in archives.directory.as_deref().map(found).unwrap_or_default() {
            let gone = lock(&archives.disk).put(digest, size, ());
            archives.delete(&gone);
        }
        archives
    }

    /// The chart of that digest, if it is in memory.
    pub(super) fn in_memory(&self, digest: Sha256) -> Option<Archive> {
        lock(&self.memory).get(digest).map(|bytes| Archive { bytes, digest })
    }

    /// The chart of that digest, if it is at hand and whole. Reads the disk.
    pub(super) fn get(&self, digest: Sha256) -> Option<Archive> {
        if let Some(archive) = self.in_memory(digest) {
            return Some(archive);
        }
        let path = self.path(digest)?;
        lock(&self.disk).get(digest)?;
        let bytes: Arc<[u8]> = match read(&path) {
            Ok(bytes) if Sha256::of(&bytes) == digest => bytes.into(),
            _ => {
                lock(&self.disk).remove(digest);
                let _ = fs::remove_file(&path);
                return None;
            }
        };
        // The time of the file tells the order of use to the next process.
        let _ = File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        lock(&self.memory).put(digest, bytes.len() as u64, Arc::clone(&bytes));
        Some(Archive { bytes, digest })
    }

    /// Keeps a chart. Writes the disk.
    pub(super) fn put(&self, archive: &Archive) {
        let size = archive.bytes.len() as u64;
        lock(&self.memory).put(archive.digest, size, Arc::clone(&archive.bytes));
        if size > lock(&self.disk).limit {
            return;
        }
        let Some(path) = self.path(archive.digest) else { return };
        if let Err(error) = self.write(&path, &archive.bytes) {
            tracing::warn!(path = %path.display(), %error, "cannot keep a chart on disk; it will be downloaded again");
            return;
        }
        let gone = lock(&self.disk).put(archive.digest, size, ());
        self.delete(&gone);
    }

    /// Written aside and renamed: a reader sees all of it or nothing.
    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let aside = path.with_extension(format!("{}-{number}.part", std::process::id()));
        let written =
            File::create(&aside).and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&aside, path));
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
        written
    }

    fn delete(&self, digests: &[Sha256]) {
        for path in digests.iter().filter_map(|&digest| self.path(digest)) {
            let _ = fs::remove_file(path);
        }
    }

    fn path(&self, digest: Sha256) -> Option<PathBuf> {
        let name = digest.to_string();
        Some(self.directory.as_ref()?.join(name.get(..2)?).join(format!("{name}.tgz")))
    }
}

/// The charts in a directory, least recently used first. Files that a killed process left half-written are removed.
fn found(directory: &Path) -> Vec<(Sha256, u64)> {
    let mut charts = Vec::new();
    for folder in fs::read_dir(directory).into_iter().flatten().flatten() {
        let of_ours =
            folder.file_name().to_str().is_some_and(|n| n.len() == 2 && n.bytes().all(|b| b.is_ascii_hexdigit()));
        if !of_ours {
            continue;
        }
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                let _ = fs::remove_file(&path);
                continue;
            }
            let digest = path.file_stem().and_then(|stem| stem.to_str()).and_then(Sha256::parse);
            if let (Some(digest), Ok(metadata)) = (digest, file.metadata()) {
                charts.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), digest, metadata.len()));
            }
        }
    }
    charts.sort();
    charts.into_iter().map(|(_, digest, size)| (digest, size)).collect()
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn archive(byte: u8, size: usize) -> Archive {
        let bytes: Arc<[u8]> = vec![byte; size].into();
        Archive { digest: Sha256::of(&bytes), bytes }
    }

    fn files(directory: &Path) -> usize {
        let folders = fs::read_dir(directory).unwrap().map(|folder| folder.unwrap().path());
        folders.map(|folder| fs::read_dir(folder).unwrap().count()).sum()
    }

    #[test]
    fn the_least_recently_used_goes_first_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Archives::open(Some(directory.path().to_owned()), 250, 0);
        let (a, b, c) = (archive(1, 100), archive(2, 100), archive(3, 100));
        let archives = open();
        archives.put(&a);
        archives.put(&b);
        assert_eq!(archives.get(a.digest), Some(a.clone()));
        archives.put(&c);
        assert_eq!((archives.get(b.digest), files(directory.path())), (None, 2));

        let archives = open();
        assert_eq!(archives.get(c.digest), Some(c));
        archives.put(&b);
        assert_eq!((archives.get(a.digest), archives.get(b.digest)), (None, Some(b)));
        archives.put(&archive(4, 251));
        assert_eq!((archives.get(archive(4, 251).digest), files(directory.path())), (None, 2));
    }

    #[test]
    fn memory_alone_serves_too() {
        let archives = Archives::open(None, 1000, 150);
        let (a, b) = (archive(1, 100), archive(2, 100));
        archives.put(&a);
        assert_eq!(archives.get(a.digest), Some(a.clone()));
        archives.put(&b);
        assert_eq!((archives.get(a.digest), archives.get(b.digest)), (None, Some(b)));
    }

    #[test]
    fn damaged_and_half_written_files_are_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Archives::open(Some(directory.path().to_owned()), 1000, 0);
        let a = archive(1, 100);
        let archives = open();
        archives.put(&a);
        let path = archives.path(a.digest).unwrap();
        fs::write(&path, b"damaged").unwrap();
        fs::write(path.with_extension("7-1.part"), b"half").unwrap();
        let archives = open();
        assert_eq!((archives.get(a.digest), files(directory.path())), (None, 0));
        archives.put(&a);
        assert_eq!(archives.get(a.digest), Some(a));
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_no_obstacle() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let archives = Archives::open(Some(file.path().join("below-a-file")), 1000, 1000);
        let a = archive(1, 100);
        archives.put(&a);
        assert_eq!(archives.get(a.digest), Some(a));
    }
}
