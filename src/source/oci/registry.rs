//! The distribution protocol, as much of it as reading takes: tags, manifests, blobs, and the tokens that registries want.
//!
//! All requests go through the downloads of HTTP repositories, with their limits, redirects and reach. What shows who we are goes
//! to the registry's own host, and the credentials themselves besides to the server that issues its tokens.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use reqwest::header::{HeaderName, HeaderValue, LINK, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::super::digest::Sha256;
use super::super::download::{Answer, Authorization, Downloads, Hop, Request, read};
use super::super::error::Error;
use super::super::repository::{Repository, redact};
use super::super::{Settings, lock};
use super::challenge::{self, Challenge};
use super::manifest::{self, Blob, Manifest, place_of};
use super::reference::is_tag;

/// Bytes of a manifest, a page of tags, or a token.
const DOCUMENT: u64 = 4 << 20;
/// How many tags a page is asked to have.
const PAGE: usize = 1000;
/// How many pages of tags are read, and how many tags.
const PAGES: usize = 100;
const TAGS: usize = 50_000;
/// How many registries' tokens are kept.
const PASSES: usize = 1024;
/// What a list of manifests is.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The header that tells a manifest's digest.
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// What registries let us in with, by who asks for what.
#[derive(Default)]
pub(in super::super) struct Passes {
    known: Mutex<HashMap<Sha256, Pass>>,
}

#[derive(Clone)]
pub(super) struct Pass {
    header: HeaderValue,
    /// When it expires; never if it is a name and password.
    until: Option<Instant>,
}

/// One name in one registry.
pub(super) struct Place<'a> {
    pub(super) downloads: &'a Downloads,
    pub(super) passes: &'a Passes,
    pub(super) settings: &'a Settings,
    pub(super) repository: &'a Repository,
    /// Path and chart. One that [`super::reference::name_of`] gave.
    pub(super) name: &'a str,
}

impl Place<'_> {
    /// All tags; none if the registry does not know the name.
    pub(super) async fn tags(&self) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut url = self.url("tags/list");
        url.set_query(Some(&format!("n={PAGE}")));
        let mut tags = Vec::new();
        for _ in 0..PAGES {
            let request = self.request(url.clone(), Method::GET, "application/json", DOCUMENT);
            let hop = self.ask(&request).await?;
            if hop.response.status() == StatusCode::NOT_FOUND {
                return Ok(tags);
            }
            let next = hop.response.headers().get(LINK).and_then(|link| next_of(link.to_str().ok()?, &url));
            let bytes = self.body(hop, &request).await?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| {
                self.unusable(&url, format!("its list of tags cannot be read: {}", place_of(&error)))
            })?;
            tags.extend(page.tags.unwrap_or_default().into_iter().filter(|tag| is_tag(tag)));
            if tags.len() > TAGS {
                break;
            }
            match next {
                Some(next) => url = next,
                None => return Ok(tags),
            }
        }
        Err(self
            .unusable(&url, format!("it has more than {TAGS} tags, or more than {PAGES} pages: name an exact version")))
    }

    /// The digest of what is under a tag, as the registry tells it; nothing if it does not, or has no such tag.
    pub(super) async fn digest(&self, tag: &str) -> Result<Option<Sha256>, Error> {
        let request = self.request(self.url(&format!("manifests/{tag}")), Method::HEAD, manifest::ACCEPT, 0);
        let hop = self.ask(&request).await?;
        Ok((hop.response.status() == StatusCode::OK).then(|| digest_of(&hop)).flatten())
    }

    /// The chart under a tag or a digest, and the digest of its manifest; nothing if the registry has nothing there.
    pub(super) async fn chart(&self, at: &str) -> Result<Option<(Sha256, Blob)>, Error> {
        let Some((outer, manifest)) = self.manifest(at).await? else { return Ok(None) };
        let several = match manifest {
            Ok(Manifest::Chart(blob)) => return Ok(Some((outer, blob))),
            Ok(Manifest::Several(several)) => several,
            Err(why) => return Err(self.no_chart(at, why)),
        };
        let mut last = format!("it is a list of {} others, none of them a chart", several.len());
        for digest in several {
            match self.manifest(&format!("sha256:{digest}")).await? {
                Some((_, Ok(Manifest::Chart(blob)))) => return Ok(Some((outer, blob))),
                Some((_, Err(why))) => last = why,
                Some((_, Ok(Manifest::Several(_)))) | None => {}
            }
        }
        Err(self.no_chart(at, last))
    }

    /// What is under a tag or a digest: its digest, and what it is or why it is nothing that helps.
    async fn manifest(&self, at: &str) -> Result<Option<(Sha256, Result<Manifest, String>)>, Error> {
        let found = self.document(at).await?;
        Ok(found.map(|(digest, bytes)| (digest, manifest::read(&bytes))))
    }

    /// The manifests that refer to one, as an index; nothing if the registry knows of none.
    pub(super) async fn referrers(&self, to: Sha256) -> Result<Option<Vec<u8>>, Error> {
        let url = self.url(&format!("referrers/sha256:{to}"));
        let request = self.request(url, Method::GET, INDEX, DOCUMENT);
        let hop = self.ask(&request).await?;
        if !hop.response.status().is_client_error() {
            return self.body(hop, &request).await.map(Some);
        }
        // A registry that does not keep account of them has an index under a tag, if anything.
        let found = self.document(&format!("sha256-{to}")).await?;
        Ok(found.map(|(_, bytes)| bytes))
    }

    /// The manifest under a tag or a digest, and its digest.
    pub(super) async fn document(&self, at: &str) -> Result<Option<(Sha256, Vec<u8>)>, Error> {
        let url = self.url(&format!("manifests/{at}"));
        let request = self.request(url.clone(), Method::GET, manifest::ACCEPT, DOCUMENT);
        let hop = self.ask(&request).await?;
        if hop.response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let stated = digest_of(&hop);
        let bytes = self.body(hop, &request).await?;
        let actual = Sha256::of(&bytes);
        match manifest::sha256(at).or(stated).filter(|stated| *stated != actual) {
            None => Ok(Some((actual, bytes))),
            Some(expected) => Err(self.tampered(&url, expected, actual)),
        }
    }

    /// A file, which is what its digest says.
    pub(super) async fn blob(&self, digest: Sha256, size: Option<u64>) -> Result<Vec<u8>, Error> {
        let url = self.url(&format!("blobs/sha256:{digest}"));
        let limit = self.settings.chart_limit;
        if size.is_some_and(|size| size > limit) {
            return Err(Error::TooLarge { url: redact(&url), limit });
        }
        let limit = size.unwrap_or(limit);
        let request = self.request(url.clone(), Method::GET, "application/octet-stream, */*", limit);
        let hop = self.ask(&request).await?;
        let bytes = self.body(hop, &request).await?;
        let actual = Sha256::of(&bytes);
        if actual == digest { Ok(bytes) } else { Err(self.tampered(&url, digest, actual)) }
    }

    fn url(&self, rest: &str) -> Url {
        let mut url = self.repository.url().clone();
        url.set_path(&format!("/v2/{}/{rest}", self.name));
        url
    }

    fn request(&self, url: Url, method: Method, accept: &'static str, limit: u64) -> Request<'static> {
        let authorization = self.pass().map_or(Authorization::Nobody, |pass| self.shown(pass.header));
        Request { method, accept, authorization, ..Request::get(url, limit) }
    }

    fn shown(&self, header: HeaderValue) -> Authorization {
        Authorization::At(self.repository.url().clone(), header)
    }

    /// Asks, and asks again with what the registry wants to see.
    async fn ask(&self, request: &Request<'_>) -> Result<Hop, Error> {
        let hop = self.downloads.follow(self.repository, request).await?;
        // A host that the registry redirects to has nothing to ask for.
        if hop.response.status() != StatusCode::UNAUTHORIZED || !self.repository.is_own(&hop.url) {
            return Ok(hop);
        }
        let Some(pass) = self.admission(&hop).await? else { return Ok(hop) };
        let authorization = self.shown(pass.header.clone());
        self.keep(pass);
        let again = Request { authorization, url: request.url.clone(), method: request.method.clone(), ..*request };
        self.downloads.follow(self.repository, &again).await
    }

    /// What answers the registry's challenge, if we have it.
    async fn admission(&self, hop: &Hop) -> Result<Option<Pass>, Error> {
        let headers = hop.response.headers().get_all(WWW_AUTHENTICATE);
        let challenge = challenge::choose(headers.iter().filter_map(|header| header.to_str().ok()));
        let credentials = self.repository.credentials.as_ref().and_then(|credentials| credentials.header());
        match challenge {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(credentials.map(|header| Pass { header, until: None })),
            Some(Challenge::Bearer { realm, service, scope }) => {
                self.token(&hop.url, &realm, service.as_deref(), scope.as_deref(), credentials).await.map(Some)
            }
        }
    }

    pub(super) async fn token(
        &self,
        at: &Url,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
        credentials: Option<HeaderValue>,
    ) -> Result<Pass, Error> {
        let mut url = match Url::parse(realm) {
            // A registry that is spoken to with TLS sends nobody's password through the open.
            Ok(url)
                if url.has_host() && (url.scheme() == "https" || url.scheme() == self.repository.url().scheme()) =>
            {
                url
            }
            _ => return Err(self.unusable(at, "it wants a token from something that is no HTTPS address".to_owned())),
        };
        let own = format!("repository:{}:pull", self.name);
        url.query_pairs_mut().extend_pairs(service.map(|service| ("service", service)));
        url.query_pairs_mut().append_pair("scope", scope.unwrap_or(&own));
        let authorization = match credentials {
            Some(header) => Authorization::At(url.clone(), header),
            None => Authorization::Nobody,
        };
        let request = Request { accept: "application/json", authorization, ..Request::get(url.clone(), DOCUMENT) };
        let hop = self.downloads.follow(self.repository, &request).await?;
        let bytes = self.body(hop, &request).await?;
        let (token, life) = challenge::token(&bytes).map_err(|why| self.unusable(&url, why))?;
        let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| self.unusable(&url, "the token cannot be sent".to_owned()))?;
        header.set_sensitive(true);
        Ok(Pass { header, until: Some(Instant::now() + life) })
    }

    async fn body(&self, hop: Hop, request: &Request<'_>) -> Result<Vec<u8>, Error> {
        let (url, status) = (redact(&hop.url), hop.response.status());
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let authenticated = self.repository.credentials.is_some();
            return Err(Error::Denied { url, status: status.as_u16(), authenticated });
        }
        match read(hop, request).await? {
            Answer::File { bytes, .. } => Ok(bytes),
            Answer::Unchanged => Err(Error::Abandoned { url }),
        }
    }

    fn pass(&self) -> Option<Pass> {
        let known = lock(&self.passes.known);
        known.get(&self.key()).filter(|pass| pass.until.is_none_or(|until| until > Instant::now())).cloned()
    }

    fn keep(&self, pass: Pass) {
        let mut known = lock(&self.passes.known);
        if known.len() >= PASSES {
            known.clear();
        }
        known.insert(self.key(), pass);
    }

    fn key(&self) -> Sha256 {
        Sha256::of_parts(&[self.repository.identity().as_bytes(), self.name.as_bytes()])
    }

    fn unusable(&self, url: &Url, why: String) -> Error {
        Error::Registry { url: redact(url), why }
    }

    fn no_chart(&self, at: &str, why: String) -> Error {
        let host = self.repository.url().authority();
        let joint = if at.starts_with("sha256:") { '@' } else { ':' };
        Error::NotAChart { url: format!("oci://{host}/{}{joint}{at}", self.name), why }
    }

    fn tampered(&self, url: &Url, expected: Sha256, actual: Sha256) -> Error {
        let expected = format!("sha256:{expected}");
        Error::Digest { url: redact(url), witness: "the registry", expected, actual: actual.to_string() }
    }
}

/// The digest that comes with an answer.
fn digest_of(hop: &Hop) -> Option<Sha256> {
    hop.response.headers().get(DIGEST).and_then(|digest| manifest::sha256(digest.to_str().ok()?))
}

/// The next page's address: on the registry's own host, whatever a proxy before it makes of that.
fn next_of(link: &str, here: &Url) -> Option<Url> {
    let next = link
        .split(',')
        .find(|link| link.split(';').skip(1).any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next")))?;
    let target = next.trim().strip_prefix('<')?.split('>').next()?;
    let target = here.join(target).ok()?;
    let mut url = here.clone();
    url.set_path(target.path());
    url.set_query(target.query());
    Some(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pages_stay_on_the_host() {
        let here = Url::parse("https://h:5000/v2/x/tags/list?n=1000").unwrap();
        for (link, expected) in [
            ("</v2/x/tags/list?last=a&n=2>; rel=\"next\"", Some("https://h:5000/v2/x/tags/list?last=a&n=2")),
            ("<http://evil/v2/x/tags/list?last=a>; rel=next", Some("https://h:5000/v2/x/tags/list?last=a")),
            ("<?last=b>;rel=\"next\"", Some("https://h:5000/v2/x/tags/list?last=b")),
            ("</a>; rel=\"first\", </b>; rel=\"next\"", Some("https://h:5000/b")),
            ("</a>; rel=\"first\"", None),
            ("", None),
            ("<", None),
        ] {
            assert_eq!(next_of(link, &here).as_ref().map(Url::as_str), expected, "{link}");
        }
    }
}
