//! What can go wrong between a repository and us, in words that say where and what to do. No message holds a credential.

use std::time::Duration;

use thiserror::Error;

/// Why an index or a chart could not be had.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// The address cannot be one of a repository or chart.
    #[error("{url}: not a usable address: {why}")]
    Address {
        /// The address, without credentials.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The address is a registry's where an index is looked for.
    #[error("{url}: a registry has no index: name the chart in it (oci://host/path/chart)")]
    NoIndex {
        /// The address.
        url: String,
    },
    /// The spec asks for something that is not served.
    #[error("{field}: {why}")]
    Unsupported {
        /// The field of the spec.
        field: &'static str,
        /// What to do instead.
        why: String,
    },
    /// What a registry sent cannot be used.
    #[error("{url}: {why}")]
    Registry {
        /// What was asked for, without credentials.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A registry does not let us in.
    #[error("GET {url}: the registry answered {status}{}", admission(*.authenticated))]
    Denied {
        /// The address, without credentials.
        url: String,
        /// The status code.
        status: u16,
        /// Whether there were credentials.
        authenticated: bool,
    },
    /// What a registry has under that name is no chart.
    #[error("{url} is no Helm chart: {why}")]
    NotAChart {
        /// What was asked for, without credentials.
        url: String,
        /// What it is instead.
        why: String,
    },
    /// A Secret that the repository refers to lacks something, or holds it in a form that cannot be read.
    #[error("{what}: {why}")]
    Credentials {
        /// Where the material comes from.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server could not be reached, or the connection broke.
    #[error("GET {url}: {why}")]
    Transport {
        /// The address, without credentials.
        url: String,
        /// What the network said.
        why: String,
    },
    /// The host may not be asked by anybody.
    #[error("GET {url}: {address} is {why}: it is never asked")]
    OutOfReach {
        /// The address, without credentials.
        url: String,
        /// The host.
        address: std::net::IpAddr,
        /// What it is.
        why: &'static str,
    },
    /// The server took too long.
    #[error("GET {url}: not finished after {after:?}: the server is slow or the repository's timeout too short")]
    Timeout {
        /// The address, without credentials.
        url: String,
        /// The time that was given.
        after: Duration,
    },
    /// The server answered with something else than 200.
    #[error("GET {url}: the server answered {status}{}", advice(*.status, *.authenticated))]
    Status {
        /// The address, without credentials.
        url: String,
        /// The status code.
        status: u16,
        /// Whether credentials were sent.
        authenticated: bool,
    },
    /// The server redirects without end.
    #[error("GET {url}: more than {limit} redirects")]
    Redirects {
        /// The address that was asked for first, without credentials.
        url: String,
        /// How many are followed.
        limit: usize,
    },
    /// The answer is larger than is allowed.
    #[error("GET {url}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// The address, without credentials.
        url: String,
        /// The limit in bytes, after decompression.
        limit: u64,
    },
    /// The index is no index.
    #[error("{url}: {why}")]
    Index {
        /// The address of the index, without credentials.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The index does not have the chart.
    #[error("chart {chart:?} is not in {}", place(url))]
    NoChart {
        /// The chart's name.
        chart: String,
        /// The address of the repository, without credentials.
        url: String,
    },
    /// The index has no version of the chart that fits.
    #[error("chart {chart:?} has no version that fits {range:?} in {} (it has {has})", place(url))]
    NoVersion {
        /// The chart's name.
        chart: String,
        /// The range that was asked for.
        range: String,
        /// The address of the repository, without credentials.
        url: String,
        /// The newest versions that there are.
        has: String,
    },
    /// The range of versions cannot be read.
    #[error("chart {chart:?}: version {range:?}: {why}")]
    Range {
        /// The chart's name.
        chart: String,
        /// The range that was asked for.
        range: String,
        /// What is wrong with it.
        why: String,
    },
    /// The index does not say where the chart is.
    #[error("chart {chart:?} has no download address in the index of {url}")]
    NoAddress {
        /// The chart's name and version.
        chart: String,
        /// The address of the repository, without credentials.
        url: String,
    },
    /// The downloaded chart is not the one that the index speaks of.
    #[error(
        "GET {url}: the file's digest is sha256:{actual}, but {witness} says {expected}: \
         it is incomplete, was changed, or what {witness} says is out of date; it was not used"
    )]
    Digest {
        /// The address of the chart, without credentials.
        url: String,
        /// Who stated another digest: the index, the registry, the source.
        witness: &'static str,
        /// The digest that was stated.
        expected: String,
        /// The digest of what was downloaded.
        actual: String,
    },
    /// None of the keys has signed the chart.
    #[error("{url}: {why}")]
    Unsigned {
        /// The chart, by its digest.
        url: String,
        /// What there is instead.
        why: String,
    },
    /// A download was abandoned by a fault of ours.
    #[error("GET {url}: the download was abandoned")]
    Abandoned {
        /// The address, without credentials.
        url: String,
    },
}

impl Error {
    /// Whether trying again without a change of the spec (or of a Secret that it refers to) is in vain.
    pub fn is_terminal(&self) -> bool {
        match self {
            Error::Address { .. }
            | Error::OutOfReach { .. }
            | Error::NoIndex { .. }
            | Error::Unsupported { .. }
            | Error::Credentials { .. }
            | Error::Range { .. } => true,
            Error::Transport { .. }
            | Error::Timeout { .. }
            | Error::Status { .. }
            | Error::Redirects { .. }
            | Error::TooLarge { .. }
            | Error::Index { .. }
            | Error::Registry { .. }
            | Error::Denied { .. }
            | Error::NotAChart { .. }
            | Error::NoChart { .. }
            | Error::NoVersion { .. }
            | Error::NoAddress { .. }
            | Error::Digest { .. }
            | Error::Unsigned { .. }
            | Error::Abandoned { .. } => false,
        }
    }

    /// Whether the server, or the way to it, fails for everybody just now: what it said before is as good as ever.
    pub fn is_outage(&self) -> bool {
        match self {
            Error::Transport { .. } | Error::Timeout { .. } | Error::Abandoned { .. } => true,
            Error::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            _ => false,
        }
    }

    /// The reason for a condition of a HelmRepository.
    pub fn index_reason(&self) -> &'static str {
        match self {
            Error::Address { .. } | Error::OutOfReach { .. } | Error::NoIndex { .. } => "URLInvalid",
            Error::Unsupported { .. } => "UnsupportedField",
            Error::Credentials { .. } | Error::Denied { .. } | Error::Status { status: 401 | 403, .. } => {
                "AuthenticationFailed"
            }
            Error::Index { .. } | Error::TooLarge { .. } => "IndexationFailed",
            _ => "FetchFailed",
        }
    }

    /// The reason for a condition of a HelmRelease whose chart could not be had.
    pub fn chart_reason(&self) -> &'static str {
        match self {
            Error::Address { .. } | Error::OutOfReach { .. } | Error::NoIndex { .. } => "URLInvalid",
            Error::Unsupported { .. } => "UnsupportedField",
            Error::Credentials { .. } | Error::Denied { .. } | Error::Status { status: 401 | 403, .. } => {
                "AuthenticationFailed"
            }
            Error::Index { .. } => "IndexationFailed",
            Error::NoChart { .. }
            | Error::NoVersion { .. }
            | Error::Range { .. }
            | Error::NoAddress { .. }
            | Error::NotAChart { .. } => "InvalidChartReference",
            Error::Digest { .. } => "DigestMismatch",
            Error::Unsigned { .. } => "ChartVerificationError",
            _ => "ChartPullError",
        }
    }
}

/// Where a chart was looked for.
fn place(url: &str) -> String {
    if url.starts_with("oci://") { format!("the registry at {url}") } else { format!("the index of {url}") }
}

fn admission(authenticated: bool) -> &'static str {
    if authenticated {
        ": it does not accept the credentials of the repository's secretRef, or they give no access to this chart"
    } else {
        ": it wants credentials and none were sent: set the repository's secretRef. Many registries answer so too when there is no \
         such chart"
    }
}

fn advice(status: u16, authenticated: bool) -> &'static str {
    match (status, authenticated) {
        (401 | 403, true) => ": it does not accept the credentials of the repository's secretRef",
        (401 | 403, false) => ": it wants credentials and none were sent; set the repository's secretRef",
        (404 | 410, _) => ": there is no such file; check the repository's url",
        (429, _) => ": too many requests",
        (500.., _) => ": the fault is on its side",
        _ => "",
    }
}
