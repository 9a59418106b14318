//! One version.

use super::{MAX_VERSION, is_identifiers, split_suffixes};
use crate::strconv::{NumError, parse_uint};
use std::cmp::Ordering;
use std::fmt;

/// A version: precedence is [`Version::compare`], which does not look at build metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    metadata: String,
    original: String,
}

/// Why a text is no version; prints Masterminds' words.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum VersionError {
    /// Not of the form of a version.
    Invalid,
    /// Nothing at all (strict only).
    Empty,
    /// Longer than 256 bytes.
    TooLong,
    /// Another byte than a digit in a number (strict only).
    Characters,
    /// A number with leading zeros.
    LeadingZero,
    /// Not of the form of a prerelease.
    Prerelease,
    /// Not of the form of build metadata.
    Metadata,
    /// A number over 64 bits, in a lenient text.
    Segment(NumError<u64>),
    /// A number that is none, in a strict text.
    Number(NumError<u64>),
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("invalid semantic version"),
            Self::Empty => f.write_str("version string empty"),
            Self::TooLong => write!(f, "version string is too long (max {MAX_VERSION} bytes)"),
            Self::Characters => f.write_str("invalid characters in version"),
            Self::LeadingZero => f.write_str("version segment starts with 0"),
            Self::Prerelease => f.write_str("invalid prerelease string"),
            Self::Metadata => f.write_str("invalid metadata string"),
            Self::Segment(error) => write!(f, "error parsing version segment: {error}"),
            Self::Number(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for VersionError {}

/// A number of a version is at its limit, so that it cannot be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncrementError(&'static str);

impl fmt::Display for IncrementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version increment would overflow uint64", self.0)
    }
}

impl std::error::Error for IncrementError {}

fn check_prerelease(text: &str) -> Result<(), VersionError> {
    if !is_identifiers(text.as_bytes()) {
        return Err(VersionError::Prerelease);
    }
    let padded = |id: &str| id.len() > 1 && id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit());
    if text.split('.').any(padded) { Err(VersionError::LeadingZero) } else { Ok(()) }
}

fn check_metadata(text: &str) -> Result<(), VersionError> {
    if is_identifiers(text.as_bytes()) { Ok(()) } else { Err(VersionError::Metadata) }
}

impl Version {
    /// `semver.NewVersion`: a leading `v`, missing minor and patch numbers and leading zeros are allowed.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.len() > MAX_VERSION {
            return Err(VersionError::TooLong);
        }
        let mut rest = text.strip_prefix('v').unwrap_or(text);
        let mut numbers = [None; 3];
        for (index, slot) in numbers.iter_mut().enumerate() {
            let digits = if index == 0 { Some(rest) } else { rest.strip_prefix('.') };
            let Some(digits) = digits else { break };
            let len = digits.bytes().take_while(u8::is_ascii_digit).count();
            if len == 0 {
                return Err(VersionError::Invalid);
            }
            let (number, tail) = digits.split_at(len);
            *slot = Some(number);
            rest = tail;
        }
        let (prerelease, metadata, rest) = split_suffixes(rest);
        if !rest.is_empty() {
            return Err(VersionError::Invalid);
        }
        let number =
            |slot: Option<&str>| parse_uint(slot.unwrap_or("0").as_bytes(), 10, 64).map_err(VersionError::Segment);
        let version = Self {
            major: number(numbers[0])?,
            minor: number(numbers[1])?,
            patch: number(numbers[2])?,
            prerelease: prerelease.get(1..).unwrap_or_default().to_owned(),
            metadata: metadata.get(1..).unwrap_or_default().to_owned(),
            original: text.to_owned(),
        };
        if !version.prerelease.is_empty() {
            check_prerelease(&version.prerelease)?;
        }
        Ok(version)
    }

    /// `semver.StrictNewVersion`: the form of semver.org only.
    pub fn parse_strict(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > MAX_VERSION {
            return Err(VersionError::TooLong);
        }
        let parts: Vec<&str> = text.splitn(3, '.').collect();
        let [major, minor, rest] = parts[..] else { return Err(VersionError::Invalid) };
        let (rest, metadata) = rest.split_once('+').map_or((rest, None), |(rest, m)| (rest, Some(m)));
        let (patch, prerelease) = rest.split_once('-').map_or((rest, None), |(patch, p)| (patch, Some(p)));
        for part in [major, minor, patch] {
            if !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(VersionError::Characters);
            }
            if part.len() > 1 && part.starts_with('0') {
                return Err(VersionError::LeadingZero);
            }
        }
        let number = |part: &str| parse_uint(part.as_bytes(), 10, 64).map_err(VersionError::Number);
        let version = Self {
            major: number(major)?,
            minor: number(minor)?,
            patch: number(patch)?,
            prerelease: prerelease.unwrap_or_default().to_owned(),
            metadata: metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        };
        prerelease.map_or(Ok(()), check_prerelease)?;
        metadata.map_or(Ok(()), check_metadata)?;
        Ok(version)
    }

    /// First number.
    pub fn major(&self) -> u64 {
        self.major
    }

    /// Second number.
    pub fn minor(&self) -> u64 {
        self.minor
    }

    /// Third number.
    pub fn patch(&self) -> u64 {
        self.patch
    }

    /// What follows `-`; empty if nothing.
    pub fn prerelease(&self) -> &str {
        &self.prerelease
    }

    /// What follows `+`; empty if nothing.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The text that was parsed.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Precedence by semver.org; build metadata does not count.
    pub fn compare(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_prerelease(&self.prerelease, &other.prerelease))
    }

    fn derived(&self, mut next: Self) -> Self {
        let v = if self.original.starts_with('v') { "v" } else { "" };
        next.original = format!("{v}{next}");
        next
    }

    /// `IncMajor`.
    pub fn inc_major(&self) -> Result<Self, IncrementError> {
        let major = self.major.checked_add(1).ok_or(IncrementError("major"))?;
        Ok(self.derived(Self { major, ..Self::default() }))
    }

    /// `IncMinor`.
    pub fn inc_minor(&self) -> Result<Self, IncrementError> {
        let minor = self.minor.checked_add(1).ok_or(IncrementError("minor"))?;
        Ok(self.derived(Self { major: self.major, minor, ..Self::default() }))
    }

    /// `IncPatch`: a prerelease only loses its prerelease.
    pub fn inc_patch(&self) -> Result<Self, IncrementError> {
        let patch = if self.prerelease.is_empty() {
            self.patch.checked_add(1).ok_or(IncrementError("patch"))?
        } else {
            self.patch
        };
        Ok(self.derived(Self { major: self.major, minor: self.minor, patch, ..Self::default() }))
    }

    /// `SetPrerelease`; an empty one takes it away.
    pub fn with_prerelease(&self, prerelease: &str) -> Result<Self, VersionError> {
        if !prerelease.is_empty() {
            check_prerelease(prerelease)?;
        }
        Ok(self.derived(Self { prerelease: prerelease.to_owned(), ..self.clone() }))
    }

    /// `SetMetadata`; an empty one takes it away.
    pub fn with_metadata(&self, metadata: &str) -> Result<Self, VersionError> {
        if !metadata.is_empty() {
            check_metadata(metadata)?;
        }
        Ok(self.derived(Self { metadata: metadata.to_owned(), ..self.clone() }))
    }
}

/// The normal form: three numbers, no `v`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

pub(super) fn compare_prerelease(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => compare_identifier(a, b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Numbers count as such and come before words; what does not fit 64 bits is a word.
fn compare_identifier(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}
